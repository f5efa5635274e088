// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/decoder.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace lethe::models {

// Rows of the vocabulary product at once: 512 x 49,152 floats are 100 MB.
constexpr std::int64_t kScoreRows = 512;

Decoder::Decoder(const Checkpoint& checkpoint, DType dtype, const WeightSharing& sharing)
    : config_(checkpoint.config()),
      dtype_(dtype),
      precision_(precision_of(dtype)),
      weights_(load_decoder_weights(checkpoint, dtype, sharing)) {}

kernels::QkvShape Decoder::qkv_shape() const {
  return {config_.n_heads, config_.n_kv_heads, config_.head_dim};
}

at::Tensor Decoder::embed(std::span<const std::int64_t> ids) const {
  const auto index = at::tensor(at::ArrayRef<std::int64_t>(ids.data(), ids.size()), at::kLong);
  return weights_.embedding.index_select(0, index).to(precision_.compute).contiguous();
}

RotaryTable Decoder::rotary(RopeAngles angles, std::int64_t first, std::int64_t count) const {
  return rotary_table(config_, angles, first, count, precision_.compute);
}

RotaryTable Decoder::rotary(RopeAngles angles, std::span<const double> positions) const {
  return rotary_table(config_, angles, positions, precision_.compute);
}

at::Tensor Decoder::norm(const at::Tensor& x, const at::Tensor& weight) const {
  at::Tensor out = at::empty_like(x);
  dispatch_compute(precision_, [&](auto zero) {
    using T = decltype(zero);
    kernels::rms_norm<T>(x.const_data_ptr<T>(), weight.const_data_ptr<T>(),
                         static_cast<T>(config_.rms_norm_eps), x.size(0), x.size(1),
                         out.mutable_data_ptr<T>());
  });
  return out;
}

at::Tensor Decoder::product(const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) const {
  at::Tensor out = at::mm(x.to(precision_.product), weight.t()).to(precision_.compute);
  if (bias.defined()) out.add_(bias);
  return out;
}

void Decoder::add_product(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                          const at::Tensor& bias) const {
  if (precision_.product == precision_.compute) {
    sum.addmm_(x, weight.t());  // the residual is added inside the product
  } else {
    sum.add_(at::mm(x.to(precision_.product), weight.t()));
  }
  if (bias.defined()) sum.add_(bias);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  return product(norm(hidden, w.attention_norm), w.qkv, w.qkv_bias);
}

at::Tensor Decoder::project_qkv(std::int64_t layer, const at::Tensor& hidden,
                                const RotaryTable& rotary) const {
  at::Tensor qkv = project_qkv(layer, hidden);
  dispatch_compute(precision_, [&](auto zero) {
    using T = decltype(zero);
    kernels::rotate<T>(qkv.mutable_data_ptr<T>(), rotary.cos.const_data_ptr<T>(),
                       rotary.sin.const_data_ptr<T>(), hidden.size(0), qkv_shape());
  });
  return qkv;
}

void Decoder::finish_layer(std::int64_t layer, at::Tensor& hidden,
                           const at::Tensor& attention) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  add_product(hidden, attention, w.out, w.out_bias);
  const at::Tensor gate_up = product(norm(hidden, w.mlp_norm), w.gate_up, w.gate_up_bias);
  at::Tensor activated = at::empty({hidden.size(0), config_.intermediate_size}, gate_up.options());
  dispatch_compute(precision_, [&](auto zero) {
    using T = decltype(zero);
    kernels::silu_mul<T>(gate_up.const_data_ptr<T>(), hidden.size(0), config_.intermediate_size,
                         activated.mutable_data_ptr<T>());
  });
  add_product(hidden, activated, w.down, w.down_bias);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  return product(norm(hidden, weights_.final_norm), weights_.lm_head, {});
}

void Decoder::score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
                    std::span<double> nll) const {
  const auto count = static_cast<std::int64_t>(targets.size());
  const at::Tensor normed = norm(hidden, weights_.final_norm).to(precision_.product);
  at::Tensor buffer =
      at::empty({std::min(kScoreRows, count), config_.vocab_size}, normed.options());
  for (std::int64_t begin = 0; begin < count; begin += kScoreRows) {
    const std::int64_t rows = std::min(kScoreRows, count - begin);
    at::Tensor block = buffer.narrow(0, 0, rows);
    at::mm_out(block, normed.narrow(0, begin, rows), weights_.lm_head.t());
    const at::Tensor scores = block.to(precision_.compute);
    dispatch_compute(precision_, [&](auto zero) {
      using T = decltype(zero);
      kernels::negative_log_likelihood<T>(scores.const_data_ptr<T>(), targets.data() + begin, rows,
                                          config_.vocab_size, nll.data() + begin);
    });
  }
}

}  // namespace lethe::models
