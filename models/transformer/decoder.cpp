// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/decoder.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace lethe::models {

namespace {

// The vocabulary product at once: 2,048 x 1,024 floats stay in a large cache, where 49,152 columns
// would go through memory twice.
constexpr std::int64_t kScoreRows = 2048;
constexpr std::int64_t kScoreTokens = 1024;

/// Calls body with values of the compute type and of the type that products read and write.
template <typename Body>
void dispatch_types(const Precision& precision, Body&& body) {
  switch (precision.product) {
    case at::kDouble:
      return body(double{}, double{});
    case at::kBFloat16:
      return body(float{}, kernels::Bf16{});
    default:
      return body(float{}, float{});
  }
}

template <typename Io>
Io* data(const at::Tensor& tensor) {
  return static_cast<Io*>(tensor.mutable_data_ptr());
}

}  // namespace

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
  at::Tensor out = at::empty(x.sizes(), precision_.product);
  dispatch_types(precision_, [&](auto zero, auto io) {
    using T = decltype(zero);
    using Io = decltype(io);
    kernels::rms_norm<T, Io>(x.const_data_ptr<T>(), weight.const_data_ptr<T>(),
                             static_cast<T>(config_.rms_norm_eps), x.size(0), x.size(1),
                             data<Io>(out));
  });
  return out;
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
    const at::Tensor out = at::mm(x, weight.t());
    dispatch_types(precision_, [&](auto zero, auto io) {
      using T = decltype(zero);
      using Io = decltype(io);
      kernels::add_to<T, Io>(sum.mutable_data_ptr<T>(), data<Io>(out), out.numel());
    });
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
  const at::Tensor qkv = product(norm(hidden, w.attention_norm), w.qkv, w.qkv_bias);
  const bool in_place = precision_.product == precision_.compute;
  at::Tensor out = in_place ? qkv : at::empty(qkv.sizes(), precision_.compute);
  dispatch_types(precision_, [&](auto zero, auto io) {
    using T = decltype(zero);
    using Io = decltype(io);
    kernels::rotate<Io, T>(data<Io>(qkv), rotary.cos.const_data_ptr<T>(),
                           rotary.sin.const_data_ptr<T>(), hidden.size(0), qkv_shape(),
                           out.mutable_data_ptr<T>());
  });
  return out;
}

void Decoder::finish_layer(std::int64_t layer, at::Tensor& hidden,
                           const at::Tensor& attention) const {
  const LayerWeights& w = weights_.layers[static_cast<std::size_t>(layer)];
  add_product(hidden, attention.to(precision_.product), w.out, w.out_bias);
  const at::Tensor gate_up = product(norm(hidden, w.mlp_norm), w.gate_up, w.gate_up_bias);
  const at::Tensor activated =
      at::empty({hidden.size(0), config_.intermediate_size}, precision_.product);
  dispatch_types(precision_, [&](auto, auto io) {
    using Io = decltype(io);
    kernels::silu_mul<Io>(data<Io>(gate_up), hidden.size(0), config_.intermediate_size,
                          data<Io>(activated));
  });
  add_product(hidden, activated, w.down, w.down_bias);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  return product(norm(hidden, weights_.final_norm), weights_.lm_head, {}).to(precision_.compute);
}

void Decoder::score(const at::Tensor& hidden, std::span<const std::int64_t> targets,
                    std::span<double> nll) const {
  const auto count = static_cast<std::int64_t>(targets.size());
  const at::Tensor normed = norm(hidden, weights_.final_norm);
  const at::Tensor buffer =
      at::empty({std::min(kScoreRows, count) * kScoreTokens}, precision_.product);
  std::vector<kernels::LogSum> sums;
  for (std::int64_t begin = 0; begin < count; begin += kScoreRows) {
    const std::int64_t rows = std::min(kScoreRows, count - begin);
    sums.assign(static_cast<std::size_t>(rows), {});
    for (std::int64_t first = 0; first < config_.vocab_size; first += kScoreTokens) {
      const std::int64_t width = std::min(kScoreTokens, config_.vocab_size - first);
      at::Tensor tile = buffer.narrow(0, 0, rows * width).view({rows, width});
      at::mm_out(tile, normed.narrow(0, begin, rows), weights_.lm_head.narrow(0, first, width).t());
      dispatch_types(precision_, [&](auto, auto io) {
        using Io = decltype(io);
        kernels::add_logits<Io>(data<Io>(tile), rows, width, first, targets.data() + begin,
                                sums.data());
      });
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      nll[static_cast<std::size_t>(begin + r)] = sums[static_cast<std::size_t>(r)].nll();
    }
  }
}

}  // namespace lethe::models
