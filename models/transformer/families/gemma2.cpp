// SPDX-License-Identifier: Apache-2.0
// Gemma 2: Llama with norms of what attention and MLP add, too; norms multiply by 1 + weight.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_gemma2(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  map_llama_model(config, weights, places, [&](const std::string& prefix, LayerWeights& layer) {
    places.norm(layer.attention_norm, prefix + "input_layernorm", config);
    add_llama_attention(config, prefix, layer, places);
    places.norm(layer.attention_after, prefix + "post_attention_layernorm", config);
    places.norm(layer.mlp_norm, prefix + "pre_feedforward_layernorm", config);
    add_llama_mlp(config, prefix, layer, places);
    places.norm(layer.mlp_after, prefix + "post_feedforward_layernorm", config);
  });
}

}  // namespace lethe::models::families
