// SPDX-License-Identifier: Apache-2.0
// The parameters of an encoder with recurrent memory: names, shapes, first values, and one flat
// vector that holds them all, which is what an optimiser moves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "harness/base/error.h"
#include "models/checkpoint/checkpoint.h"
#include "models/rmt/recurrent_config.h"
#include "models/transformer/weight_places.h"
#include "models/transformer/weights.h"

namespace lethe::models {

struct RecurrentWeights {
  EncoderWeights encoder;
  at::Tensor memory;       ///< [memory_tokens, hidden]: what the first segment is given
  at::Tensor pooler;       ///< [hidden, hidden], of [CLS]; then tanh
  at::Tensor pooler_bias;  ///< [hidden]
  at::Tensor head;         ///< [labels, hidden]
  at::Tensor head_bias;    ///< [labels]
};

/// Throws Error(kind) unless the encoder has positions for the segments, ids for what stands around
/// them, and classes to tell apart; Error(kModel) for a decoder.
void require_fitting(const ModelConfig& config, const RecurrentConfig& recurrent, ErrorKind kind);

/// Which part of the flat vector is which weight. Matrices are [out, in]; q | k | v are one matrix,
/// as in LayerWeights.
class RecurrentLayout {
 public:
  /// The two have to fit: require_fitting().
  RecurrentLayout(ModelConfig config, RecurrentConfig recurrent);
  RecurrentLayout(const RecurrentLayout&) = delete;
  RecurrentLayout& operator=(const RecurrentLayout&) = delete;

  const ModelConfig& config() const { return config_; }
  const RecurrentConfig& recurrent() const { return recurrent_; }
  std::int64_t size() const { return size_; }
  /// The weights as views of `flat` [size()]; gradients flow back into it.
  RecurrentWeights bind(const at::Tensor& flat) const;
  /// First values, float32, equal on every machine: uniform draws of unit variance for embeddings
  /// and memory, of variance 1 / (3 in) for matrices, sinusoids for positions (arXiv 1706.03762,
  /// section 3.5), zeros for biases.
  at::Tensor initial(std::uint64_t seed) const;
  /// Writes the checkpoint's tensors into `flat`; of a `backbone`, which has neither memory nor
  /// classes yet (and perhaps no pooler), those it has. The encoder's names may begin with "bert."
  /// or not. Throws Error(kModel) for a missing tensor, a wrong shape, a value that is not finite.
  void read(const Checkpoint& checkpoint, const at::Tensor& flat, bool backbone) const;
  /// Bytes of model.safetensors: every tensor under its name in Hugging Face's
  /// BertForSequenceClassification, "rmt.memory.weight" beside them.
  std::string safetensors(const at::Tensor& flat) const;

 private:
  struct Range {
    std::int64_t first, count;
  };
  /// `prefix` is that of the encoder's tensors in a file. Returns how many places are the
  /// encoder's: they come first.
  std::size_t map(const std::string& prefix, RecurrentWeights& weights, Places& places) const;

  ModelConfig config_;
  RecurrentConfig recurrent_;
  RecurrentWeights weights_;  // what places_ point into; holds nothing
  Places places_;
  std::vector<Range> ranges_;
  std::int64_t size_ = 0;
};

}  // namespace lethe::models
