// SPDX-License-Identifier: Apache-2.0
// Weights of a Llama-family decoder as tensors, loaded and checked.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "models/checkpoint/checkpoint.h"
#include "models/engine/evaluate.h"

namespace lethe::models {

/// Matrices are [out, in] in the product type; norms and biases in the compute type.
struct LayerWeights {
  at::Tensor attention_norm;  ///< [hidden]
  at::Tensor qkv;             ///< [(heads + 2 kv_heads) * head_dim, hidden]
  at::Tensor qkv_bias;        ///< [(heads + 2 kv_heads) * head_dim] or undefined
  at::Tensor out;             ///< [hidden, heads * head_dim]
  at::Tensor out_bias;        ///< [hidden] or undefined
  at::Tensor mlp_norm;        ///< [hidden]
  at::Tensor gate_up;         ///< [2 * intermediate, hidden]
  at::Tensor gate_up_bias;    ///< [2 * intermediate] or undefined
  at::Tensor down;            ///< [hidden, intermediate]
  at::Tensor down_bias;       ///< [hidden] or undefined
};

struct DecoderWeights {
  at::Tensor embedding;  ///< [vocab, hidden]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;  ///< [hidden]
  at::Tensor lm_head;     ///< [vocab, hidden]; the embedding itself where they are tied
};

/// Type of products and of everything else: (float32, float32), (bfloat16, float32) or
/// (float64, float64).
struct Precision {
  at::ScalarType product;
  at::ScalarType compute;
};
Precision precision_of(DType dtype);

/// Reads every tensor of a Llama-family checkpoint; where another process shares them, takes its
/// memory and reads none. Shared tensors are read-only: a write to one ends the process. Weights
/// for a `device` other than the CPU are never shared. Throws Error(kModel) on a missing tensor, a
/// wrong shape, or a value that is not finite, naming checkpoint and tensor.
DecoderWeights load_decoder_weights(const Checkpoint& checkpoint, DType dtype,
                                    const WeightSharing& sharing, at::Device device);

}  // namespace lethe::models
