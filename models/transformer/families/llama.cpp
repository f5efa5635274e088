// SPDX-License-Identifier: Apache-2.0
// Llama (Yi and SmolLM2 are such models), Mistral and Qwen2: one naming, one layout.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

std::string llama_layer(std::size_t layer) {
  return "model.layers." + std::to_string(layer) + ".";
}

void add_llama_attention(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                         Places& places) {
  const std::string attention = prefix + "self_attn.";
  places.qkv(layer, {attention + "q_proj", attention + "k_proj", attention + "v_proj"}, config);
  places.linear(layer.out, layer.out_bias, attention + "o_proj", config.hidden_size,
                config.n_heads * config.head_dim, config.attention_out_bias);
}

void add_llama_mlp(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                   Places& places) {
  const std::int64_t wide = config.intermediate_size;
  const std::string gate = prefix + "mlp.gate_proj", up = prefix + "mlp.up_proj";
  places.matrix(layer.up, {{gate + ".weight", {wide, config.hidden_size}},
                           {up + ".weight", {wide, config.hidden_size}}});
  if (config.mlp_bias) {
    places.vector(layer.up_bias, {{gate + ".bias", {wide}}, {up + ".bias", {wide}}});
  }
  places.linear(layer.down, layer.down_bias, prefix + "mlp.down_proj", config.hidden_size, wide,
                config.mlp_bias);
}

void add_llama_layer(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                     Places& places) {
  places.norm(layer.attention_norm, prefix + "input_layernorm", config);
  add_llama_attention(config, prefix, layer, places);
  places.norm(layer.mlp_norm, prefix + "post_attention_layernorm", config);
  add_llama_mlp(config, prefix, layer, places);
}

void map_llama(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  map_llama_model(config, weights, places, [&](const std::string& prefix, LayerWeights& layer) {
    add_llama_layer(config, prefix, layer, places);
  });
}

}  // namespace lethe::models::families
