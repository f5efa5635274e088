// SPDX-License-Identifier: Apache-2.0
// Attention of one block of query rows under a policy: two products around a sequential walk.
#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "models/engine/kv_cache.h"
#include "models/engine/layer_policy.h"
#include "models/transformer/decoder.h"

namespace lethe::models {

/// Holds buffers that all layers of one evaluation share. One per thread of evaluation.
class BlockAttention {
 public:
  virtual ~BlockAttention() = default;
  /// `qkv` [rows, qkv_shape().row()] are tokens first_position …; writes their attention output to
  /// `out` ([rows, heads * head_dim]), lets the policy evict after every row, updates the cache.
  virtual void run(const at::Tensor& qkv, std::int64_t first_position, LayerCache& cache,
                   LayerPolicy& policy, const at::Tensor& out) = 0;
};

/// For the decoder's placement, and blocks of at most `block_rows` rows.
std::unique_ptr<BlockAttention> make_block_attention(const Decoder& decoder,
                                                     std::int64_t block_rows);
/// By our own kernels, on the CPU.
std::unique_ptr<BlockAttention> host_attention(const Decoder& decoder, std::int64_t block_rows);
/// By tensor operations, on any device.
std::unique_ptr<BlockAttention> tensor_attention(const Decoder& decoder, std::int64_t block_rows);

}  // namespace lethe::models
