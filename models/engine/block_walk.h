// SPDX-License-Identifier: Apache-2.0
// The sequential part of attention under a policy, over one block of query rows: who is alive in
// which row, and what the policy says to it. Runs on the host whatever computes the products.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/kv_cache.h"
#include "models/engine/layer_policy.h"
#include "models/engine/softmax.h"

namespace lethe::models {

/// Buffers of the walk, shared by all blocks of one evaluation. `T` is the compute type.
template <typename T>
class BlockWalk {
 public:
  /// Forms the scores of one row of one head again: [columns of the head's table].
  using Rescore = std::function<void(std::int64_t head, std::int64_t row, T* scores)>;

  /// `pinned`: scores come from a CUDA device.
  BlockWalk(const kernels::QkvShape& shape, std::int64_t block_rows, bool pinned);

  /// Tokens first_position … of `qkv` ([rows, shape.row()]) get their slots in the cache; a column
  /// (slot) lives from its token's row on.
  void begin(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache);

  std::int64_t rows() const { return rows_; }
  std::size_t tables() const { return life_.size(); }
  /// Of the table of a query head.
  std::size_t table_of(std::int64_t head) const {
    return tables() == 1 ? 0 : static_cast<std::size_t>(head / group_);
  }
  /// Slots of a table that may be alive in some row, rounded up to whole vectors.
  std::int64_t columns(std::size_t table) const { return columns_[table]; }
  /// Final once the walk is done.
  const ColumnLife& life(std::size_t table) const { return life_[table]; }

  /// All decisions at once, where the policy looks at no attention in this block.
  void decide(LayerCache& cache, LayerPolicy& policy);

  /// Where the policy looks at attention: first expect_scores(), then the scores of every row into
  /// score_row() and weigh(), in any order and from several threads, then decide_by_attention().
  void expect_scores(const LayerPolicy& policy, const LayerCache& cache);
  /// [columns of the head's table].
  T* score_row(std::int64_t head, std::int64_t row) {
    return scores_.mutable_data_ptr<T>() + offsets_[static_cast<std::size_t>(head)] +
           row * columns_[table_of(head)];
  }
  /// All scores, [heads][rows][columns of the head's table], flat.
  at::Tensor scores() const { return scores_.narrow(0, 0, elements_); }
  /// A row's scores become exponentials of every column that could be alive in it, shifted by the
  /// largest; softmax is exact whatever the shift.
  void weigh(std::int64_t head, std::int64_t row);
  /// Row by row: normalise what the policy reads, hand it over, end the victims' columns.
  void decide_by_attention(LayerCache& cache, LayerPolicy& policy, const Rescore& rescore);
  /// 1 / sum of the exponentials alive in a row, when all decisions are made.
  T factor_of(std::int64_t head, std::int64_t row, const Rescore& rescore);

 private:
  std::span<const std::int32_t> new_slots(std::int64_t row) const;
  void mark_evicted(const std::vector<std::vector<std::int32_t>>& freed, std::int64_t row);
  T sum_of_row(std::int64_t head, std::int64_t row, const Rescore& rescore);
  T& factor(std::int64_t head, std::int64_t row) {
    return factors_[static_cast<std::size_t>(head * block_rows_ + row)];
  }

  kernels::QkvShape shape_;
  std::int64_t group_;
  std::int64_t block_rows_;
  at::TensorOptions score_options_;
  std::int64_t rows_ = 0;
  std::int64_t first_position_ = 0;
  std::int64_t settled_ = 0;  // rows before it are complete before any token of the block leaves
  at::Tensor scores_;         // grows
  std::int64_t elements_ = 0;
  std::vector<T> factors_;               // [heads][block_rows], 1 / sum; 0 while not known
  std::vector<std::int64_t> columns_;    // [tables]
  std::vector<std::int64_t> offsets_;    // [heads] into scores_
  std::vector<ColumnLife> life_;         // [tables]
  std::vector<std::int32_t> new_slots_;  // [rows][tables]
};

}  // namespace lethe::models
