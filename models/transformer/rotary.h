// SPDX-License-Identifier: Apache-2.0
// Rotary position tables, made per chunk.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/engine/evaluate.h"

namespace lethe::models {

/// cos and sin of the rotary angles, each [count, head_dim / 2] in `dtype`.
struct RotaryTable {
  at::Tensor cos;
  at::Tensor sin;
};

/// Tables for positions first … first + count - 1. kHf32: inverse frequencies and the product with
/// the position in float32, as transformers forms them, widened afterwards; kF64: everything in
/// float64 (at 2M positions the float32 product is off by 0.06 rad).
RotaryTable rotary_table(const ModelConfig& config, RopeAngles angles, std::int64_t first,
                         std::int64_t count, at::ScalarType dtype);
/// The same for any positions, whole or not.
RotaryTable rotary_table(const ModelConfig& config, RopeAngles angles,
                         std::span<const double> positions, at::ScalarType dtype);

}  // namespace lethe::models
