// SPDX-License-Identifier: Apache-2.0
// GPT-2: matrices stored [in, out] (Conv1D), q | k | v as one.
#include "models/transformer/families/families.h"

namespace lethe::models::families {
namespace {

// Conv1D of `in` to `out`.
void add_conv(at::Tensor& weight, at::Tensor& bias, const std::string& stem, std::int64_t out,
              std::int64_t in, Places& places) {
  places.matrix(weight, {{stem + ".weight", {in, out}, Storage::kTransposed}});
  places.vector(bias, {{stem + ".bias", {out}}});
}

}  // namespace

void map_gpt2(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  // OpenAI's own files hold the model without a head, and no prefix.
  const std::string model = checkpoint.has("wte.weight") ? "" : "transformer.";
  places.matrix(weights.embedding, {{model + "wte.weight", {config.vocab_size, hidden}}});
  places.matrix(weights.positions, {{model + "wpe.weight", {config.trained_length, hidden}}});
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string prefix = model + "h." + std::to_string(i) + ".";
    places.norm(layer.attention_norm, prefix + "ln_1", config);
    add_conv(layer.qkv, layer.qkv_bias, prefix + "attn.c_attn", 3 * hidden, hidden, places);
    add_conv(layer.out, layer.out_bias, prefix + "attn.c_proj", hidden, hidden, places);
    places.norm(layer.mlp_norm, prefix + "ln_2", config);
    add_conv(layer.up, layer.up_bias, prefix + "mlp.c_fc", wide, hidden, places);
    add_conv(layer.down, layer.down_bias, prefix + "mlp.c_proj", hidden, wide, places);
  }
  places.norm(weights.final_norm, model + "ln_f", config);
  if (!config.tied_embeddings) {
    places.matrix(weights.lm_head, {{"lm_head.weight", {config.vocab_size, hidden}}});
  }
}

}  // namespace lethe::models::families
