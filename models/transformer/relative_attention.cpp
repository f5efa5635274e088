// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/relative_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/transformer/parallel.h"
#include "models/transformer/relative_attention_kernel.h"

namespace lethe::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Sizes and pointers of one call, for every head of every sequence.
template <typename T>
struct Call {
  std::int64_t batch, rows, tokens, heads, head_dim, clip;
  T scale;
  const T *q, *kv, *bias;
  T *out, *log_sums;

  Call(const at::Tensor& queries, const at::Tensor& keys_values, const at::Tensor& offsets,
       double factor, const at::Tensor& result, const at::Tensor& sums)
      : batch(queries.size(0)),
        rows(queries.size(1)),
        tokens(keys_values.size(1)),
        heads(offsets.size(0)),
        head_dim(queries.size(2) / heads),
        clip(offsets.size(1) / 2),
        scale(static_cast<T>(factor)),
        q(queries.const_data_ptr<T>()),
        kv(keys_values.const_data_ptr<T>()),
        bias(offsets.const_data_ptr<T>()),
        out(result.mutable_data_ptr<T>()),
        log_sums(sums.mutable_data_ptr<T>()) {}

  std::int64_t hidden() const { return heads * head_dim; }
  /// First element of a sequence's head in queries, and in keys (values follow `hidden()` later).
  std::int64_t query_offset(std::int64_t b, std::int64_t h) const {
    return b * rows * hidden() + h * head_dim;
  }
  std::int64_t key_offset(std::int64_t b, std::int64_t h) const {
    return b * tokens * 2 * hidden() + h * head_dim;
  }

  AttentionHead<T> head(std::int64_t b, std::int64_t h) const {
    AttentionHead<T> head;
    head.queries = rows;
    head.tokens = tokens;
    head.head_dim = head_dim;
    head.scale = scale;
    head.clip = clip;
    head.bias = bias + h * (2 * clip + 1);
    head.q = q + query_offset(b, h);
    head.k = kv + key_offset(b, h);
    head.v = head.k + hidden();
    head.q_stride = hidden();
    head.kv_stride = 2 * hidden();
    head.out = out + query_offset(b, h);
    head.out_stride = hidden();
    head.log_sums = log_sums + (b * heads + h) * rows;
    return head;
  }

  /// body(sequence, head) of each; by several threads where the products have several.
  template <typename Body>
  void for_each_head(const Body& body) const {
    const auto range = [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i / heads, i % heads);
    };
    if (at::get_num_threads() == 1) {
      range(0, batch * heads);
    } else {
      parallel_rows(batch * heads, 1, range);
    }
  }
};

template <typename Body>
void dispatch(const at::Tensor& tensor, const Body& body) {
  tensor.scalar_type() == at::kDouble ? body(double{}) : body(float{});
}

class RelativeAttention : public torch::autograd::Function<RelativeAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& queries,
                            const at::Tensor& keys_values, const at::Tensor& bias, double scale) {
    const at::Tensor q = queries.contiguous(), kv = keys_values.contiguous(),
                     offsets = bias.contiguous();
    const at::Tensor out = at::empty_like(q);
    const at::Tensor sums = at::empty({q.size(0), offsets.size(0), q.size(1)}, q.options());
    dispatch(q, [&](auto type) {
      const Call<decltype(type)> call(q, kv, offsets, scale, out, sums);
      call.for_each_head([&](std::int64_t b, std::int64_t h) {
        lethe::models::relative_attention(call.head(b, h));
      });
    });
    ctx->save_for_backward({q, kv, offsets, out, sums});
    ctx->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &kv = saved[1], &bias = saved[2];
    const at::Tensor d_out = gradients[0].contiguous();
    const at::Tensor d_q = at::empty_like(q), d_kv = at::empty_like(kv);
    // One row a head and sequence, added up in a fixed order whatever the threads.
    const at::Tensor d_bias = at::zeros({q.size(0), bias.size(0), bias.size(1)}, bias.options());
    dispatch(q, [&](auto type) {
      using T = decltype(type);
      const Call<T> call(q, kv, bias, ctx->saved_data["scale"].toDouble(), saved[3], saved[4]);
      call.for_each_head([&](std::int64_t b, std::int64_t h) {
        AttentionHeadGradients<T> head;
        head.d_out = d_out.const_data_ptr<T>() + call.query_offset(b, h);
        head.d_q = d_q.mutable_data_ptr<T>() + call.query_offset(b, h);
        head.d_k = d_kv.mutable_data_ptr<T>() + call.key_offset(b, h);
        head.d_v = head.d_k + call.hidden();
        head.d_bias = d_bias.mutable_data_ptr<T>() + (b * call.heads + h) * bias.size(1);
        relative_attention_backward(call.head(b, h), head);
      });
    });
    return {d_q, d_kv, d_bias.sum(0), at::Tensor()};
  }
};

}  // namespace

at::Tensor relative_attention_by_tensors(const at::Tensor& queries, const at::Tensor& keys_values,
                                         const at::Tensor& bias, double scale,
                                         at::Tensor* weights) {
  const std::int64_t heads = bias.size(0), clip = bias.size(1) / 2;
  const std::int64_t rows = queries.size(1), tokens = keys_values.size(1), hidden = queries.size(2);
  const auto split = [&](const at::Tensor& x, std::int64_t first) {
    return x.narrow(2, first, hidden).view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
  };
  const at::TensorOptions index = at::TensorOptions(at::kLong).device(queries.device());
  const at::Tensor offsets =
      (at::arange(tokens, index).unsqueeze(0) - at::arange(rows, index).unsqueeze(1))
          .clamp(-clip, clip)
          .add(clip);
  const at::Tensor scores =
      at::matmul(split(queries, 0), split(keys_values, 0).transpose(2, 3)) * scale +
      bias.index_select(1, offsets.flatten()).view({heads, rows, tokens});
  const at::Tensor softmax = scores.softmax(-1);
  if (weights) *weights = softmax;
  return at::matmul(softmax, split(keys_values, hidden)).transpose(1, 2).reshape(queries.sizes());
}

at::Tensor relative_attention(const at::Tensor& queries, const at::Tensor& keys_values,
                              const at::Tensor& bias, double scale) {
  const bool host = queries.device().is_cpu() &&
                    (queries.scalar_type() == at::kFloat || queries.scalar_type() == at::kDouble);
  return host ? RelativeAttention::apply(queries, keys_values, bias, scale)
              : relative_attention_by_tensors(queries, keys_values, bias, scale);
}

}  // namespace lethe::models
