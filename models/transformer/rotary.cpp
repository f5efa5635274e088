// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

/// theta^(2i / rotary_dim) for i = 0 … rotary_dim / 2 - 1, in `type`.
at::Tensor wave_lengths(const ModelConfig& config, const at::Tensor& theta, at::ScalarType type) {
  const auto exponent = at::arange(0, config.rotary_dim(), 2, at::kLong).to(type) /
                        at::scalar_tensor(config.rotary_dim(), type);
  return at::pow(theta, exponent);
}

// The base grows with the text once it is longer than the model was trained for. Formed in `type`,
// as in transformers.
at::Tensor dynamic_theta(const ModelConfig& config, std::int64_t length, at::ScalarType type) {
  LETHE_ASSERT(length > 0, "dynamic rotary embedding needs the length of the evaluation");
  const auto trained = static_cast<double>(config.rope.original_length);
  const auto dim = static_cast<double>(config.rotary_dim());
  const at::Tensor longest =
      at::scalar_tensor(std::max(static_cast<double>(length), trained), type);
  const at::Tensor growth = longest * config.rope.factor / trained - (config.rope.factor - 1.0);
  return at::pow(growth, dim / (dim - 2.0)) * config.rope_theta;
}

// Llama 3.1: long waves are divided by factor, short ones stay, those between are mixed.
at::Tensor llama3_frequencies(const at::Tensor& plain, const RopeScaling& rope) {
  const auto trained = static_cast<double>(rope.original_length);
  const at::Tensor wave = at::reciprocal(plain) * (2.0 * std::numbers::pi);
  const at::Tensor share = (at::reciprocal(wave) * trained - rope.low_freq_factor) /
                           (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor mixed = (1.0 - share) * plain / rope.factor + share * plain;
  return at::where(wave > trained / rope.low_freq_factor, plain / rope.factor,
                   at::where(wave < trained / rope.high_freq_factor, plain, mixed));
}

// YaRN: dimensions that turn often within the trained length stay, those that turn rarely are
// divided by factor, with a linear ramp between (arXiv 2309.00071, section 3.2).
at::Tensor yarn_frequencies(const at::Tensor& waves, const ModelConfig& config) {
  const RopeScaling& rope = config.rope;
  const auto dim = static_cast<double>(config.rotary_dim());
  const auto dimension_of = [&](double turns) {
    return dim *
           std::log(static_cast<double>(rope.original_length) / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(config.rope_theta));
  };
  double low = dimension_of(rope.beta_fast), high = dimension_of(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  const at::Tensor divided =
      ((at::arange(waves.numel(), waves.options()) - low) / (high - low)).clamp(0.0, 1.0);
  return at::reciprocal(waves * rope.factor) * divided + at::reciprocal(waves) * (1.0 - divided);
}

// What YaRN multiplies cos and sin with, so that attention stays as sharp as in training.
double yarn_attention_factor(const RopeScaling& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  const auto scale = [&](double mscale) {
    return rope.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1.0;
  };
  const double mscale = rope.mscale.value_or(0.0), all = rope.mscale_all_dim.value_or(0.0);
  return mscale != 0.0 && all != 0.0 ? scale(mscale) / scale(all) : scale(1.0);
}

at::Tensor inverse_frequencies(const ModelConfig& config, const RotaryRule& rule,
                               at::ScalarType type) {
  const RopeScaling& rope = config.rope;
  const at::Tensor theta = rope.kind == RopeKind::kDynamic
                               ? dynamic_theta(config, rule.length, type)
                               : at::scalar_tensor(config.rope_theta, type);
  const at::Tensor waves = wave_lengths(config, theta, type);
  const at::Tensor plain = at::reciprocal(waves);
  switch (rope.kind) {
    case RopeKind::kPlain:
    case RopeKind::kDynamic:
      return plain;
    case RopeKind::kLinear:
      return plain / rope.factor;
    case RopeKind::kLlama3:
      return llama3_frequencies(plain, rope);
    case RopeKind::kYarn:
      return yarn_frequencies(waves, config);
    case RopeKind::kDivisors:
      return plain / at::tensor(at::ArrayRef<float>(rope.divisors), at::kFloat).to(type);
  }
  throw Error(ErrorKind::kInternal, "unknown kind of rope scaling");
}

RotaryTable table_of(const ModelConfig& config, const RotaryRule& rule, const at::Tensor& positions,
                     at::ScalarType dtype) {
  const auto type = rule.angles == RopeAngles::kHf32 ? at::kFloat : at::kDouble;
  const auto angle = at::outer(positions.to(type), inverse_frequencies(config, rule, type));
  at::Tensor cos = at::cos(angle), sin = at::sin(angle);
  if (config.rope.kind == RopeKind::kYarn) {
    const double factor = yarn_attention_factor(config.rope);
    cos.mul_(factor);
    sin.mul_(factor);
  }
  return {cos.to(dtype).contiguous(), sin.to(dtype).contiguous()};
}

}  // namespace

RotaryTable rotary_table(const ModelConfig& config, const RotaryRule& rule, std::int64_t first,
                         std::int64_t count, at::ScalarType dtype) {
  return table_of(config, rule, at::arange(first, first + count, at::kLong), dtype);
}

RotaryTable rotary_table(const ModelConfig& config, const RotaryRule& rule,
                         std::span<const double> positions, at::ScalarType dtype) {
  return table_of(config, rule,
                  at::tensor(at::ArrayRef<double>(positions.data(), positions.size()), at::kDouble),
                  dtype);
}

at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::int64_t half = cos.size(-1), rest = x.size(-1) - 2 * half;
  const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
  const at::Tensor first = a * cos - b * sin, second = b * cos + a * sin;
  if (rest == 0) return at::cat({first, second}, -1);
  return at::cat({first, second, x.narrow(-1, 2 * half, rest)}, -1);
}

}  // namespace lethe::models
