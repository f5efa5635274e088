// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/encoder_layers.h"

#include <cmath>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/transformer/relative_attention.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

class Layers {
 public:
  Layers(const ModelConfig& config, const Precision& precision, const EncoderInput& input)
      : config_(config), precision_(precision), input_(input) {}

  at::Tensor run(const LayerWeights& w, const at::Tensor& hidden, std::int64_t rows) const {
    const bool before = config_.norm_place == NormPlace::kBefore;
    const at::Tensor kept = hidden.narrow(1, 0, rows);
    const at::Tensor seen = before ? normed(hidden, w.attention_norm) : hidden;
    at::Tensor sum = kept + product(attended(w, seen, rows), w.out, w.out_bias);
    if (before) return sum + mlp(w, normed(sum, w.mlp_norm));
    sum = normed(sum, w.attention_norm);
    return normed(sum + mlp(w, sum), w.mlp_norm);
  }

  at::Tensor normed(const at::Tensor& x, const Norm& norm) const {
    return layer_normed(x, norm, config_.norm_eps);
  }

 private:
  // [batch, rows, in] -> [batch, rows, out] in the compute type.
  at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
    const at::Tensor flat = x.reshape({-1, x.size(-1)}).to(precision_.product);
    return projection(flat, weight, bias, precision_)
        .to(precision_.compute)
        .view({x.size(0), x.size(1), weight.size(0)});
  }

  at::Tensor mlp(const LayerWeights& w, const at::Tensor& x) const {
    const at::Tensor inner =
        activated(product(x, w.up, w.up_bias), config_.activation, config_.gated_mlp);
    return product(inner, w.down, w.down_bias);
  }

  at::Tensor attended(const LayerWeights& w, const at::Tensor& seen, std::int64_t rows) const {
    const std::int64_t hidden = config_.hidden_size;
    const auto part = [&](const at::Tensor& x, std::int64_t first, std::int64_t count) {
      return product(x, w.qkv.narrow(0, first, count), w.qkv_bias.narrow(0, first, count));
    };
    const at::Tensor queries = part(seen.narrow(1, 0, rows), 0, hidden);
    const at::Tensor keys_values = part(seen, hidden, 2 * hidden);
    const double scale = 1.0 / std::sqrt(config_.attention_scalar());
    if (w.relative_bias.defined()) {
      LETHE_ASSERT(!input_.mask, "relative attention knows no mask");
      const at::Tensor bias = w.relative_bias * kRelativeScale;
      if (!input_.attention) return relative_attention(queries, keys_values, bias, scale);
      return relative_attention_by_tensors(queries, keys_values, bias, scale,
                                           &input_.attention->emplace_back());
    }
    LETHE_ASSERT(!input_.attention, "attention is given of models with relative biases");
    const auto heads = [&](const at::Tensor& x, std::int64_t first) {
      return x.narrow(2, first, hidden)
          .view({x.size(0), x.size(1), config_.n_heads, config_.head_dim})
          .transpose(1, 2);
    };
    return at::scaled_dot_product_attention(heads(queries, 0), heads(keys_values, 0),
                                            heads(keys_values, hidden), input_.mask, 0.0, false,
                                            scale)
        .transpose(1, 2)
        .reshape({seen.size(0), rows, hidden});
  }

  const ModelConfig& config_;
  const Precision& precision_;
  const EncoderInput& input_;
};

}  // namespace

at::Tensor encoder_layers(const ModelConfig& config, const Precision& precision,
                          const EncoderWeights& weights, const EncoderInput& input,
                          std::optional<std::int64_t> rows) {
  const Layers layers(config, precision, input);
  at::Tensor hidden = layers.normed(input.embeddings, weights.embedding_norm);
  const std::int64_t tokens = hidden.size(1);
  for (const LayerWeights& w : weights.layers) {
    const bool last = &w == &weights.layers.back();
    hidden = layers.run(w, hidden, last ? rows.value_or(tokens) : tokens);
  }
  return config.final_norm ? layers.normed(hidden, weights.final_norm) : hidden;
}

}  // namespace lethe::models
