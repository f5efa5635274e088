// SPDX-License-Identifier: Apache-2.0
// Attention of one block of query rows under a policy: two products around a sequential walk.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/kv_cache.h"
#include "models/engine/layer_policy.h"
#include "models/engine/softmax.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Buffers of the scan, shared by all layers of one evaluation. One per thread of evaluation.
class BlockAttention {
 public:
  BlockAttention(const Decoder& decoder, std::int64_t block_rows);

  /// Rows [0, rows) of `qkv` are tokens first_position …; writes their attention output to
  /// `out` ([rows, heads * head_dim]), lets the policy evict after every row, updates the cache.
  template <typename T>
  void run(const T* qkv, std::int64_t rows, std::int64_t first_position, LayerCache& cache,
           LayerPolicy& policy, T* out);

 private:
  /// One block on its way.
  template <typename T>
  struct Block {
    const T* qkv;
    std::int64_t rows;
    std::int64_t first_position;
    T* out;
    /// Rows before this one are complete before any token of the block has left.
    std::int64_t settled = 0;
  };

  std::span<const std::int32_t> new_slots(std::int64_t row) const;
  std::size_t table_of(std::int64_t head) const;
  template <typename T>
  void lay_out(const Block<T>& block, LayerCache& cache);
  template <typename T>
  void widen(LayerCache& cache);
  void mark_evicted(const std::vector<std::vector<std::int32_t>>& freed, std::int64_t row);
  template <typename T>
  void decide_ahead(const Block<T>& block, LayerCache& cache, LayerPolicy& policy);
  template <typename T>
  void decide_by_attention(const Block<T>& block, LayerCache& cache, LayerPolicy& policy);
  template <typename T>
  void weigh(const Block<T>& block);
  template <typename T>
  void attend(const Block<T>& block);
  template <typename T>
  void weigh_and_attend(const Block<T>& block);
  template <typename T>
  void scores(const Block<T>& block, std::int64_t head, std::int64_t row, std::int64_t count,
              T* scores) const;
  template <typename T>
  void output(const Block<T>& block, std::int64_t head, std::int64_t row, std::int64_t count,
              const T* weights) const;
  template <typename T>
  T sum_of_row(const Block<T>& block, std::int64_t head, std::int64_t row);
  template <typename T>
  T* score_row(std::int64_t head, std::int64_t row);
  template <typename T>
  T& factor(std::int64_t head, std::int64_t row);

  /// Where the product kernels read one KV head.
  struct Operand {
    at::Tensor held;  ///< of the cache, or widened from bfloat16
    std::int64_t offset = 0;
    std::int64_t stride = 0;
  };

  kernels::QkvShape shape_;
  std::int64_t group_;
  std::int64_t block_rows_;
  at::ScalarType compute_;
  at::Tensor score_buffer_;              // grows; [heads][rows][columns of the head's table]
  at::Tensor factor_buffer_;             // [heads * block_rows], 1 / sum; 0 while not known
  std::vector<std::int64_t> columns_;    // [tables]
  std::vector<std::int64_t> offsets_;    // [heads] into score_buffer_
  std::vector<Operand> keys_, values_;   // [kv_heads]
  std::vector<ColumnLife> life_;         // [tables]
  std::vector<std::int32_t> new_slots_;  // [rows][tables]
};

}  // namespace lethe::models
