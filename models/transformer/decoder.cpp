// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/decoder.h"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

at::Tensor index_of(std::span<const std::int64_t> values) {
  return at::tensor(at::ArrayRef<std::int64_t>(values.data(), values.size()), at::kLong);
}

}  // namespace

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

at::Tensor Decoder::embed(std::span<const std::int64_t> ids,
                          std::span<const std::int64_t> positions) const {
  const auto rows = [&](const at::Tensor& table, const at::Tensor& index) {
    return table.index_select(0, index.to(placement_.device)).to(precision_.compute).contiguous();
  };
  at::Tensor hidden = rows(weights_.embedding, index_of(ids));
  if (config_.scaled_embeddings) {
    hidden.mul_(std::sqrt(static_cast<double>(config_.hidden_size)));
  }
  if (weights_.positions.defined()) {
    hidden.add_(rows(weights_.positions, index_of(positions) + config_.learned_position_offset));
  }
  return hidden;
}

at::Tensor Decoder::embed(std::span<const std::int64_t> ids, std::int64_t first) const {
  std::vector<std::int64_t> positions(ids.size());
  std::iota(positions.begin(), positions.end(), first);
  return embed(ids, positions);
}

// Formed on the host wherever the model is, so that the angles are the same bits.
RotaryTable Decoder::rotary(const RotaryRule& rule, std::int64_t first, std::int64_t count) const {
  if (config_.positions != PositionKind::kRotary) return {};
  return moved(rotary_table(config_, rule, first, count, precision_.compute));
}

RotaryTable Decoder::rotary(const RotaryRule& rule, std::span<const double> positions) const {
  if (config_.positions != PositionKind::kRotary) return {};
  return moved(rotary_table(config_, rule, positions, precision_.compute));
}

RotaryTable Decoder::moved(const RotaryTable& table) const {
  return {table.cos.to(placement_.device), table.sin.to(placement_.device)};
}

at::Tensor Decoder::norm(const at::Tensor& x, const Norm& norm) const {
  if (config_.norm == NormKind::kLayer) {
    return layer_normed(x, norm, config_.norm_eps).to(precision_.product);
  }
  return arithmetic_->rms_norm(x, norm.weight, config_.norm_eps);
}

at::Tensor Decoder::product(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) const {
  return projection(x, weight, bias, precision_);
}

void Decoder::add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias, const Norm& after) const {
  if (after.weight.defined()) {
    sum.add_(norm(product(x, weight, bias).to(precision_.compute), after));
    return;
  }
  if (precision_.product == precision_.compute) {
    sum.addmm_(x, weight.t());  // the residual is added inside the product
  } else {
    arithmetic_->add_to(sum, at::mm(x, weight.t()));
  }
  if (bias.defined()) sum.add_(bias);
}

// Queries, keys and values, in the product type.
at::Tensor Decoder::projected(const at::Tensor& hidden, const LayerWeights& w) const {
  const at::Tensor qkv = product(norm(hidden, w.attention_norm), w.qkv, w.qkv_bias);
  if (!config_.qk_norm) return qkv;
  const auto shape = qkv_shape();
  const std::int64_t rows = qkv.size(0), d = shape.head_dim;
  const at::Tensor heads = qkv.to(precision_.compute).view({rows, -1, d});
  const auto normed = [&](std::int64_t first, std::int64_t count, const at::Tensor& weight) {
    const at::Tensor each = heads.narrow(1, first, count).reshape({rows * count, d});
    return arithmetic_->rms_norm(each, weight, config_.norm_eps).view({rows, count * d});
  };
  return at::cat(
      {normed(0, shape.n_heads, w.q_norm), normed(shape.n_heads, shape.n_kv_heads, w.k_norm),
       qkv.narrow(1, (shape.n_heads + shape.n_kv_heads) * d, shape.n_kv_heads * d)},
      1);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden) const {
  return projected(hidden, weights_.layers[static_cast<std::size_t>(layer)]).to(precision_.compute);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden,
                                const RotaryTable& rotary) const {
  if (config_.positions != PositionKind::kRotary) return project_qkv(layer, hidden);
  return arithmetic_->rotate(projected(hidden, weights_.layers[static_cast<std::size_t>(layer)]),
                             rotary, qkv_shape());
}

// What `down` multiplies.
at::Tensor Decoder::mlp_inner(const at::Tensor& normed, const LayerWeights& w) const {
  const at::Tensor up = product(normed, w.up, w.up_bias);
  if (config_.gated_mlp && config_.activation == Activation::kSilu) {
    return arithmetic_->silu_mul(up);
  }
  return activated(up.to(precision_.compute), config_.activation, config_.gated_mlp)
      .to(precision_.product);
}

void Decoder::finish_layer(std::int64_t layer, at::Tensor& hidden,
                           const at::Tensor& attention) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  // In a parallel layer the MLP reads what attention has read.
  at::Tensor normed;
  if (config_.parallel_residual) normed = norm(hidden, w.mlp_norm);
  add_product(hidden, attention.to(precision_.product), w.out, w.out_bias, w.attention_after);
  if (!config_.parallel_residual) normed = norm(hidden, w.mlp_norm);
  add_product(hidden, mlp_inner(normed, w), w.down, w.down_bias, w.mlp_after);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  const at::Tensor logits =
      product(norm(hidden, weights_.final_norm), weights_.lm_head, {}).to(precision_.compute);
  if (config_.final_softcap) soft_cap(logits, *config_.final_softcap);
  return logits;
}

void Decoder::score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
                    std::span<double> nll) const {
  arithmetic_->score(norm(hidden, weights_.final_norm), weights_.lm_head, config_.final_softcap,
                     targets, nll);
}

}  // namespace lethe::models
