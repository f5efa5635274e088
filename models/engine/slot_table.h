// SPDX-License-Identifier: Apache-2.0
// Which cached token sits in which slot. Tensors are never moved: a new token overwrites a free
// slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/base/state_file.h"

namespace lethe::models {

/// Live tokens of one KV head (or of a whole layer) in ascending order of position, with the slot
/// each one occupies.
class SlotTable {
 public:
  explicit SlotTable(std::int32_t slots);

  std::size_t live() const { return order_.size(); }
  /// One past the highest slot that was ever used: columns beyond it need no work.
  std::int32_t high_water() const { return high_water_; }
  std::span<const std::int64_t> positions() const { return positions_; }  ///< [live], ascending
  std::span<const std::int32_t> order() const { return order_; }          ///< [live], slots
  std::span<const double> key_norms() const { return key_norms_; }        ///< [live] or empty

  std::int32_t slots() const { return static_cast<std::int32_t>(free_.size()) + in_use_; }
  bool full() const { return free_.empty(); }
  /// Adds free slots until there are `slots`.
  void grow(std::int32_t slots);

  /// Takes the lowest free slot. Throws Error(kInternal) when none is free. The token is not yet
  /// live: append() makes it so, in order of position.
  std::int32_t take_slot();
  void append(std::int64_t position, std::int32_t slot);
  void append_with_norm(std::int64_t position, std::int32_t slot, double key_norm);
  /// Removes the tokens at `indices` + `first` (view order, ascending) and appends their slots to
  /// `freed`. The slots stay occupied until release(): rows of the current block may still read
  /// them.
  void remove(std::span<const std::size_t> indices, std::size_t first,
              std::vector<std::int32_t>& freed);
  void release(std::int32_t slot);
  /// Token i takes slot i of `slots`, the others are free. No slot may await its release.
  void renumber(std::int32_t slots);

  void save(StateWriter& out, const std::string& prefix) const;
  /// Throws Error(kData) on what save() cannot have written.
  void load(const StateReader& in, const std::string& prefix);

 private:
  template <typename T>
  static void erase(std::vector<T>& list, std::span<const std::size_t> indices, std::size_t first);

  std::vector<std::int64_t> positions_;
  std::vector<std::int32_t> order_;
  std::vector<double> key_norms_;
  std::vector<std::int32_t> free_;  // min-heap: low slots first keep the used columns few
  std::int32_t in_use_ = 0;         // taken and not released
  std::int32_t high_water_ = 0;
};

}  // namespace lethe::models
