// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/rotary.h"

#include <ATen/ATen.h>

namespace lethe::models {

namespace {

RotaryTable table_of(const ModelConfig& config, RopeAngles angles, const at::Tensor& positions,
                     at::ScalarType dtype) {
  const auto type = angles == RopeAngles::kHf32 ? at::kFloat : at::kDouble;
  const auto exponent = at::arange(0, config.head_dim, 2, at::kLong).to(type) /
                        at::scalar_tensor(config.head_dim, type);
  const auto inverse_frequency = at::reciprocal(at::pow(config.rope_theta, exponent));
  const auto angle = at::outer(positions.to(type), inverse_frequency);
  return {at::cos(angle).to(dtype).contiguous(), at::sin(angle).to(dtype).contiguous()};
}

}  // namespace

RotaryTable rotary_table(const ModelConfig& config, RopeAngles angles, std::int64_t first,
                         std::int64_t count, at::ScalarType dtype) {
  return table_of(config, angles, at::arange(first, first + count, at::kLong), dtype);
}

RotaryTable rotary_table(const ModelConfig& config, RopeAngles angles,
                         std::span<const double> positions, at::ScalarType dtype) {
  return table_of(config, angles,
                  at::tensor(at::ArrayRef<double>(positions.data(), positions.size()), at::kDouble),
                  dtype);
}

}  // namespace lethe::models
