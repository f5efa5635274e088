// SPDX-License-Identifier: Apache-2.0
// The layers of an encoder over whole tensors. Every operation knows its gradient, so training and
// evaluation run the same code.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// Word, type and position embeddings are summed by the caller: [batch, tokens, hidden] in the
/// compute type, before the norm of the embeddings.
struct EncoderInput {
  at::Tensor embeddings;
  /// Boolean, broadcast to [batch, heads, tokens, tokens]: true where a row sees a column.
  std::optional<at::Tensor> mask = std::nullopt;
  /// Where not null: receives the softmax of every layer, [batch, heads, rows, tokens].
  std::vector<at::Tensor>* attention = nullptr;
};

/// Last hidden states of the first `rows` tokens, [batch, rows, hidden]; none: of all. Only the
/// last layer is spared rows: earlier ones are seen by every token of the next. A model with
/// relative biases knows no mask, and attention is given for such a model alone: Error(kInternal).
at::Tensor encoder_layers(const ModelConfig& config, const Precision& precision,
                          const EncoderWeights& weights, const EncoderInput& input,
                          std::optional<std::int64_t> rows = std::nullopt);

}  // namespace lethe::models
