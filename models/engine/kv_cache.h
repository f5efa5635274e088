// SPDX-License-Identifier: Apache-2.0
// Keys and values of one layer of one sequence, and the only function that drops them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/slot_table.h"
#include "models/transformer/kernels.h"
#include "policies/policy.h"

namespace lethe::models {

/// Storage of one layer in the KV type. Under Scope::kLayer one slot table serves all KV heads,
/// otherwise each KV head has its own table and storage, which grow as that head needs: heads that
/// keep little hold little, and nothing is masked.
class LayerCache {
 public:
  /// `most_slots` is how far a table may grow.
  LayerCache(const kernels::QkvShape& shape, policies::Scope scope, std::int64_t most_slots,
             at::ScalarType kv_type, bool keep_key_norms);

  /// KV heads of one table.
  std::int64_t heads_per_table() const { return heads_per_table_; }
  /// Keys of table `t`, a slot per column, as the product with queries reads them:
  /// [heads_per_table, head_dim, slots].
  const at::Tensor& keys(std::size_t t) const { return storage_[t].keys; }
  /// Values of table `t`: [heads_per_table, slots, head_dim].
  const at::Tensor& values(std::size_t t) const { return storage_[t].values; }
  /// One table (Scope::kLayer) or one per KV head.
  const std::vector<SlotTable>& tables() const { return tables_; }

  /// Writes key and value of a token (from a row of the fused projection, compute type) into a free
  /// slot of every table, which goes to `slots` [tables]. The token is live only after commit().
  template <typename T>
  void write(const T* qkv_row, std::span<std::int32_t> slots);
  /// Makes a token live that was written to `slots` [tables].
  void commit(std::int64_t position, std::span<const std::int32_t> slots);

  /// The one mutator: removes the victims of a validated plan from the live tokens. `first_index`
  /// [tables] is added to the indices of a table (pinned tokens stand before the view). Returns the
  /// freed slots per table, valid until the next call; they are overwritten only after
  /// release_freed().
  const std::vector<std::vector<std::int32_t>>& apply(const policies::EvictionPlan& plan,
                                                      std::span<const std::size_t> first_index);
  /// Lets new tokens overwrite the slots freed by apply() since the last call. A table that a cut
  /// has left nearly empty moves into smaller storage.
  void release_freed();

  /// Between two blocks (nothing awaits release). Slots keep their places, so that sums over them
  /// keep their order and their bits.
  void save(StateWriter& out, const std::string& prefix) const;
  /// Into a cache of the same shape. Throws Error(kData) on what save() cannot have written.
  void load(const StateReader& in, const std::string& prefix);

  /// Bytes of keys and values that save() writes.
  std::int64_t state_bytes() const;
  /// Bytes of the live keys and values: sum over KV heads of live x 2 x head_dim x element size.
  std::int64_t live_bytes() const;
  /// Largest live_bytes() so far; counted when a token becomes live, before anything leaves.
  std::int64_t peak_live_bytes() const { return peak_live_bytes_; }
  /// Bytes of the tensors, free slots included.
  std::int64_t allocated_bytes() const;

 private:
  struct Storage {
    at::Tensor keys;
    at::Tensor values;
  };

  std::int64_t bytes_of(std::int64_t tokens) const;
  Storage make_storage(std::int64_t slots) const;
  void reserve(std::size_t table, std::int64_t slots);
  void compact(std::size_t table, std::int64_t slots);

  kernels::QkvShape shape_;
  std::int64_t heads_per_table_;
  std::int64_t most_slots_;
  at::ScalarType kv_type_;
  bool keep_key_norms_;
  std::vector<SlotTable> tables_;
  std::vector<Storage> storage_;                             // [tables]
  std::vector<std::vector<double>> slot_norms_;              // [tables][slots]
  std::vector<std::vector<std::int32_t>> freed_by_plan_;     // [tables], of the last plan
  std::vector<std::vector<std::int32_t>> awaiting_release_;  // [tables]
  std::int64_t peak_live_bytes_ = 0;
};

}  // namespace lethe::models
