// SPDX-License-Identifier: Apache-2.0
// Encoders (BERT, arXiv 1810.04805): hidden states and sentence embeddings of whole texts. They
// keep no cache and evict nothing. No tensor type crosses this header.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"

namespace lethe::models {

/// One text as its tokenizer gives it, [CLS] and [SEP] included.
struct EncoderText {
  std::span<const std::int64_t> ids = {};
  std::span<const std::int64_t> token_types = {};     ///< empty: all 0
  std::span<const std::int64_t> attention_mask = {};  ///< 1: a token, 0: padding; empty: all 1
};

/// Immutable after loading; its functions may be called from one thread at a time. All of them
/// throw Error(kData) on a text that is empty, all padding or longer than the table of positions,
/// on lists of another length than `ids`, and on an id, type or mask that does not exist.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual const ModelConfig& config() const = 0;
  /// Last hidden states, [ids][hidden_size], row-major. Rows of padding have no meaning.
  virtual std::vector<float> hidden_states(const EncoderText& text) const = 0;
  /// Mean of the hidden states of all tokens that are not padding, of L2 norm 1: [hidden_size]
  /// (the pooling of the sentence-transformers models, arXiv 1908.10084).
  virtual std::vector<float> embedding(const EncoderText& text) const = 0;
};

/// Loads an encoder on the CPU, validated as load_model() does. Throws Error(kModel) for a decoder,
/// a missing tensor, a wrong shape or a value that is not finite.
std::unique_ptr<Encoder> load_encoder(const Checkpoint& checkpoint, DType dtype);

}  // namespace lethe::models
