// SPDX-License-Identifier: Apache-2.0
// Phi-3: Llama whose files have q | k | v and gate | up as one matrix each, as we compute them.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_phi3(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  const std::int64_t queries = config.n_heads * config.head_dim;
  const std::int64_t rows = queries + 2 * config.n_kv_heads * config.head_dim;
  map_llama_model(config, weights, places, [&](const std::string& prefix, LayerWeights& layer) {
    places.norm(layer.attention_norm, prefix + "input_layernorm", config);
    places.matrix(layer.qkv, {{prefix + "self_attn.qkv_proj.weight", {rows, hidden}}});
    places.matrix(layer.out, {{prefix + "self_attn.o_proj.weight", {hidden, queries}}});
    places.norm(layer.mlp_norm, prefix + "post_attention_layernorm", config);
    places.matrix(layer.up, {{prefix + "mlp.gate_up_proj.weight", {2 * wide, hidden}}});
    places.matrix(layer.down, {{prefix + "mlp.down_proj.weight", {hidden, wide}}});
  });
}

}  // namespace lethe::models::families
