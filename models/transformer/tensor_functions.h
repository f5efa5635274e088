// SPDX-License-Identifier: Apache-2.0
// Functions of whole tensors that our own kernels do not have: what families other than Llama need.
#pragma once

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/transformer/kernels.h"
#include "models/transformer/rotary.h"

namespace lethe::models {

/// act(x) of x [rows, width]; where `gated`, act(gate) * up of [rows, gate | up].
at::Tensor activated(const at::Tensor& x, Activation activation, bool gated);

/// x := cap * tanh(x / cap) (Gemma 2, arXiv 2408.00118, section 2).
void soft_cap(const at::Tensor& x, double cap);

/// Rows q | k | v ([rows, shape.row()]) with queries and keys rotated by a row of the table each.
at::Tensor rotated_projection(const at::Tensor& qkv, const RotaryTable& table,
                              const kernels::QkvShape& shape);

}  // namespace lethe::models
