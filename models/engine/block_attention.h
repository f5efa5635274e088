// SPDX-License-Identifier: Apache-2.0
// Attention of one block of query rows under a policy: two products around a sequential walk.
#pragma once

#include <cstdint>
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
  BlockAttention(const Decoder& decoder, std::int64_t block_rows, std::int64_t most_slots);

  /// Rows [0, rows) of `qkv` are tokens first_position …; writes their attention output to
  /// `out` ([rows, heads * head_dim]), lets the policy evict after every row, updates the cache.
  template <typename T>
  void run(const T* qkv, std::int64_t rows, std::int64_t first_position, LayerCache& cache,
           LayerPolicy& policy, T* out);

 private:
  template <typename T>
  void decide_ahead(std::int64_t rows, std::int64_t first_position, LayerCache& cache,
                    LayerPolicy& policy);
  template <typename T>
  void decide_by_attention(std::int64_t rows, std::int64_t first_position, LayerCache& cache,
                           LayerPolicy& policy);
  template <typename T>
  void exponentials(std::int64_t rows, bool normalise);
  template <typename T>
  T recompute_row(std::int64_t head, std::int64_t row, std::int64_t rows);
  void commit_row(std::int64_t row, std::int64_t first_position, LayerCache& cache);
  void mark_evicted(const std::vector<std::vector<std::int32_t>>& freed, std::int64_t row);
  std::size_t table_of(std::int64_t head) const;
  template <typename T>
  T* score_row(std::int64_t head, std::int64_t row, std::int64_t rows);

  kernels::QkvShape shape_;
  std::int64_t group_;
  at::Tensor query_buffer_;   // [heads * block_rows * head_dim]
  at::Tensor score_buffer_;   // [heads * block_rows * most_slots]
  at::Tensor output_buffer_;  // [heads * block_rows * head_dim]
  at::Tensor keys_;           // [kv_heads, columns, head_dim] of the block, compute type
  std::int64_t columns_ = 0;
  std::vector<ColumnLife> life_;                      // [tables]
  std::vector<std::vector<std::int32_t>> new_slots_;  // [rows][tables]
};

}  // namespace lethe::models
