// SPDX-License-Identifier: Apache-2.0
// Bidirectional attention with a learned bias by clipped offset (after arXiv 1910.10683, section
// 2.1, with one bucket an offset), with gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace lethe::models {

/// softmax(scale q k^T + bias[clamp(j - i)]) v of every head. `queries` [batch, rows, hidden] stand
/// at positions 0 .. rows - 1; `keys_values` is [batch, tokens, 2 hidden], k | v; `bias` is
/// [heads, 2 clip + 1]. All of one type. Returns [batch, rows, hidden]. On the CPU by kernels that
/// never store a matrix of scores, elsewhere by plain tensor operations.
at::Tensor relative_attention(const at::Tensor& queries, const at::Tensor& keys_values,
                              const at::Tensor& bias, double scale);

/// The same by plain tensor operations, whatever the device: the definition that the kernels are
/// tested against. `weights`, where not null, receives the softmax, [batch, heads, rows, tokens].
at::Tensor relative_attention_by_tensors(const at::Tensor& queries, const at::Tensor& keys_values,
                                         const at::Tensor& bias, double scale,
                                         at::Tensor* weights = nullptr);

}  // namespace lethe::models
