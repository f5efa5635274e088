// SPDX-License-Identifier: Apache-2.0
// One segment through an encoder with recurrent memory (arXiv 2304.11062, section 2, encoder form):
// [CLS] memory [SEP] text [SEP]. Training and evaluation run this.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/rmt/recurrent_weights.h"

namespace lethe::models {

/// Gradients flow through memory and weights where the weights ask for them.
class RecurrentEncoder {
 public:
  RecurrentEncoder(const RecurrentLayout& layout, RecurrentWeights weights,
                   const Precision& precision);

  /// The memory before the first segment, [batch, memory_tokens, hidden].
  at::Tensor initial(std::int64_t batch) const;

  struct Segment {
    at::Tensor cls;     ///< [batch, hidden], last hidden state of [CLS]
    at::Tensor memory;  ///< [batch, memory rows, hidden], last hidden states at the memory's places
  };
  /// `ids` is [batch, text tokens] (int64). `memory` has any number of rows; none at all leaves the
  /// plain encoder, [CLS] text [SEP]. The memory stands in for word embeddings: positions, types
  /// and their norm are added as to any token (modeling_rmt/base.py of the authors).
  Segment segment(const at::Tensor& ids, const at::Tensor& memory,
                  std::vector<at::Tensor>* attention = nullptr) const;

  /// Class scores, [batch, labels]: tanh(pooler [CLS]), then linear, as BERT's classifier.
  at::Tensor logits(const at::Tensor& cls) const;

 private:
  const RecurrentLayout& layout_;
  RecurrentWeights weights_;
  Precision precision_;
};

}  // namespace lethe::models
