// SPDX-License-Identifier: Apache-2.0
#include "models/engine/slot_table.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "harness/base/error.h"

namespace lethe::models {

SlotTable::SlotTable(std::int32_t slots) : free_(static_cast<std::size_t>(slots)) {
  std::iota(free_.begin(), free_.end(), 0);  // ascending: already a min-heap
}

void SlotTable::grow(std::int32_t slots) {
  // Larger than every other, so that the heap stays one.
  for (std::int32_t slot = this->slots(); slot < slots; ++slot) free_.push_back(slot);
}

std::int32_t SlotTable::take_slot() {
  LETHE_ASSERT(!free_.empty(), "the cache has no free slot");
  std::pop_heap(free_.begin(), free_.end(), std::greater<>());
  const std::int32_t slot = free_.back();
  free_.pop_back();
  high_water_ = std::max(high_water_, slot + 1);
  ++in_use_;
  return slot;
}

void SlotTable::append(std::int64_t position, std::int32_t slot) {
  LETHE_ASSERT(positions_.empty() || positions_.back() < position, "positions must ascend");
  positions_.push_back(position);
  order_.push_back(slot);
}

void SlotTable::append_with_norm(std::int64_t position, std::int32_t slot, double key_norm) {
  append(position, slot);
  key_norms_.push_back(key_norm);
}

// One pass however many leave; in the exact schedule it is one, near the middle.
template <typename T>
void SlotTable::erase(std::vector<T>& list, std::span<const std::size_t> indices,
                      std::size_t first) {
  auto out = list.begin() + static_cast<std::ptrdiff_t>(first + indices.front());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto begin = list.begin() + static_cast<std::ptrdiff_t>(first + indices[i] + 1);
    const auto end = i + 1 < indices.size()
                         ? list.begin() + static_cast<std::ptrdiff_t>(first + indices[i + 1])
                         : list.end();
    out = std::move(begin, end, out);
  }
  list.resize(list.size() - indices.size());
}

void SlotTable::remove(std::span<const std::size_t> indices, std::size_t first,
                       std::vector<std::int32_t>& freed) {
  if (indices.empty()) return;
  LETHE_ASSERT(first + indices.back() < order_.size(), "a token is removed that is not there");
  for (const std::size_t index : indices) freed.push_back(order_[first + index]);
  erase(positions_, indices, first);
  erase(order_, indices, first);
  if (!key_norms_.empty()) erase(key_norms_, indices, first);
}

void SlotTable::renumber(std::int32_t slots) {
  LETHE_ASSERT(in_use_ == static_cast<std::int32_t>(live()) && slots >= in_use_,
               "a table is renumbered while slots are in use");
  std::iota(order_.begin(), order_.end(), 0);
  free_.resize(static_cast<std::size_t>(slots - in_use_));
  std::iota(free_.begin(), free_.end(), in_use_);
  high_water_ = in_use_;
}

void SlotTable::save(StateWriter& out, const std::string& prefix) const {
  out.put(prefix + "positions", positions_);
  out.put(prefix + "order", order_);
  out.put(prefix + "key_norms", key_norms_);
  out.put(prefix + "free", free_);
  out.put_value(prefix + "high_water", high_water_);
}

void SlotTable::load(const StateReader& in, const std::string& prefix) {
  positions_ = in.get<std::int64_t>(prefix + "positions");
  order_ = in.get<std::int32_t>(prefix + "order");
  key_norms_ = in.get<double>(prefix + "key_norms");
  free_ = in.get<std::int32_t>(prefix + "free");
  high_water_ = in.get_value<std::int32_t>(prefix + "high_water");
  in_use_ = static_cast<std::int32_t>(order_.size());
  const auto inside = [&](std::int32_t slot) { return slot >= 0 && slot < slots(); };
  if (positions_.size() != order_.size() ||
      (!key_norms_.empty() && key_norms_.size() != order_.size()) || high_water_ < 0 ||
      high_water_ > slots() || !std::all_of(order_.begin(), order_.end(), inside) ||
      !std::all_of(free_.begin(), free_.end(), inside)) {
    throw Error(ErrorKind::kData, "state: " + prefix + " is of a cache of another size");
  }
}

void SlotTable::release(std::int32_t slot) {
  --in_use_;
  free_.push_back(slot);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

}  // namespace lethe::models
