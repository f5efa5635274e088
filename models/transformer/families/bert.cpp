// SPDX-License-Identifier: Apache-2.0
// BERT: post-norm layers under the names of the encoder itself or of a model around it.
#include "models/transformer/families/families.h"

namespace lethe::models::families {

void map_bert(const Checkpoint& checkpoint, EncoderWeights& weights, Places& places) {
  const ModelConfig& config = checkpoint.config();
  const std::int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  const std::string model = checkpoint.has("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  const std::string embeddings = model + "embeddings.";
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
    const std::string prefix = model + "encoder.layer." + std::to_string(i) + ".";
    const std::string attention = prefix + "attention.self.", output = prefix + "attention.output.";
    places.qkv(layer, {attention + "query", attention + "key", attention + "value"}, config);
    places.linear(layer.out, layer.out_bias, output + "dense", hidden, hidden, true);
    places.norm(layer.attention_norm, output + "LayerNorm", config);
    places.linear(layer.up, layer.up_bias, prefix + "intermediate.dense", wide, hidden, true);
    places.linear(layer.down, layer.down_bias, prefix + "output.dense", hidden, wide, true);
    places.norm(layer.mlp_norm, prefix + "output.LayerNorm", config);
  }
}

}  // namespace lethe::models::families
