// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_weights.h"

#include <utility>

#include <ATen/ATen.h>

#include "models/transformer/families/families.h"

namespace lethe::models {
namespace {

constexpr const char* kPrefix = "bert.";  // of the encoder's tensors in files that are written

}  // namespace

void require_fitting(const ModelConfig& config, const RecurrentConfig& recurrent, ErrorKind kind) {
  require_encoder(config, "recurrent memory");
  const std::int64_t tokens = recurrent.segment_tokens + recurrent.memory_tokens + 3;
  if (tokens > config.trained_length) {
    throw Error(kind, "segments of " + std::to_string(recurrent.segment_tokens) +
                          " text tokens with " + std::to_string(recurrent.memory_tokens) +
                          " memory and 3 special tokens need " + std::to_string(tokens) +
                          " positions; the encoder has " + std::to_string(config.trained_length));
  }
  for (const auto& [name, id] :
       {std::pair("cls_id", recurrent.cls_id), std::pair("sep_id", recurrent.sep_id)}) {
    if (id < 0 || id >= config.vocab_size) {
      throw Error(kind, std::string(name) + ": expected 0 to " +
                            std::to_string(config.vocab_size - 1) +
                            " (the vocabulary of the encoder), found " + std::to_string(id));
    }
  }
  if (recurrent.labels.empty()) {
    throw Error(kind, "labels: expected the names of an encoder's classes, found none");
  }
}

RecurrentLayout::RecurrentLayout(ModelConfig config, RecurrentConfig recurrent)
    : FlatLayout(std::move(config), std::move(recurrent)) {
  RecurrentWeights weights;
  Places places(kFloat);
  map(kPrefix, weights, places);
  lay_out(places);
}

std::size_t RecurrentLayout::map(const std::string& prefix, RecurrentWeights& weights,
                                 Places& places) const {
  const std::int64_t hidden = config().hidden_size;
  families::map_bert(config(), prefix, weights.encoder, places);
  const std::size_t encoder = places.all().size();
  add_memory(weights.memory, places);
  places.linear(weights.pooler, weights.pooler_bias, prefix + "pooler.dense", hidden, hidden, true);
  places.linear(weights.head, weights.head_bias, "classifier",
                static_cast<std::int64_t>(recurrent().labels.size()), hidden, true);
  return encoder;
}

RecurrentWeights RecurrentLayout::bind(const at::Tensor& flat) const {
  RecurrentWeights bound;
  Places places({flat.scalar_type(), flat.scalar_type()});
  map(kPrefix, bound, places);
  bind_views(flat, places);
  return bound;
}

void RecurrentLayout::read(const Checkpoint& checkpoint, const at::Tensor& flat,
                           bool backbone) const {
  RecurrentWeights unused;
  Places stored(kFloat);
  const std::size_t encoder = map(families::bert_prefix(checkpoint), unused, stored);
  read_places(checkpoint, stored, flat, backbone ? encoder : stored.all().size());
  // (What was trained with memory before goes on with its own.)
  if (!backbone || recurrent().memory_tokens == 0 || checkpoint.has(kMemoryTensor)) return;
  // Memory stands in place of word embeddings, which a pretrained encoder has small.
  const RecurrentWeights bound = bind(flat);
  bound.memory.mul_(bound.encoder.embedding.std());
}

}  // namespace lethe::models
