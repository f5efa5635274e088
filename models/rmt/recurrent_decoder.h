// SPDX-License-Identifier: Apache-2.0
// A decoder with recurrent memory (arXiv 2207.06881, section 3): [read memory | text | write
// memory], the same vectors at both ends. What the last layer leaves at the write memory is the
// memory of the next segment.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/rmt/flat_layout.h"
#include "models/transformer/weights.h"

namespace lethe::models {

struct RecurrentDecoderWeights {
  DecoderWeights decoder;
  at::Tensor memory;  ///< [memory_tokens, hidden]: what the first segment is given
};

/// Their layout. Files are those of the family's published checkpoints, with "rmt.memory.weight".
class RecurrentDecoderLayout final : public FlatLayout {
 public:
  /// Throws Error(kModel) for an architecture without a decoder here, Error(kConfig) when a segment
  /// with its memory is longer than learned positions or a sliding window reach.
  RecurrentDecoderLayout(ModelConfig config, RecurrentConfig recurrent);

  /// A `backbone` has no memory: its first values are then scaled to the deviation of the word
  /// embeddings (modeling_rmt/language_modeling.py of the authors).
  void read(const Checkpoint& checkpoint, const at::Tensor& flat, bool backbone) const override;
  /// The weights in the types of `precision`: views of `flat` [size()] where that is its type.
  /// Gradients flow back into it.
  RecurrentDecoderWeights bind(const at::Tensor& flat, const Precision& precision) const;

 private:
  void map(const Checkpoint& names, RecurrentDecoderWeights& weights, Places& places) const;
};

/// Who sees whom in a segment: boolean [tokens, tokens] with tokens = read + text + write, true
/// where a row sees a column.
at::Tensor recurrent_mask(RecurrentMask mask, std::int64_t read, std::int64_t text,
                          std::int64_t write);

/// Gradients flow through memory and weights where the weights ask for them.
class RecurrentDecoder {
 public:
  /// `layout` must live as long.
  RecurrentDecoder(const RecurrentDecoderLayout& layout, RecurrentDecoderWeights weights,
                   const Precision& precision);

  /// The memory before the first segment, [batch, memory_tokens, hidden].
  at::Tensor initial(std::int64_t batch) const;

  struct Segment {
    at::Tensor text;    ///< [batch, text tokens, hidden], last hidden states
    at::Tensor memory;  ///< [batch, memory rows, hidden], those at the write memory
  };
  /// `ids` is [batch, text tokens] (int64). `memory` has any number of rows; none at all leaves the
  /// plain decoder. Positions count through read memory, text and write memory. Both parts of the
  /// result are hidden states after the final norm, which is what the authors carry
  /// (`hidden_states[-1]` of transformers). Without `write` there is no write memory, as when the
  /// last segment answers: text never sees it, so `text` is the same; `memory` has no rows.
  Segment segment(const at::Tensor& ids, const at::Tensor& memory, bool write = true) const;

  /// Scores of the next token, [..., hidden] -> [..., vocab].
  at::Tensor logits(const at::Tensor& text) const;

 private:
  const RecurrentDecoderLayout& layout_;
  RecurrentDecoderWeights weights_;
  Precision precision_;
};

}  // namespace lethe::models
