// SPDX-License-Identifier: Apache-2.0
// Keys and values of one layer of one sequence, and the only function that drops them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/device.h"
#include "models/engine/slot_table.h"
#include "models/transformer/kernels.h"
#include "policies/policy.h"

namespace lethe::models {

/// Indices of slots as a tensor.
at::Tensor slot_index(std::span<const std::int32_t> slots, at::Device device);

/// Storage of one layer in the KV type. Under Scope::kLayer one slot table serves all KV heads,
/// otherwise each KV head has its own table and storage, which grow as that head needs: heads that
/// keep little hold little, and nothing is masked.
class LayerCache {
 public:
  /// `most_slots` is how far a table may grow; `kv_type` is float64, float32, bfloat16 or int8.
  LayerCache(const kernels::QkvShape& shape, policies::Scope scope, std::int64_t most_slots,
             at::ScalarType kv_type, bool keep_key_norms, const Placement& placement);

  /// KV heads of one table.
  std::int64_t heads_per_table() const { return heads_per_table_; }
  /// Keys of table `t`, a slot per column, as the product with queries reads them:
  /// [heads_per_table, head_dim, slots].
  const at::Tensor& keys(std::size_t t) const { return storage_[t].keys; }
  /// Values of table `t`: [heads_per_table, slots, head_dim].
  const at::Tensor& values(std::size_t t) const { return storage_[t].values; }
  /// Of int8 keys and values: [heads_per_table, slots], float32; else undefined. What is cached of
  /// a slot is its numbers times its scale.
  const at::Tensor& key_scales(std::size_t t) const { return storage_[t].key_scales; }
  const at::Tensor& value_scales(std::size_t t) const { return storage_[t].value_scales; }
  /// The first `columns` slots of keys and values in `type`, scales applied; shapes as above.
  at::Tensor keys_as(std::size_t t, std::int64_t columns, at::ScalarType type) const;
  at::Tensor values_as(std::size_t t, std::int64_t columns, at::ScalarType type) const;
  /// One table (Scope::kLayer) or one per KV head.
  const std::vector<SlotTable>& tables() const { return tables_; }

  /// Writes keys and values of tokens (rows of the fused projection, compute type) into free slots
  /// of every table, which go to `slots` [rows][tables]. A token is live only after commit().
  void write(const at::Tensor& qkv, std::span<std::int32_t> slots);
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
    at::Tensor key_scales;
    at::Tensor value_scales;
  };
  /// A tensor of the storage, and which of its dimensions is the slot.
  struct Part {
    const char* name;
    at::Tensor Storage::*tensor;
    std::int64_t slot_dim;
  };

  std::span<const Part> parts() const;
  std::int64_t bytes_of(std::int64_t tokens) const;
  Storage make_storage(std::int64_t slots) const;
  void reserve(std::size_t table, std::int64_t slots);
  void compact(std::size_t table, std::int64_t slots);
  std::int32_t take_slot(std::size_t table);
  template <typename T>
  void write_row(const T* qkv_row, std::span<const std::int32_t> slots);
  void write_rows(const at::Tensor& qkv, std::span<const std::int32_t> slots);
  void keep_norms(const at::Tensor& keys, std::span<const std::int32_t> slots);

  kernels::QkvShape shape_;
  std::int64_t heads_per_table_;
  std::int64_t most_slots_;
  at::TensorOptions kv_;  // type and device
  Backend backend_;
  bool keep_key_norms_;
  std::vector<SlotTable> tables_;
  std::vector<Storage> storage_;                             // [tables]
  std::vector<std::vector<double>> slot_norms_;              // [tables][slots]
  std::vector<std::vector<std::int32_t>> freed_by_plan_;     // [tables], of the last plan
  std::vector<std::vector<std::int32_t>> awaiting_release_;  // [tables]
  std::int64_t peak_live_bytes_ = 0;
};

}  // namespace lethe::models
