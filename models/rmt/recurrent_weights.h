// SPDX-License-Identifier: Apache-2.0
// The parameters of an encoder with recurrent memory.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

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

/// Their layout; beside those of Hugging Face's BERT a file has "rmt.memory.weight" and
/// "classifier".
class RecurrentLayout final : public FlatLayout {
 public:
  /// `prefix` is that of the encoder's tensors in files: "bert." or "".
  RecurrentLayout(ModelConfig config, RecurrentConfig recurrent, std::string prefix = "bert.");

  void read(const Checkpoint& checkpoint, const at::Tensor& flat, bool backbone) const override;
  /// The weights as views of `flat` [size()]; gradients flow back into it.
  RecurrentWeights bind(const at::Tensor& flat) const;

 private:
  void map(const std::string& prefix, RecurrentWeights& weights, Places& places) const;

  std::string prefix_;
};

}  // namespace lethe::models
