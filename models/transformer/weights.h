// SPDX-License-Identifier: Apache-2.0
// Weights of a model as tensors, loaded and checked.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"

namespace lethe::models {

struct Norm {
  at::Tensor weight;  ///< [width]; undefined where there is no such norm
  at::Tensor bias;    ///< [width], of layer norms
};

/// Matrices are [out, in] in the product type; norms and biases in the compute type. What a family
/// does not have is undefined.
struct LayerWeights {
  Norm attention_norm;  ///< [hidden]; NormPlace says of what
  at::Tensor qkv;       ///< [(heads + 2 kv_heads) * head_dim, hidden]
  at::Tensor qkv_bias;  ///< [(heads + 2 kv_heads) * head_dim]
  /// [heads, 2 relative_clip + 1] where the model has one: kRelativeScale times it is added to the
  /// scores.
  at::Tensor relative_bias;
  at::Tensor q_norm;     ///< [head_dim], of every query head
  at::Tensor k_norm;     ///< [head_dim], of every key head
  at::Tensor out;        ///< [hidden, heads * head_dim]
  at::Tensor out_bias;   ///< [hidden]
  Norm attention_after;  ///< [hidden], of what attention adds (NormPlace::kAround)
  Norm mlp_norm;         ///< [hidden]
  at::Tensor up;  ///< [2 * intermediate, hidden], gate | up; without a gate [intermediate, …]
  at::Tensor up_bias;    ///< [2 * intermediate], or [intermediate]
  at::Tensor down;       ///< [hidden, intermediate]
  at::Tensor down_bias;  ///< [hidden]
  Norm mlp_after;        ///< [hidden], of what the MLP adds (NormPlace::kAround)
};

struct DecoderWeights {
  at::Tensor embedding;  ///< [vocab, hidden]
  at::Tensor positions;  ///< [learned_position_offset + trained_length, hidden] where learned
  std::vector<LayerWeights> layers;
  Norm final_norm;     ///< [hidden]
  at::Tensor lm_head;  ///< [vocab, hidden]; the embedding itself where they are tied
};

/// Relative biases are stored divided by this: a step of AdamW then moves them as far as scores
/// need (found in pilot runs).
inline constexpr double kRelativeScale = 8.0;

struct EncoderWeights {
  at::Tensor embedding;    ///< [vocab, hidden]
  at::Tensor positions;    ///< [trained_length, hidden]
  at::Tensor token_types;  ///< [token_types, hidden]
  Norm embedding_norm;     ///< [hidden]
  std::vector<LayerWeights> layers;
  Norm final_norm;  ///< [hidden], where norms stand before a layer
};

/// Type of products and of everything else: (float32, float32), (bfloat16, float32) or
/// (float64, float64).
struct Precision {
  at::ScalarType product;
  at::ScalarType compute;
};
Precision precision_of(DType dtype);

/// Reads every tensor of a decoder's checkpoint; where another process shares them, takes its
/// memory and reads none. Shared tensors are read-only: a write to one ends the process. Weights
/// for a `device` other than the CPU are never shared. Throws Error(kModel) on a model without a
/// decoder, a missing tensor, a wrong shape, or a value that is not finite, naming checkpoint and
/// tensor.
DecoderWeights load_decoder_weights(const Checkpoint& checkpoint, DType dtype,
                                    const WeightSharing& sharing, at::Device device);
/// The same for an encoder, on the CPU and never shared.
EncoderWeights load_encoder_weights(const Checkpoint& checkpoint, DType dtype);

}  // namespace lethe::models
