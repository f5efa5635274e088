// SPDX-License-Identifier: Apache-2.0
// GPT-NeoX (Pythia): q, k and v of each head stand together in one matrix.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_gpt_neox(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  places.matrix(weights.embedding, {{"gpt_neox.embed_in.weight", {config.vocab_size, hidden}}});
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string prefix = "gpt_neox.layers." + std::to_string(i) + ".";
    const std::string qkv = prefix + "attention.query_key_value";
    places.norm(layer.attention_norm, prefix + "input_layernorm", config);
    places.matrix(
        layer.qkv,
        {{qkv + ".weight", {3 * hidden, hidden}, Storage::kThreePerHead, config.n_heads}});
    if (config.attention_bias) {
      places.vector(layer.qkv_bias,
                    {{qkv + ".bias", {3 * hidden}, Storage::kThreePerHead, config.n_heads}});
    }
    places.linear(layer.out, layer.out_bias, prefix + "attention.dense", hidden, hidden,
                  config.attention_out_bias);
    places.norm(layer.mlp_norm, prefix + "post_attention_layernorm", config);
    places.linear(layer.up, layer.up_bias, prefix + "mlp.dense_h_to_4h", wide, hidden, true);
    places.linear(layer.down, layer.down_bias, prefix + "mlp.dense_4h_to_h", hidden, wide, true);
  }
  places.norm(weights.final_norm, "gpt_neox.final_layer_norm", config);
  if (!config.tied_embeddings) {
    places.matrix(weights.lm_head, {{"embed_out.weight", {config.vocab_size, hidden}}});
  }
}

}  // namespace lethe::models::families
