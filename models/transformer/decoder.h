// SPDX-License-Identifier: Apache-2.0
// The parts of a Llama-family decoder around attention. Attention itself, and which tokens it may
// see, belong to the engine: nothing here knows a cache or a policy.
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

  /// Token embeddings, [ids, hidden].
  at::Tensor embed(std::span<const std::int64_t> ids) const;
  RotaryTable rotary(RopeAngles angles, std::int64_t first, std::int64_t count) const;
  RotaryTable rotary(RopeAngles angles, std::span<const double> positions) const;
  /// Normed and projected, not rotated: [tokens, qkv_shape().row()], q | k | v.
  at::Tensor project_qkv(std::int64_t layer, const at::Tensor& hidden) const;
  /// The same with queries and keys rotated.
  at::Tensor project_qkv(std::int64_t layer, const at::Tensor& hidden,
                         const RotaryTable& rotary) const;
  /// hidden += out_proj(attention); hidden += mlp(norm(hidden)). `attention` is
  /// [tokens, heads * head_dim].
  void finish_layer(std::int64_t layer, at::Tensor& hidden, const at::Tensor& attention) const;
  /// Logits of the given rows, [rows, vocab], in the compute type.
  at::Tensor logits(const at::Tensor& hidden) const;
  /// nll[i] = -log p(targets[i] | hidden row i), nats. The logits are formed and
  /// summed tile by tile of the vocabulary.
  void score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
             std::span<double> nll) const;

 private:
  // Between products activations are in the product type, the residual stream in the compute type.
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;
  void add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias) const;
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
