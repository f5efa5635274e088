// SPDX-License-Identifier: Apache-2.0
#include "models/checkpoint/model_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/names.h"

namespace lethe::models {
namespace {

// Far above any model, far below where products of two could overflow.
constexpr std::int64_t kLargestExtent = std::int64_t{1} << 30;

// Those of models/transformer/families.
const std::vector<std::string> kDecoders = {"llama",  "mistral", "qwen2",    "qwen3", "phi3",
                                            "gemma2", "gpt2",    "gpt_neox", "opt"};

void expect(bool condition, std::string_view where, const std::string& message) {
  if (!condition) throw Error(ErrorKind::kModel, std::string(where) + ": " + message);
}

void expect_positive(std::string_view where, const std::string& name, double value) {
  expect(std::isfinite(value) && value > 0, where,
         name + ": expected a positive number, found " + std::to_string(value));
}

void check_rotation(const ModelConfig& config, std::string_view where) {
  expect_positive(where, "rope theta", config.rope_theta);
  expect(config.partial_rotary > 0 && config.partial_rotary <= 1, where,
         "rotated share of a head: expected a number above 0, at most 1, found " +
             std::to_string(config.partial_rotary));
  expect(config.rotary_dim() >= 2 && config.rotary_dim() % 2 == 0, where,
         "expected an even number of rotated dimensions of a head (rotary embedding turns pairs), "
         "found " +
             std::to_string(config.rotary_dim()) + " of " + std::to_string(config.head_dim));
  const RopeScaling& rope = config.rope;
  if (rope.kind == RopeKind::kPlain) return;
  expect_positive(where, "rope scaling: factor", rope.factor);
  expect(rope.original_length >= 1 && rope.original_length <= kLargestExtent, where,
         "rope scaling: original length: expected 1 to 2^30, found " +
             std::to_string(rope.original_length));
  // The exponent of the base's growth has rotary_dim - 2 below the line.
  expect(rope.kind != RopeKind::kDynamic || config.rotary_dim() > 2, where,
         "rope scaling: dynamic: expected at least 4 rotated dimensions of a head, found " +
             std::to_string(config.rotary_dim()));
  expect_positive(where, "rope scaling: low_freq_factor", rope.low_freq_factor);
  expect_positive(where, "rope scaling: high_freq_factor", rope.high_freq_factor);
  expect(rope.kind != RopeKind::kLlama3 || rope.high_freq_factor > rope.low_freq_factor, where,
         "rope scaling: expected a high_freq_factor above low_freq_factor, found " +
             std::to_string(rope.high_freq_factor) + " and " +
             std::to_string(rope.low_freq_factor));
  // The ramp is placed by a logarithm to this base.
  expect(
      rope.kind != RopeKind::kYarn || config.rope_theta > 1, where,
      "rope scaling: yarn needs a rope theta above 1, found " + std::to_string(config.rope_theta));
  expect_positive(where, "rope scaling: beta_fast", rope.beta_fast);
  expect_positive(where, "rope scaling: beta_slow", rope.beta_slow);
  for (const auto& optional : {rope.attention_factor, rope.mscale, rope.mscale_all_dim}) {
    expect(!optional || (std::isfinite(*optional) && *optional >= 0), where,
           "rope scaling: expected attention_factor and mscale from 0 on, found " +
               std::to_string(optional.value_or(0)));
  }
  const auto pairs = static_cast<std::size_t>(config.rotary_dim() / 2);
  expect(rope.kind != RopeKind::kDivisors || rope.divisors.size() == pairs, where,
         "rope scaling: expected " + std::to_string(pairs) + " divisors of frequencies, found " +
             std::to_string(rope.divisors.size()));
  for (const float divisor : rope.divisors) {
    expect_positive(where, "rope scaling: divisor", static_cast<double>(divisor));
  }
}

}  // namespace

std::int64_t ModelConfig::rotary_dim() const {
  if (positions != PositionKind::kRotary) return 0;
  return static_cast<std::int64_t>(static_cast<double>(head_dim) * partial_rotary);
}

double ModelConfig::attention_scalar() const {
  return query_pre_attn_scalar.value_or(static_cast<double>(head_dim));
}

std::optional<std::int64_t> ModelConfig::window_of_layer(std::int64_t layer) const {
  const bool slides = sliding_layers.empty() || sliding_layers.at(static_cast<std::size_t>(layer));
  return slides ? sliding_window : std::nullopt;
}

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
  expect(config.n_layers <= kMostLayers, where,
         "number of layers: expected at most " + std::to_string(kMostLayers) + ", found " +
             std::to_string(config.n_layers));
  expect(config.n_heads % config.n_kv_heads == 0, where,
         "expected a number of attention heads that is a multiple of the key-value heads, found " +
             std::to_string(config.n_heads) + " and " + std::to_string(config.n_kv_heads));
  expect(
      std::isfinite(config.norm_eps) && config.norm_eps >= 0, where,
      "norm epsilon: expected zero or a positive number, found " + std::to_string(config.norm_eps));
  if (config.positions == PositionKind::kRotary) check_rotation(config, where);
  const std::int64_t window = config.sliding_window.value_or(1);
  expect(window >= 1 && window <= kLargestExtent, where,
         "sliding window: expected 1 to 2^30, found " + std::to_string(window));
  expect(config.sliding_layers.empty() ||
             config.sliding_layers.size() == static_cast<std::size_t>(config.n_layers),
         where,
         "expected one attention type for each of " + std::to_string(config.n_layers) +
             " layers, found " + std::to_string(config.sliding_layers.size()));
  expect(
      config.embedding_size >= 0 && config.embedding_size <= kLargestExtent, where,
      "width of the embedding: expected 1 to 2^30, found " + std::to_string(config.embedding_size));
  expect(config.token_types >= 0 && config.token_types <= kLargestExtent, where,
         "number of token types: expected 0 to 2^30, found " + std::to_string(config.token_types));
  const std::array<std::pair<const char*, std::optional<double>>, 3> caps = {{
      {"query_pre_attn_scalar", config.query_pre_attn_scalar},
      {"soft cap of attention scores", config.attention_softcap},
      {"soft cap of logits", config.final_softcap},
  }};
  for (const auto& [name, value] : caps) {
    if (value) expect_positive(where, name, *value);
  }
}

void require_supported(const ModelConfig& config, std::string_view where) {
  const std::string exist = "; decoders exist for " + join(kDecoders, ", ");
  const std::string model = "a " + config.architecture + " model: ";
  expect(
      config.causal, where,
      model + "an encoder gives hidden states and embeddings, and predicts no next token" + exist);
  expect(std::ranges::find(kDecoders, config.architecture) != kDecoders.end(), where,
         model + "its configuration can be read, but this version has no decoder for it" + exist);
  expect(config.norm_place != NormPlace::kAfter && config.final_norm, where,
         model +
             "expected norms before attention, MLP and LM head, found norms after them "
             "(OPT-350M is such a model), which is not supported");
  expect(config.embedding_size == 0, where,
         model + "expected an embedding as wide as the model, " +
             std::to_string(config.hidden_size) + ", found one of " +
             std::to_string(config.embedding_size) + ", which is not supported");
}

void check_learned_positions(const ModelConfig& config, std::int64_t tokens,
                             std::string_view what) {
  if (config.positions == PositionKind::kRotary || tokens <= config.trained_length) return;
  throw Error(ErrorKind::kConfig, "a " + config.architecture + " model has a table of " +
                                      std::to_string(config.trained_length) +
                                      " positions and none beyond, found " + std::string(what));
}

void require_encoder(const ModelConfig& config, std::string_view where) {
  expect(config.architecture == "bert", where,
         "a " + config.architecture + " model: expected an encoder (bert), found a decoder");
}

std::string_view to_string(RopeKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {
      "default", "linear", "dynamic", "llama3", "yarn", "llama3 (divisors of a GGUF file)"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view to_string(Activation activation) {
  constexpr std::array<std::string_view, 4> kNames = {"silu", "gelu", "gelu_tanh", "relu"};
  return kNames[static_cast<std::size_t>(activation)];
}

}  // namespace lethe::models
