// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/tensor_functions.h"

#include <limits>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {
namespace {

at::Tensor applied(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
  }
  throw Error(ErrorKind::kInternal, "unknown activation");
}

}  // namespace

at::Tensor projection(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const Precision& precision) {
  at::Tensor out = at::mm(x, weight.t());
  if (!bias.defined()) return out;
  return (out.to(precision.compute) + bias).to(precision.product);
}

at::Tensor layer_normed(const at::Tensor& x, const Norm& norm, double eps) {
  return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, eps);
}

at::Tensor rms_normed(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, /*keepdim=*/true).add_(eps));
  return (x * scale).mul_(weight);
}

at::Tensor activated(const at::Tensor& x, Activation activation, bool gated) {
  if (!gated) return applied(x, activation);
  const auto halves = x.chunk(2, -1);
  return applied(halves[0], activation).mul_(halves[1]);
}

void soft_cap(const at::Tensor& x, double cap) {
  x.div_(cap).tanh_().mul_(cap);
}

at::Tensor soft_capped(const at::Tensor& x, double cap) {
  return at::tanh(x / cap) * cap;
}

at::Tensor capped_attention(const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values, const at::Tensor& mask, double scale,
                            double cap) {
  const std::int64_t group = queries.size(1) / keys.size(1);
  const at::Tensor scores = soft_capped(
      at::matmul(queries, keys.repeat_interleave(group, 1).transpose(2, 3)) * scale, cap);
  return at::matmul(
      scores.masked_fill(mask.logical_not(), -std::numeric_limits<double>::infinity()).softmax(-1),
      values.repeat_interleave(group, 1));
}

at::Tensor rotated_projection(const at::Tensor& qkv, const RotaryTable& table,
                              const kernels::QkvShape& shape) {
  const std::int64_t rows = qkv.size(0), turned = shape.n_heads + shape.n_kv_heads;
  const at::Tensor heads = qkv.view({rows, -1, shape.head_dim});
  return at::cat(
             {rotated(heads.narrow(1, 0, turned), table.cos.unsqueeze(1), table.sin.unsqueeze(1)),
              heads.narrow(1, turned, shape.n_kv_heads)},
             1)
      .view({rows, shape.row()});
}

}  // namespace lethe::models
