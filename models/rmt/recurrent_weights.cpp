// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_weights.h"

#include <utility>

#include "harness/base/error.h"
#include "models/transformer/families/families.h"

namespace lethe::models {

RecurrentLayout::RecurrentLayout(ModelConfig config, RecurrentConfig recurrent, std::string prefix)
    : FlatLayout(std::move(config), std::move(recurrent)), prefix_(std::move(prefix)) {
  require_encoder(this->config(), "recurrent memory");
  const RecurrentConfig& rmt = this->recurrent();
  const std::int64_t tokens = rmt.segment_tokens + rmt.memory_tokens + 3;
  if (tokens > this->config().trained_length) {
    throw Error(ErrorKind::kConfig, "segments of " + std::to_string(rmt.segment_tokens) +
                                        " text tokens with " + std::to_string(rmt.memory_tokens) +
                                        " memory and 3 special tokens need " +
                                        std::to_string(tokens) + " positions; the encoder has " +
                                        std::to_string(this->config().trained_length));
  }
  RecurrentWeights weights;
  Places places(kFloat);
  map(prefix_, weights, places);
  lay_out(places);
}

void RecurrentLayout::map(const std::string& prefix, RecurrentWeights& weights,
                          Places& places) const {
  const std::int64_t hidden = config().hidden_size;
  families::map_bert(config(), prefix, weights.encoder, places);
  add_memory(weights.memory, places);
  places.linear(weights.pooler, weights.pooler_bias, prefix + "pooler.dense", hidden, hidden, true);
  places.linear(weights.head, weights.head_bias, "classifier",
                static_cast<std::int64_t>(recurrent().labels.size()), hidden, true);
}

RecurrentWeights RecurrentLayout::bind(const at::Tensor& flat) const {
  RecurrentWeights bound;
  Places places({flat.scalar_type(), flat.scalar_type()});
  map(prefix_, bound, places);
  bind_views(flat, places);
  return bound;
}

void RecurrentLayout::read(const Checkpoint& checkpoint, const at::Tensor& flat,
                           bool backbone) const {
  RecurrentWeights weights;
  Places places(kFloat);
  map(families::bert_prefix(checkpoint), weights, places);
  read_places(checkpoint, places, flat, backbone);
}

}  // namespace lethe::models
