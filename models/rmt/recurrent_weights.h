// SPDX-License-Identifier: Apache-2.0
// The parameters of an encoder with recurrent memory.
#pragma once

#include <cstddef>
#include <string>

#include <ATen/core/Tensor.h>

#include "harness/base/error.h"
#include "models/rmt/flat_layout.h"
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

/// Their layout; files are those of Hugging Face's BertForSequenceClassification, with
/// "rmt.memory.weight".
class RecurrentLayout final : public FlatLayout {
 public:
  /// The two have to fit: require_fitting().
  RecurrentLayout(ModelConfig config, RecurrentConfig recurrent);

  /// Of a `backbone`, which has neither memory nor classes yet (and perhaps no pooler), those it
  /// has. The encoder's names may begin with "bert." or not.
  void read(const Checkpoint& checkpoint, const at::Tensor& flat, bool backbone) const override;
  /// The weights as views of `flat` [size()]; gradients flow back into it.
  RecurrentWeights bind(const at::Tensor& flat) const;

 private:
  /// `prefix` is that of the encoder's tensors in a file. Returns how many places are the
  /// encoder's: they come first.
  std::size_t map(const std::string& prefix, RecurrentWeights& weights, Places& places) const;
};

}  // namespace lethe::models
