// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/model_config.h"

#include <array>
#include <cmath>
#include <utility>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

// Far above any model, far below where products of two could overflow.
constexpr std::int64_t kLargestExtent = std::int64_t{1} << 30;

void expect(bool condition, std::string_view where, const std::string& message) {
  if (!condition) throw Error(ErrorKind::kModel, std::string(where) + ": " + message);
}

}  // namespace

void check_model_config(const ModelConfig& config, std::string_view where) {
  const std::array<std::pair<const char*, std::int64_t>, 8> extents = {{
      {"vocabulary size", config.vocab_size},
      {"hidden size", config.hidden_size},
      {"intermediate size", config.intermediate_size},
      {"number of layers", config.n_layers},
      {"number of attention heads", config.n_heads},
      {"number of key-value heads", config.n_kv_heads},
      {"head dimension", config.head_dim},
      {"trained length", config.trained_length},
  }};
  for (const auto& [name, value] : extents) {
    expect(value >= 1 && value <= kLargestExtent, where,
           std::string(name) + ": expected 1 to 2^30, found " + std::to_string(value));
  }
  expect(config.n_heads % config.n_kv_heads == 0, where,
         "expected a number of attention heads that is a multiple of the key-value heads, found " +
             std::to_string(config.n_heads) + " and " + std::to_string(config.n_kv_heads));
  expect(config.head_dim % 2 == 0, where,
         "expected an even head dimension (rotary embedding turns pairs), found " +
             std::to_string(config.head_dim));
  expect(std::isfinite(config.rope_theta) && config.rope_theta > 0, where,
         "rope theta: expected a positive number, found " + std::to_string(config.rope_theta));
  expect(std::isfinite(config.rms_norm_eps) && config.rms_norm_eps >= 0, where,
         "RMS norm epsilon: expected zero or a positive number, found " +
             std::to_string(config.rms_norm_eps));
}

}  // namespace lethe::models
