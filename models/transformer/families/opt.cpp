// SPDX-License-Identifier: Apache-2.0
// OPT with norms before attention and MLP (all sizes but 350M).
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_opt(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  // Files of the model without its head have no "model.".
  const std::string model =
      checkpoint.has("decoder.embed_tokens.weight") ? "decoder." : "model.decoder.";
  places.matrix(weights.embedding, {{model + "embed_tokens.weight", {config.vocab_size, hidden}}});
  places.matrix(weights.positions,
                {{model + "embed_positions.weight",
                  {config.learned_position_offset + config.trained_length, hidden}}});
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string prefix = model + "layers." + std::to_string(i) + ".";
    const std::string attention = prefix + "self_attn.";
    places.norm(layer.attention_norm, prefix + "self_attn_layer_norm", config);
    places.qkv(layer, {attention + "q_proj", attention + "k_proj", attention + "v_proj"}, config);
    places.linear(layer.out, layer.out_bias, attention + "out_proj", hidden, hidden, true);
    places.norm(layer.mlp_norm, prefix + "final_layer_norm", config);
    places.linear(layer.up, layer.up_bias, prefix + "fc1", wide, hidden, true);
    places.linear(layer.down, layer.down_bias, prefix + "fc2", hidden, wide, true);
  }
  places.norm(weights.final_norm, model + "final_layer_norm", config);
  if (!config.tied_embeddings) {
    places.matrix(weights.lm_head, {{"lm_head.weight", {config.vocab_size, hidden}}});
  }
}

}  // namespace lethe::models::families
