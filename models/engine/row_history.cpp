// SPDX-License-Identifier: Apache-2.0
#include "models/engine/row_history.h"

#include <algorithm>
#include <numeric>

#include "harness/base/error.h"

namespace lethe::models {

void RowHistory::push(const policies::AttentionRows& attention) {
  heads_ = static_cast<std::size_t>(attention.heads());
  const std::size_t cached = attention.cached();
  std::vector<double> row(heads_ * cached);
  for (std::size_t h = 0; h < heads_; ++h) {
    for (std::size_t i = 0; i < cached; ++i) {
      row[h * cached + i] = attention.at(attention.rows() - 1, static_cast<int>(h), i);
    }
  }
  rows_.push_back(std::move(row));
}

void RowHistory::drop_front(std::size_t count) {
  if (count == 0) return;
  for (auto& row : rows_) {
    const std::size_t cached = row.size() / heads_, kept = cached - std::min(cached, count);
    std::vector<double> rest;
    rest.reserve(heads_ * kept);
    for (std::size_t h = 0; h < heads_; ++h) {
      const auto end = row.begin() + static_cast<std::ptrdiff_t>((h + 1) * cached);
      rest.insert(rest.end(), end - static_cast<std::ptrdiff_t>(kept), end);
    }
    row = std::move(rest);
  }
}

void RowHistory::clear() {
  rows_.clear();
  packed_ = {};  // a prompt's rows may be many megabytes
}

policies::AttentionRows RowHistory::view() {
  LETHE_ASSERT(!rows_.empty(), "no row was recorded");
  const std::size_t cached = rows_.back().size() / heads_;
  packed_.assign(rows_.size() * heads_ * cached, 0.0);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const std::size_t held = rows_[r].size() / heads_;
    for (std::size_t h = 0; h < heads_; ++h) {
      std::copy_n(rows_[r].begin() + static_cast<std::ptrdiff_t>(h * held), held,
                  packed_.begin() + static_cast<std::ptrdiff_t>((r * heads_ + h) * cached));
    }
  }
  identity_.resize(cached);
  std::iota(identity_.begin(), identity_.end(), 0);
  return {packed_.data(),
          static_cast<int>(rows_.size()),
          static_cast<int>(heads_),
          heads_ * cached,
          cached,
          cached,
          identity_};
}

void RowHistory::save(StateWriter& out, const std::string& prefix) const {
  out.put_value(prefix + "heads", static_cast<std::int64_t>(heads_));
  out.put_value(prefix + "rows", static_cast<std::int64_t>(rows_.size()));
  for (std::size_t r = 0; r < rows_.size(); ++r) out.put(prefix + std::to_string(r), rows_[r]);
}

void RowHistory::load(const StateReader& in, const std::string& prefix) {
  rows_.clear();
  heads_ = static_cast<std::size_t>(in.get_value<std::int64_t>(prefix + "heads"));
  const auto rows = in.get_value<std::int64_t>(prefix + "rows");
  for (std::int64_t r = 0; r < rows; ++r) {
    rows_.push_back(in.get<double>(prefix + std::to_string(r)));
    if (heads_ == 0 || rows_.back().size() % heads_ != 0) {
      throw Error(ErrorKind::kData, "state: " + prefix + " is of another number of heads");
    }
  }
}

}  // namespace lethe::models
