// SPDX-License-Identifier: Apache-2.0
// Qwen3: Llama with a norm of every query and key head.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_qwen3(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  map_llama_model(config, weights, places, [&](const std::string& prefix, LayerWeights& layer) {
    add_llama_layer(config, prefix, layer, places);
    places.vector(layer.q_norm, {{prefix + "self_attn.q_norm.weight", {config.head_dim}}});
    places.vector(layer.k_norm, {{prefix + "self_attn.k_norm.weight", {config.head_dim}}});
  });
}

}  // namespace lethe::models::families
