// SPDX-License-Identifier: Apache-2.0
// config.json of the families with rotary embedding, RMS norms and a gated MLP.
#include "models/checkpoint/hf_config_reader.h"

namespace lethe::models::detail {
namespace {

/// Defaults in which the families differ.
struct RmsDefaults {
  std::int64_t trained_length;
  double norm_eps = 1e-6;
  bool tied = false;
  std::string_view activation_name = "hidden_act";
  std::string_view activation = "silu";
};

void read_rms_family(ConfigReader& reader, ModelConfig& config, const RmsDefaults& defaults) {
  read_common_sizes(reader, config, defaults.tied);
  config.intermediate_size = reader.integer("intermediate_size");
  config.n_kv_heads = reader.integer_or("num_key_value_heads", config.n_heads);
  config.head_dim =
      reader.integer_or("head_dim", config.n_heads > 0 ? config.hidden_size / config.n_heads : 0);
  config.trained_length = reader.integer_or("max_position_embeddings", defaults.trained_length);
  config.norm_eps = reader.number_or("rms_norm_eps", defaults.norm_eps);
  config.activation = read_activation(reader, defaults.activation_name, defaults.activation);
  read_rope(reader, config);
}

// Qwen: a window only where it is switched on, and then from layer max_window_layers on.
void read_qwen_window(ConfigReader& reader, ModelConfig& config) {
  if (reader.boolean_or("use_sliding_window", false)) {
    config.sliding_window = reader.has("sliding_window") ? reader.find_integer("sliding_window")
                                                         : std::optional<std::int64_t>(4096);
  }
  const std::int64_t first = reader.integer_or("max_window_layers", 28);
  read_layer_types(reader, config, layers_where(config, [&](std::int64_t layer) {
                     return config.sliding_window.has_value() && layer >= first;
                   }));
}

}  // namespace

void read_llama(ConfigReader& reader, ModelConfig& config) {
  read_rms_family(reader, config, {.trained_length = 2048});
  config.attention_bias = reader.boolean_or("attention_bias", false);
  config.attention_out_bias = config.attention_bias;
  config.mlp_bias = reader.boolean_or("mlp_bias", false);
}

void read_mistral(ConfigReader& reader, ModelConfig& config) {
  read_rms_family(reader, config, {.trained_length = 131072});
  // null is no window; a file that does not say has the one of the first Mistral.
  config.sliding_window = reader.has("sliding_window") ? reader.find_integer("sliding_window")
                                                       : std::optional<std::int64_t>(4096);
}

void read_qwen2(ConfigReader& reader, ModelConfig& config) {
  read_rms_family(reader, config, {.trained_length = 32768});
  config.attention_bias = true;
  read_qwen_window(reader, config);
}

void read_qwen3(ConfigReader& reader, ModelConfig& config) {
  read_rms_family(reader, config, {.trained_length = 32768});
  config.head_dim = reader.integer_or("head_dim", 128);
  config.attention_bias = reader.boolean_or("attention_bias", false);
  config.attention_out_bias = config.attention_bias;
  config.qk_norm = true;
  read_qwen_window(reader, config);
}

void read_phi3(ConfigReader& reader, ModelConfig& config) {
  read_rms_family(reader, config, {.trained_length = 4096, .norm_eps = 1e-5});
  config.sliding_window = reader.find_integer("sliding_window");
}

void read_gemma2(ConfigReader& reader, ModelConfig& config) {
  // hidden_act also stands in published files and is not what the model computes with.
  read_rms_family(reader, config,
                  {.trained_length = 8192,
                   .tied = true,
                   .activation_name = "hidden_activation",
                   .activation = "gelu_pytorch_tanh"});
  config.head_dim = reader.integer_or("head_dim", 256);
  config.norm = NormKind::kRmsPlusOne;
  config.norm_place = NormPlace::kAround;
  config.scaled_embeddings = true;
  config.attention_bias = reader.boolean_or("attention_bias", false);
  config.attention_out_bias = config.attention_bias;
  config.query_pre_attn_scalar = reader.number_or("query_pre_attn_scalar", 256);
  // null switches a cap off, absence does not.
  config.attention_softcap = reader.has("attn_logit_softcapping")
                                 ? reader.find_number("attn_logit_softcapping")
                                 : std::optional(50.0);
  config.final_softcap = reader.has("final_logit_softcapping")
                             ? reader.find_number("final_logit_softcapping")
                             : std::optional(30.0);
  config.sliding_window = reader.integer_or("sliding_window", 4096);
  read_layer_types(reader, config,
                   layers_where(config, [](std::int64_t layer) { return layer % 2 == 0; }));
}

}  // namespace lethe::models::detail
