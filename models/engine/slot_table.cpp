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

std::int32_t SlotTable::take_slot() {
  LETHE_ASSERT(!free_.empty(), "the cache has no free slot");
  std::pop_heap(free_.begin(), free_.end(), std::greater<>());
  const std::int32_t slot = free_.back();
  free_.pop_back();
  high_water_ = std::max(high_water_, slot + 1);
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

std::int32_t SlotTable::remove(std::size_t index) {
  const std::int32_t slot = order_[index];
  const auto offset = static_cast<std::ptrdiff_t>(index);
  positions_.erase(positions_.begin() + offset);
  order_.erase(order_.begin() + offset);
  if (!key_norms_.empty()) key_norms_.erase(key_norms_.begin() + offset);
  return slot;
}

void SlotTable::save(StateWriter& out, const std::string& prefix) const {
  out.put(prefix + "positions", positions_);
  out.put(prefix + "order", order_);
  out.put(prefix + "key_norms", key_norms_);
  out.put(prefix + "free", free_);
  out.put_value(prefix + "high_water", high_water_);
}

void SlotTable::load(const StateReader& in, const std::string& prefix) {
  const std::size_t slots = order_.size() + free_.size();
  positions_ = in.get<std::int64_t>(prefix + "positions");
  order_ = in.get<std::int32_t>(prefix + "order");
  key_norms_ = in.get<double>(prefix + "key_norms");
  free_ = in.get<std::int32_t>(prefix + "free");
  high_water_ = in.get_value<std::int32_t>(prefix + "high_water");
  if (positions_.size() != order_.size() || order_.size() + free_.size() != slots) {
    throw Error(ErrorKind::kData, "state: " + prefix + " is of a cache of another size");
  }
}

void SlotTable::release(std::int32_t slot) {
  free_.push_back(slot);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

}  // namespace lethe::models
