// SPDX-License-Identifier: Apache-2.0
// config.json of the families with layer norms, biases and a plain MLP.
#include <algorithm>

#include "models/checkpoint/hf_config_reader.h"

namespace lethe::models::detail {
namespace {

void use_layer_norms(ModelConfig& config) {
  config.norm = NormKind::kLayer;
  config.gated_mlp = false;
  config.attention_bias = true;
  config.attention_out_bias = true;
  config.mlp_bias = true;
}

// A member that changes the sums of the model, at the one value that is known here.
void expect_boolean(ConfigReader& reader, std::string_view name, bool expected) {
  if (reader.boolean_or(name, expected) == expected) return;
  reader.fail(name, std::string("expected ") + (expected ? "true" : "false") +
                        " (the only variant that is known), found the other");
}

}  // namespace

void read_gpt2(ConfigReader& reader, ModelConfig& config) {
  use_layer_norms(config);
  config.vocab_size = reader.integer("vocab_size");
  config.hidden_size = reader.integer("n_embd");
  config.n_layers = reader.integer("n_layer");
  config.n_heads = reader.integer("n_head");
  config.n_kv_heads = config.n_heads;
  config.head_dim = equal_heads(config, reader.where("n_head"));
  config.trained_length = reader.integer_or("n_positions", 1024);
  // Of a width that no model has any number will do: it is refused for itself.
  config.intermediate_size = reader.integer_or(
      "n_inner", 4 * std::clamp<std::int64_t>(config.hidden_size, 0, std::int64_t{1} << 30));
  config.tied_embeddings = reader.boolean_or("tie_word_embeddings", true);
  config.norm_eps = reader.number_or("layer_norm_epsilon", 1e-5);
  config.activation = read_activation(reader, "activation_function", "gelu_new");
  config.positions = PositionKind::kLearned;
  expect_boolean(reader, "scale_attn_weights", true);
  expect_boolean(reader, "scale_attn_by_inverse_layer_idx", false);
  expect_boolean(reader, "add_cross_attention", false);
}

void read_gpt_neox(ConfigReader& reader, ModelConfig& config) {
  use_layer_norms(config);
  read_common_sizes(reader, config, false);
  config.head_dim = equal_heads(config, reader.where("num_attention_heads"));
  config.intermediate_size = reader.integer("intermediate_size");
  config.trained_length = reader.integer_or("max_position_embeddings", 2048);
  config.norm_eps = reader.number_or("layer_norm_eps", 1e-5);
  config.activation = read_activation(reader, "hidden_act", "gelu");
  config.attention_bias = reader.boolean_or("attention_bias", true);
  config.attention_out_bias = config.attention_bias;
  config.parallel_residual = reader.boolean_or("use_parallel_residual", true);
  read_rope(
      reader, config,
      {.partial_rotary = 0.25, .theta_name = "rotary_emb_base", .partial_name = "rotary_pct"});
}

void read_opt(ConfigReader& reader, ModelConfig& config) {
  use_layer_norms(config);
  read_common_sizes(reader, config, true);
  config.head_dim = equal_heads(config, reader.where("num_attention_heads"));
  config.intermediate_size = reader.integer("ffn_dim");
  config.trained_length = reader.integer_or("max_position_embeddings", 2048);
  config.norm_eps = 1e-5;  // torch's; the file has no member for it
  config.activation = read_activation(reader, "activation_function", "relu");
  config.positions = PositionKind::kLearned;
  config.learned_position_offset = 2;
  const std::int64_t width = reader.integer_or("word_embed_proj_dim", config.hidden_size);
  if (width != config.hidden_size) config.embedding_size = width;
  const bool before = reader.boolean_or("do_layer_norm_before", true);
  config.norm_place = before ? NormPlace::kBefore : NormPlace::kAfter;
  config.final_norm = before && !reader.boolean_or("_remove_final_layer_norm", false);
  expect_boolean(reader, "enable_bias", true);
  expect_boolean(reader, "layer_norm_elementwise_affine", true);
}

void read_bert(ConfigReader& reader, ModelConfig& config) {
  use_layer_norms(config);
  read_common_sizes(reader, config, true);
  config.head_dim = equal_heads(config, reader.where("num_attention_heads"));
  config.intermediate_size = reader.integer("intermediate_size");
  config.trained_length = reader.integer_or("max_position_embeddings", 512);
  config.norm_eps = reader.number_or("layer_norm_eps", 1e-12);
  config.activation = read_activation(reader, "hidden_act", "gelu");
  config.positions = PositionKind::kLearned;
  config.norm_place = NormPlace::kAfter;
  config.embedding_norm = true;
  config.final_norm = false;
  config.causal = false;
  config.token_types = reader.integer_or("type_vocab_size", 2);
  if (const auto kind = reader.text_or("position_embedding_type", "absolute"); kind != "absolute") {
    reader.fail("position_embedding_type",
                "expected \"absolute\" (the only kind that is known), found \"" + kind + "\"");
  }
  expect_boolean(reader, "is_decoder", false);
  // Members of checkpoints that `lethe train rmt` writes.
  config.relative_clip = reader.integer_or("lethe_relative_clip", 0);
  if (config.relative_clip < 0 || config.relative_clip > config.trained_length) {
    reader.fail("lethe_relative_clip", "expected 0 to max_position_embeddings, found " +
                                           std::to_string(config.relative_clip));
  }
  if (reader.boolean_or("lethe_norm_before", false)) {
    config.norm_place = NormPlace::kBefore;
    config.final_norm = true;
  }
}

}  // namespace lethe::models::detail
