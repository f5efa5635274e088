// SPDX-License-Identifier: Apache-2.0
// Functions of whole tensors that decoders and encoders share.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/transformer/kernels.h"
#include "models/transformer/rotary.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// x · weight^T + bias ([rows, in], [out, in], [out] or undefined): product type in and out, the
/// sum in the compute type.
at::Tensor projection(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const Precision& precision);

/// Rows of x, of mean 0 and deviation 1, times weight, plus bias (arXiv 1607.06450).
at::Tensor layer_normed(const at::Tensor& x, const Norm& norm, double eps);

/// x / rms(x) * weight over the last dimension (arXiv 1910.07467); `weight` is broadcast.
at::Tensor rms_normed(const at::Tensor& x, const at::Tensor& weight, double eps);

/// act(x) of x [rows, width]; where `gated`, act(gate) * up of [rows, gate | up].
at::Tensor activated(const at::Tensor& x, Activation activation, bool gated);

/// x := cap * tanh(x / cap) (Gemma 2, arXiv 2408.00118, section 2).
void soft_cap(const at::Tensor& x, double cap);

/// The same into a tensor of its own, for what needs its gradient.
at::Tensor soft_capped(const at::Tensor& x, double cap);

/// Attention whose scores are capped; LibTorch's fused one knows no cap. `queries` [batch, heads,
/// rows, head_dim]; `keys` and `values` [batch, kv_heads, tokens, head_dim]; `mask` [rows, tokens],
/// true where a row sees a column. O(heads * rows * tokens) memory.
at::Tensor capped_attention(const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values, const at::Tensor& mask, double scale,
                            double cap);

/// Rows q | k | v ([rows, shape.row()]) with queries and keys rotated by a row of the table each.
at::Tensor rotated_projection(const at::Tensor& qkv, const RotaryTable& table,
                              const kernels::QkvShape& shape);

}  // namespace lethe::models
