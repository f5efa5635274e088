// SPDX-License-Identifier: Apache-2.0
// Hyper-parameters of a decoder, whatever file they came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::models {

/// Hyper-parameters in Hugging Face terms. Read from config.json or from GGUF metadata.
struct ModelConfig {
  std::string architecture;  ///< "llama" or "mistral"
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;
  std::int64_t n_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t trained_length = 0;  ///< max_position_embeddings / context_length
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  /// A token sees itself and the sliding_window - 1 tokens before it; none: everything.
  std::optional<std::int64_t> sliding_window;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tied_embeddings = false;

  bool operator==(const ModelConfig&) const = default;
};

/// Throws Error(kModel) naming `where` and the first value that no model can have.
void check_model_config(const ModelConfig& config, std::string_view where);

}  // namespace lethe::models
