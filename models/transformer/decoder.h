// SPDX-License-Identifier: Apache-2.0
// The parts of a decoder around attention, as its ModelConfig describes them. Attention itself, and
// which tokens it may see, belong to the engine: nothing here knows a cache or a policy.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "models/engine/device.h"
#include "models/transformer/arithmetic.h"
#include "models/transformer/kernels.h"
#include "models/transformer/rotary.h"
#include "models/transformer/weights.h"

namespace lethe::models {

/// Immutable after construction. Hidden states are [tokens, hidden] in the compute type.
class Decoder {
 public:
  Decoder(const Checkpoint& checkpoint, DType dtype, const WeightSharing& sharing = {},
          const Placement& placement = {});

  const ModelConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }
  const Precision& precision() const { return precision_; }
  /// Where weights and activations are, and what computes on them.
  const Placement& placement() const { return placement_; }
  kernels::QkvShape qkv_shape() const;

  /// Embeddings of tokens at the given positions, [ids, hidden].
  at::Tensor embed(std::span<const std::int64_t> ids,
                   std::span<const std::int64_t> positions) const;
  /// The same at positions first, first + 1, …
  at::Tensor embed(std::span<const std::int64_t> ids, std::int64_t first) const;
  /// Undefined tensors where positions are learned: those are in the embeddings.
  RotaryTable rotary(const RotaryRule& rule, std::int64_t first, std::int64_t count) const;
  RotaryTable rotary(const RotaryRule& rule, std::span<const double> positions) const;
  /// Normed and projected, not rotated: [tokens, qkv_shape().row()], q | k | v.
  at::Tensor project_qkv(std::int64_t layer, const at::Tensor& hidden) const;
  /// The same with queries and keys rotated, where positions are rotary.
  at::Tensor project_qkv(std::int64_t layer, const at::Tensor& hidden,
                         const RotaryTable& rotary) const;
  /// hidden += out_proj(attention); hidden += mlp(norm(hidden)), or the variant of the family.
  /// `attention` is [tokens, heads * head_dim].
  void finish_layer(std::int64_t layer, at::Tensor& hidden, const at::Tensor& attention) const;
  /// Logits of the given rows, [rows, vocab], in the compute type.
  at::Tensor logits(const at::Tensor& hidden) const;
  /// nll[i] = -log p(targets[i] | hidden row i), nats. The logits are formed and
  /// summed tile by tile of the vocabulary.
  void score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
             std::span<double> nll) const;

 private:
  // Between products activations are in the product type, the residual stream in the compute type.
  at::Tensor norm(const at::Tensor& x, const Norm& norm) const;
  at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;
  // sum += product(x, weight, bias), normed before where there is an `after`.
  void add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias, const Norm& after) const;
  at::Tensor projected(const at::Tensor& hidden, const LayerWeights& w) const;
  at::Tensor mlp_inner(const at::Tensor& normed, const LayerWeights& w) const;
  RotaryTable moved(const RotaryTable& table) const;

  ModelConfig config_;
  DType dtype_;
  Precision precision_;
  Placement placement_;
  std::unique_ptr<const Arithmetic> arithmetic_;
  DecoderWeights weights_;
};

/// Calls body with a value of the compute type (float or double), for kernels on raw pointers.
template <typename Body>
decltype(auto) dispatch_compute(const Precision& precision, Body&& body) {
  return precision.compute == at::kDouble ? body(double{}) : body(float{});
}

}  // namespace lethe::models
