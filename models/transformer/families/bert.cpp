// SPDX-License-Identifier: Apache-2.0
// BERT: post-norm layers under the names of the encoder itself or of a model around it.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

std::string bert_prefix(const Checkpoint& checkpoint) {
  return checkpoint.has("bert.embeddings.word_embeddings.weight") ? "bert." : "";
}

void map_bert(const ModelConfig& config, const std::string& prefix, EncoderWeights& weights,
              Places& places) {
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  const std::string embeddings = prefix + "embeddings.";
  places.matrix(weights.embedding,
                {{embeddings + "word_embeddings.weight", {config.vocab_size, hidden}}});
  places.matrix(weights.positions,
                {{embeddings + "position_embeddings.weight", {config.trained_length, hidden}}});
  places.matrix(weights.token_types,
                {{embeddings + "token_type_embeddings.weight", {config.token_types, hidden}}});
  places.norm(weights.embedding_norm, embeddings + "LayerNorm", config);
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    const std::string layer_prefix = prefix + "encoder.layer." + std::to_string(i) + ".";
    const std::string attention = layer_prefix + "attention.self.",
                      output = layer_prefix + "attention.output.";
    places.qkv(layer, {attention + "query", attention + "key", attention + "value"}, config);
    if (config.relative_clip > 0) {
      places.vector(layer.relative_bias, {{attention + "relative_bias.weight",
                                           {config.n_heads, 2 * config.relative_clip + 1}}});
    }
    places.linear(layer.out, layer.out_bias, output + "dense", hidden, hidden, true);
    places.norm(layer.attention_norm, output + "LayerNorm", config);
    places.linear(layer.up, layer.up_bias, layer_prefix + "intermediate.dense", wide, hidden, true);
    places.linear(layer.down, layer.down_bias, layer_prefix + "output.dense", hidden, wide, true);
    places.norm(layer.mlp_norm, layer_prefix + "output.LayerNorm", config);
  }
  if (config.final_norm) places.norm(weights.final_norm, prefix + "encoder.LayerNorm", config);
}

}  // namespace lethe::models::families
