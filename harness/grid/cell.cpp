// SPDX-License-Identifier: Apache-2.0
#include "harness/grid/cell.h"

#include <map>

#include "harness/base/error.h"
#include "harness/base/hash.h"

namespace lethe::grid {
namespace {

/// Calls `use(i, line)` for each line of `text`.
template <typename Use>
void for_each_line(std::string_view text, Use&& use) {
  for (std::size_t i = 0; i < CellInputs::kOwn.size(); ++i) {
    const auto end = text.find('\n');
    use(i, text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

}  // namespace

CellInputs::Common::Common(json::object members) : members_(std::move(members)) {
  std::map<std::string_view, const json::value*> sorted;
  for (const auto& member : members_) sorted.emplace(member.key(), &member.value());
  for (const auto name : kOwn) sorted.emplace(name, nullptr);
  LETHE_ASSERT(sorted.size() == members_.size() + kOwn.size(),
               "common inputs name a member that is each cell's own");
  std::size_t piece = 0;
  pieces_[piece] = "{";
  for (const auto& [name, value] : sorted) {
    if (pieces_[piece] != "{") pieces_[piece] += ',';
    pieces_[piece] += lethe::canonical_json(json::string(name)) + ":";
    if (value) {
      pieces_[piece] += lethe::canonical_json(*value);
    } else {
      ++piece;
    }
  }
  pieces_[piece] += '}';
}

CellInputs::CellInputs(std::shared_ptr<const Common> common, const Own& own)
    : common_(std::move(common)) {
  std::size_t size = 0;
  for (const auto value : own) size += value.size() + 1;
  own_.reserve(size);
  for (const auto value : own) {
    own_ += value;
    own_ += '\n';
  }
}

json::object CellInputs::object() const {
  if (!common_) return {};
  json::object out = common_->members_;
  for_each_line(own_, [&](std::size_t i, std::string_view value) {
    out[kOwn[i]] = parse_json(value, kOwn[i], ErrorKind::kInternal);
  });
  return out;
}

std::string CellInputs::canonical() const {
  if (!common_) return "{}";
  std::size_t size = own_.size();
  for (const auto& piece : common_->pieces_) size += piece.size();
  std::string out;
  out.reserve(size);
  for_each_line(own_, [&](std::size_t i, std::string_view value) {
    out += common_->pieces_[i];
    out += value;
  });
  return out += common_->pieces_.back();
}

std::string Cell::label() const {
  std::string out = task + "/" + model + "/" + policy;
  if (budget) {
    out += policy.find(':') == std::string::npos ? ":" : ",";
    out += "budget=" + std::to_string(*budget);
  }
  out += "/length=" + std::to_string(length) + "/" + schedule + "/" + positions + "/" + dtype;
  if (kv_dtype != "same") out += "/kv=" + kv_dtype;
  return out + "/seed=" + std::to_string(seed);
}

std::string sample_key(const std::string& cell_key, const std::string& sample_hash) {
  return sha256_hex(cell_key + "/" + sample_hash);
}

}  // namespace lethe::grid
