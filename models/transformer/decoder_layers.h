// SPDX-License-Identifier: Apache-2.0
// A decoder over whole tensors: batches of short texts under any mask, no cache, no policy. Every
// operation knows its gradient, so training and evaluation run the same code. (Decoder has the
// kernels for long texts.)
#pragma once

#include <ATen/core/Tensor.h>

#include "models/checkpoint/model_config.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// Last hidden states, after the final norm, [batch, tokens, hidden] in the
/// compute type.
/// `inputs` [batch, tokens, hidden] stand in for word embeddings, in the compute type: the scale of
/// embeddings and the positions 0, 1, … (learned or rotary) are added here, as to any token.
/// `mask` is boolean, [tokens, tokens]: true where a row sees a column; it alone decides, windows
/// of the model are the caller's matter.
at::Tensor decoder_layers(const ModelConfig& config, const Precision& precision,
                          const DecoderWeights& weights, const at::Tensor& inputs,
                          const at::Tensor& mask);

/// Logits of what decoder_layers() gives, [..., hidden] -> [..., vocab] in the compute type.
at::Tensor decoder_logits(const ModelConfig& config, const Precision& precision,
                          const DecoderWeights& weights, const at::Tensor& hidden);

}  // namespace lethe::models
