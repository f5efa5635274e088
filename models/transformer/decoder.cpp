// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/decoder.h"

#include <ATen/ATen.h>

namespace lethe::models {

Decoder::Decoder(const Checkpoint& checkpoint, DType dtype, const WeightSharing& sharing,
                 const Placement& placement)
    : config_(checkpoint.config()),
      dtype_(dtype),
      precision_(precision_of(dtype)),
      placement_(placement),
      arithmetic_(placement.backend == Backend::kHost ? host_arithmetic(precision_)
                                                      : tensor_arithmetic(precision_)),
      weights_(load_decoder_weights(checkpoint, dtype, sharing, placement.device)) {}

kernels::QkvShape Decoder::qkv_shape() const {
  return {config_.n_heads, config_.n_kv_heads, config_.head_dim};
}

at::Tensor Decoder::embed(std::span<const std::int64_t> ids) const {
  const auto index = at::tensor(at::ArrayRef<std::int64_t>(ids.data(), ids.size()), at::kLong);
  return weights_.embedding.index_select(0, index.to(placement_.device))
      .to(precision_.compute)
      .contiguous();
}

// Formed on the host wherever the model is, so that the angles are the same bits.
RotaryTable Decoder::rotary(RopeAngles angles, std::int64_t first, std::int64_t count) const {
  return moved(rotary_table(config_, angles, first, count, precision_.compute));
}

RotaryTable Decoder::rotary(RopeAngles angles, std::span<const double> positions) const {
  return moved(rotary_table(config_, angles, positions, precision_.compute));
}

RotaryTable Decoder::moved(const RotaryTable& table) const {
  return {table.cos.to(placement_.device), table.sin.to(placement_.device)};
}

at::Tensor Decoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  return arithmetic_->rms_norm(x, weight, config_.norm_eps);
}

at::Tensor Decoder::product(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) const {
  at::Tensor out = at::mm(x, weight.t());
  if (!bias.defined()) return out;
  return (out.to(precision_.compute) + bias).to(precision_.product);
}

void Decoder::add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias) const {
  if (precision_.product == precision_.compute) {
    sum.addmm_(x, weight.t());  // the residual is added inside the product
  } else {
    arithmetic_->add_to(sum, at::mm(x, weight.t()));
  }
  if (bias.defined()) sum.add_(bias);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  return product(norm(hidden, w.attention_norm), w.qkv, w.qkv_bias).to(precision_.compute);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden,
                                const RotaryTable& rotary) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  return arithmetic_->rotate(product(norm(hidden, w.attention_norm), w.qkv, w.qkv_bias), rotary,
                             qkv_shape());
}

void Decoder::finish_layer(std::int64_t layer, at::Tensor& hidden,
                           const at::Tensor& attention) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  add_product(hidden, attention.to(precision_.product), w.out, w.out_bias);
  const at::Tensor gate_up = product(norm(hidden, w.mlp_norm), w.gate_up, w.gate_up_bias);
  add_product(hidden, arithmetic_->silu_mul(gate_up), w.down, w.down_bias);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  return product(norm(hidden, weights_.final_norm), weights_.lm_head, {}).to(precision_.compute);
}

void Decoder::score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
                    std::span<double> nll) const {
  arithmetic_->score(norm(hidden, weights_.final_norm), weights_.lm_head, targets, nll);
}

}  // namespace lethe::models
