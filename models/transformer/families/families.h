// SPDX-License-Identifier: Apache-2.0
// Where each family's checkpoints have the weights: names and layouts. What is computed with them,
// ModelConfig says.
#pragma once

#include <string>

#include "models/checkpoint/checkpoint.h"
#include "models/transformer/weight_places.h"
#include "models/transformer/weights.h"

namespace lethe::models::families {

/// Adds every tensor of `weights` to `places`; makes as many layers as the model has. The
/// checkpoint is asked for names alone: published files differ in prefixes.
using Map = void(const Checkpoint& checkpoint, DecoderWeights& weights, Places& places);

Map map_llama;  ///< and Mistral, Qwen2
Map map_qwen3;
Map map_phi3;
Map map_gemma2;
Map map_gpt2;
Map map_gpt_neox;
Map map_opt;

/// "bert." where the encoder is part of a larger model, else "".
std::string bert_prefix(const Checkpoint& checkpoint);
void map_bert(const ModelConfig& config, const std::string& prefix, EncoderWeights& weights,
              Places& places);

/// That of an architecture which require_supported() accepts.
Map& map_of(const std::string& architecture);

/// "model.layers.<layer>.", as Llama and its descendants name them.
std::string llama_layer(std::size_t layer);
/// Embedding, final norm and head around the layers that `layer(i, weights)` adds, under the names
/// of Llama.
template <typename Layer>
void map_llama_model(const ModelConfig& config, DecoderWeights& weights, Places& places,
                     const Layer& layer) {
  places.matrix(weights.embedding,
                {{"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}}});
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) layer(llama_layer(i), weights.layers[i]);
  places.norm(weights.final_norm, "model.norm", config);
  if (!config.tied_embeddings) {
    places.matrix(weights.lm_head, {{"lm_head.weight", {config.vocab_size, config.hidden_size}}});
  }
}

/// self_attn.{q,k,v,o}_proj of the layer with this prefix.
void add_llama_attention(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                         Places& places);
/// mlp.{gate,up,down}_proj.
void add_llama_mlp(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                   Places& places);
/// All four projections with both norms before them.
void add_llama_layer(const ModelConfig& config, const std::string& prefix, LayerWeights& layer,
                     Places& places);

}  // namespace lethe::models::families
