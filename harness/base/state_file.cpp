// SPDX-License-Identifier: Apache-2.0
#include "harness/base/state_file.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "harness/base/hash.h"
#include "harness/base/json.h"

namespace lethe {
namespace {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

constexpr std::string_view kMagic = "LSTATE1\n";
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kDigestBytes = 64;

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorKind::kData, "the saved state is damaged: " + why);
}

}  // namespace

void StateWriter::add(const std::string& name, std::string type, std::string_view bytes) {
  const bool there = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.name == name; });
  LETHE_ASSERT(!there, "state '" + name + "' is put twice");
  entries_.push_back({name, std::move(type), bytes.size()});
  data_ += bytes;
}

std::string StateWriter::finish(std::string_view identity) const {
  json::array entries;
  for (const Entry& entry : entries_) {
    entries.push_back({{"name", entry.name}, {"type", entry.type}, {"bytes", entry.bytes}});
  }
  const std::string header =
      canonical_json(json::object{{"identity", identity}, {"entries", std::move(entries)}});
  const std::uint64_t length = header.size();
  std::string out;
  out.reserve(kMagic.size() + kLengthBytes + header.size() + data_.size() + kDigestBytes);
  out += kMagic;
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out += header;
  out += data_;
  out += sha256_hex(out);
  return out;
}

StateReader::StateReader(std::string bytes, std::string_view identity) : bytes_(std::move(bytes)) {
  constexpr std::size_t kFixed = kMagic.size() + kLengthBytes;
  const std::string_view all(bytes_);
  if (all.size() < kFixed + kDigestBytes || !all.starts_with(kMagic)) damaged("no header");
  const std::string_view content = all.substr(0, all.size() - kDigestBytes);
  if (sha256_hex(content) != all.substr(content.size())) damaged("its checksum is another");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes_.data() + kMagic.size(), sizeof length);
  if (length > content.size() - kFixed) damaged("its header is longer than the file");
  const auto header = parse_json(content.substr(kFixed, length), "state header", ErrorKind::kData);
  ObjectReader reader(header, "state header", ErrorKind::kData);
  if (const std::string found = reader.string("identity"); found != identity) {
    throw Error(ErrorKind::kData, "the saved state belongs to something else: expected " +
                                      std::string(identity) + ", found " + found);
  }
  std::size_t offset = kFixed + length;
  for (const auto& item : reader.array("entries")) {
    ObjectReader entry(item, "state entry", ErrorKind::kData);
    const auto size = static_cast<std::size_t>(entry.integer("bytes"));
    if (size > content.size() - offset) damaged("an array is longer than the file");
    entries_[entry.string("name")] = {entry.string("type"), offset, size};
    offset += size;
  }
}

std::string_view StateReader::find(const std::string& name, const std::string& type) const {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) damaged("it has no '" + name + "'");
  if (entry->second.type != type) {
    damaged("'" + name + "' has type " + entry->second.type + ", expected " + type);
  }
  return std::string_view(bytes_).substr(entry->second.offset, entry->second.bytes);
}

}  // namespace lethe
