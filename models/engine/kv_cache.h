// SPDX-License-Identifier: Apache-2.0
// Keys and values of one layer of one sequence, and the only function that drops them.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/slot_table.h"
#include "models/transformer/kernels.h"
#include "policies/policy.h"

namespace lethe::models {

/// Storage of one layer: keys and values [kv_heads, slots, head_dim] in the KV type. Under
/// Scope::kLayer one slot table serves all KV heads, otherwise each KV head has its own.
class LayerCache {
 public:
  LayerCache(const kernels::QkvShape& shape, policies::Scope scope, std::int64_t slots,
             at::ScalarType kv_type, bool keep_key_norms);

  const at::Tensor& keys() const { return keys_; }
  const at::Tensor& values() const { return values_; }
  /// One table (Scope::kLayer) or one per KV head.
  const std::vector<SlotTable>& tables() const { return tables_; }
  std::int32_t high_water() const;

  /// Writes key and value of a token (from a row of the fused projection, compute type) into a free
  /// slot of every table. The token is live only after commit(). Returns the slot per table.
  template <typename T>
  std::vector<std::int32_t> write(const T* qkv_row);
  /// Makes a written token live in table `head`.
  void commit(std::size_t head, std::int64_t position, std::int32_t slot);

  /// The one mutator: removes the victims of a validated plan from the live tokens. `first_index`
  /// is added to every index (pinned tokens stand before the view). Returns the freed slots per
  /// table; they are overwritten only after release().
  const std::vector<std::vector<std::int32_t>>& apply(const policies::EvictionPlan& plan,
                                                      std::size_t first_index);
  /// Lets new tokens overwrite the slots freed by apply() since the last call.
  void release_freed();

  /// Between two blocks (nothing awaits release). Slots keep their places, so that sums over them
  /// keep their order and their bits.
  void save(StateWriter& out, const std::string& prefix) const;
  /// Into a cache of the same shape. Throws Error(kData) on what save() cannot have written.
  void load(const StateReader& in, const std::string& prefix);

  /// Bytes of the live keys and values: sum over KV heads of live x 2 x head_dim x element size.
  std::int64_t live_bytes() const;
  /// Largest live_bytes() so far; counted when a token becomes live, before anything leaves.
  std::int64_t peak_live_bytes() const { return peak_live_bytes_; }

 private:
  kernels::QkvShape shape_;
  bool keep_key_norms_;
  at::Tensor keys_;
  at::Tensor values_;
  std::vector<SlotTable> tables_;
  std::vector<std::vector<double>> slot_norms_;              // [tables][slots]
  std::vector<std::vector<std::int32_t>> freed_by_plan_;     // [tables], of the last plan
  std::vector<std::vector<std::int32_t>> awaiting_release_;  // [tables]
  std::int64_t peak_live_bytes_ = 0;
};

}  // namespace lethe::models
