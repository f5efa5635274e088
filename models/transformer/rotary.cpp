// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/rotary.h"

#include <ATen/ATen.h>

namespace lethe::models {

RotaryTable rotary_table(const ModelConfig& config, RopeAngles angles, std::int64_t first,
                         std::int64_t count, at::ScalarType dtype) {
  const auto type = angles == RopeAngles::kHf32 ? at::kFloat : at::kDouble;
  const auto exponent = at::arange(0, config.head_dim, 2, at::kLong).to(type) /
                        at::scalar_tensor(config.head_dim, type);
  const auto inverse_frequency = at::reciprocal(at::pow(config.rope_theta, exponent));
  const auto positions = at::arange(first, first + count, at::kLong).to(type);
  const auto angle = at::outer(positions, inverse_frequency);
  return {at::cos(angle).to(dtype).contiguous(), at::sin(angle).to(dtype).contiguous()};
}

}  // namespace lethe::models
