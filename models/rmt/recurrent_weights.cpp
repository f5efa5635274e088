// SPDX-License-Identifier: Apache-2.0
#include "models/rmt/recurrent_weights.h"

#include <cmath>
#include <utility>

#include <ATen/ATen.h>

#include "harness/base/seed.h"
#include "models/checkpoint/safetensors_writer.h"
#include "models/transformer/families/families.h"

namespace lethe::models {
namespace {

constexpr Precision kFloat{at::kFloat, at::kFloat};
constexpr const char* kPrefix = "bert.";  // of the encoder's tensors in files that are written

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// sin of even dimensions, cos of odd ones.
void fill_sinusoids(float* rows, std::int64_t count, std::int64_t width) {
  for (std::int64_t p = 0; p < count; ++p) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double angle = static_cast<double>(p) / std::pow(1e4, static_cast<double>(i / 2 * 2) /
                                                                      static_cast<double>(width));
      rows[p * width + i] = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
}

void fill_uniform(float* values, std::int64_t count, double variance, std::uint64_t seed) {
  RandomStream random(seed);
  const double bound = std::sqrt(3 * variance);
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
  }
}

// First values of one tensor of a file, by what its name says it is.
void fill_first(const Part& part, std::int64_t count, float* values, std::uint64_t seed) {
  const std::string& name = part.name;
  if (ends_with(name, "position_embeddings.weight")) {
    fill_sinusoids(values, part.shape[0], part.shape[1]);
  } else if (ends_with(name, "word_embeddings.weight") || name == "rmt.memory.weight") {
    fill_uniform(values, count, 1.0, derive_seed(seed, name));
  } else if (ends_with(name, "LayerNorm.weight")) {
    std::fill_n(values, count, 1.0F);
  } else if (part.shape.size() == 2 && !ends_with(name, "relative_bias.weight") &&
             !ends_with(name, "token_type_embeddings.weight")) {
    fill_uniform(values, count, 1.0 / (3.0 * static_cast<double>(part.shape[1])),
                 derive_seed(seed, name));
  } else {
    std::fill_n(values, count, 0.0F);
  }
}

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
    : config_(std::move(config)), recurrent_(std::move(recurrent)), places_(kFloat) {
  map(kPrefix, weights_, places_);
  for (const Place& place : places_.all()) {
    const std::int64_t count = c10::multiply_integers(place.shape());
    ranges_.push_back({size_, count});
    size_ += count;
  }
}

std::size_t RecurrentLayout::map(const std::string& prefix, RecurrentWeights& weights,
                                 Places& places) const {
  const std::int64_t hidden = config_.hidden_size;
  families::map_bert(config_, prefix, weights.encoder, places);
  const std::size_t encoder = places.all().size();
  if (recurrent_.memory_tokens > 0) {
    places.matrix(weights.memory, {{"rmt.memory.weight", {recurrent_.memory_tokens, hidden}}});
  }
  places.linear(weights.pooler, weights.pooler_bias, prefix + "pooler.dense", hidden, hidden, true);
  places.linear(weights.head, weights.head_bias, "classifier",
                static_cast<std::int64_t>(recurrent_.labels.size()), hidden, true);
  return encoder;
}

RecurrentWeights RecurrentLayout::bind(const at::Tensor& flat) const {
  std::vector<std::int64_t> counts;
  for (const Range& range : ranges_) counts.push_back(range.count);
  const auto parts = flat.split_with_sizes(counts);
  RecurrentWeights bound;
  Places places(kFloat);
  map(kPrefix, bound, places);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    *places.all()[i].tensor = parts[i].view(places.all()[i].shape());
  }
  return bound;
}

at::Tensor RecurrentLayout::initial(std::uint64_t seed) const {
  const at::Tensor flat = at::empty({size_}, at::kFloat);
  float* next = flat.mutable_data_ptr<float>();
  for (const Place& place : places_.all()) {
    for (const Part& part : place.parts) {
      const std::int64_t count = c10::multiply_integers(part.shape);
      fill_first(part, count, next, seed);
      next += count;
    }
  }
  return flat;
}

void RecurrentLayout::read(const Checkpoint& checkpoint, const at::Tensor& flat,
                           bool backbone) const {
  RecurrentWeights unused;
  Places stored(kFloat);  // as places_, by the checkpoint's names
  const std::size_t encoder = map(families::bert_prefix(checkpoint), unused, stored);
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const Place& place = stored.all()[i];
    if (backbone && i >= encoder && !checkpoint.has(place.parts.front().name)) continue;
    Places::fill(checkpoint, place,
                 flat.narrow(0, ranges_[i].first, ranges_[i].count).view(place.shape()));
  }
}

std::string RecurrentLayout::safetensors(const at::Tensor& flat) const {
  const at::Tensor values = flat.to(at::kCPU, at::kFloat).contiguous();
  const float* next = values.const_data_ptr<float>();
  std::vector<FloatArray> arrays;
  for (const Place& place : places_.all()) {
    for (const Part& part : place.parts) {
      const auto count = static_cast<std::size_t>(c10::multiply_integers(part.shape));
      arrays.push_back({part.name, part.shape, {next, count}});
      next += count;
    }
  }
  return safetensors_bytes(std::move(arrays));
}

}  // namespace lethe::models
