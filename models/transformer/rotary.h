// SPDX-License-Identifier: Apache-2.0
// Rotary position tables, made per chunk.
#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/engine/evaluate.h"

namespace lethe::models {

/// What the angles of an evaluation depend on, beside model and position.
struct RotaryRule {
  /// kHf32: inverse frequencies and the product with the position in float32, as transformers forms
  /// them, widened afterwards; kF64: everything in float64 (at 2M positions the float32 product is
  /// off by 0.06 rad).
  RopeAngles angles = RopeAngles::kHf32;
  /// Tokens of the whole evaluation, those still to be generated included: RopeKind::kDynamic takes
  /// its base from it, once, as transformers does for one pass over all of them.
  std::int64_t length = 0;
};

/// cos and sin of the rotary angles, each [count, rotary_dim / 2] in `dtype`. Scaled as
/// config.rope says: linear (position interpolation, arXiv 2306.15595), dynamic NTK, llama3, YaRN
/// (arXiv 2309.00071; its attention factor is in cos and sin), or divisors of a GGUF file.
struct RotaryTable {
  at::Tensor cos;
  at::Tensor sin;
};

/// Tables for positions first … first + count - 1.
RotaryTable rotary_table(const ModelConfig& config, const RotaryRule& rule, std::int64_t first,
                         std::int64_t count, at::ScalarType dtype);
/// The same for any positions, whole or not.
RotaryTable rotary_table(const ModelConfig& config, const RotaryRule& rule,
                         std::span<const double> positions, at::ScalarType dtype);

/// `x` [..., head_dim] with its first dimensions turned, as many as the angles are twice
/// (half-split form); cos and sin [..., rotary_dim / 2] are broadcast. The rest stays.
at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace lethe::models
