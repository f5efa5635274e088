// SPDX-License-Identifier: Apache-2.0
#include "models/transformer/decoder_layers.h"

#include <cmath>

#include <ATen/ATen.h>

#include "models/transformer/rotary.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

// [batch, tokens, in] or [..., in] -> [..., out] in the compute type.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   const Precision& precision) {
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  const at::Tensor flat = x.reshape({-1, x.size(-1)}).to(precision.product);
  return projection(flat, weight, bias, precision).to(precision.compute).view(shape);
}

class Layers {
 public:
  Layers(const ModelConfig& config, const Precision& precision, const at::Tensor& inputs,
         const at::Tensor& mask)
      : config_(config),
        precision_(precision),
        mask_(mask),
        batch_(inputs.size(0)),
        tokens_(inputs.size(1)) {
    if (config.positions != PositionKind::kRotary) return;
    // One row of the table for each row of the flattened batch.
    const auto each = [&](const at::Tensor& table) {
      return table.to(inputs.device()).repeat({batch_, 1});
    };
    const RotaryTable table =
        rotary_table(config, {RopeAngles::kHf32, tokens_}, 0, tokens_, precision.compute);
    rotary_ = {each(table.cos), each(table.sin)};
  }

  at::Tensor run(const LayerWeights& w, const at::Tensor& hidden) const {
    const at::Tensor added = around(
        product(attended(w, normed(hidden, w.attention_norm)), w.out, w.out_bias, precision_),
        w.attention_after);
    const at::Tensor sum = hidden + added;
    // In a parallel layer the MLP reads what attention has read.
    const at::Tensor& read = config_.parallel_residual ? hidden : sum;
    return sum + around(mlp(w, normed(read, w.mlp_norm)), w.mlp_after);
  }

  at::Tensor normed(const at::Tensor& x, const Norm& norm) const {
    return config_.norm == NormKind::kLayer ? layer_normed(x, norm, config_.norm_eps)
                                            : rms_normed(x, norm.weight, config_.norm_eps);
  }

 private:
  at::Tensor around(const at::Tensor& added, const Norm& after) const {
    return after.weight.defined() ? normed(added, after) : added;
  }

  at::Tensor mlp(const LayerWeights& w, const at::Tensor& x) const {
    const at::Tensor inner =
        activated(product(x, w.up, w.up_bias, precision_), config_.activation, config_.gated_mlp);
    return product(inner, w.down, w.down_bias, precision_);
  }

  // Heads first, first + 1, … of q | k | v [batch, tokens, row] as [batch, heads, tokens,
  // head_dim].
  at::Tensor heads(const at::Tensor& qkv, std::int64_t first, std::int64_t count) const {
    return qkv.narrow(2, first * config_.head_dim, count * config_.head_dim)
        .view({batch_, tokens_, count, config_.head_dim})
        .transpose(1, 2);
  }

  // Queries, keys and values, their heads normed and rotated where the model does so.
  at::Tensor projected(const LayerWeights& w, const at::Tensor& seen) const {
    const kernels::QkvShape shape{config_.n_heads, config_.n_kv_heads, config_.head_dim};
    at::Tensor qkv = product(seen, w.qkv, w.qkv_bias, precision_).view({-1, shape.row()});
    if (config_.qk_norm) {
      const std::int64_t q = shape.n_heads, k = shape.n_kv_heads;
      const at::Tensor each = qkv.view({qkv.size(0), q + 2 * k, shape.head_dim});
      qkv = at::cat({rms_normed(each.narrow(1, 0, q), w.q_norm, config_.norm_eps),
                     rms_normed(each.narrow(1, q, k), w.k_norm, config_.norm_eps),
                     each.narrow(1, q + k, k)},
                    1)
                .view({-1, shape.row()});
    }
    if (rotary_.cos.defined()) qkv = rotated_projection(qkv, rotary_, shape);
    return qkv.view({batch_, tokens_, shape.row()});
  }

  at::Tensor attended(const LayerWeights& w, const at::Tensor& seen) const {
    const at::Tensor qkv = projected(w, seen);
    const std::int64_t q = config_.n_heads, k = config_.n_kv_heads;
    const at::Tensor queries = heads(qkv, 0, q), keys = heads(qkv, q, k),
                     values = heads(qkv, q + k, k);
    const double scale = 1.0 / std::sqrt(config_.attention_scalar());
    const at::Tensor out =
        config_.attention_softcap
            ? capped_attention(queries, keys, values, mask_, scale, *config_.attention_softcap)
            : at::scaled_dot_product_attention(queries, keys, values, mask_, 0.0,
                                               /*is_causal=*/false, scale,
                                               /*enable_gqa=*/q != k);
    return out.transpose(1, 2).reshape({batch_, tokens_, q * config_.head_dim});
  }

  const ModelConfig& config_;
  const Precision& precision_;
  const at::Tensor& mask_;
  std::int64_t batch_, tokens_;
  RotaryTable rotary_;
};

}  // namespace

at::Tensor decoder_layers(const ModelConfig& config, const Precision& precision,
                          const DecoderWeights& weights, const at::Tensor& inputs,
                          const at::Tensor& mask) {
  const Layers layers(config, precision, inputs, mask);
  at::Tensor hidden = inputs;
  if (config.scaled_embeddings) {
    hidden = hidden * std::sqrt(static_cast<double>(config.hidden_size));
  }
  if (weights.positions.defined()) {
    hidden = hidden + weights.positions.narrow(0, config.learned_position_offset, inputs.size(1))
                          .to(precision.compute);
  }
  for (const LayerWeights& w : weights.layers) hidden = layers.run(w, hidden);
  return layers.normed(hidden, weights.final_norm);
}

at::Tensor decoder_logits(const ModelConfig& config, const Precision& precision,
                          const DecoderWeights& weights, const at::Tensor& hidden) {
  const at::Tensor logits = product(hidden, weights.lm_head, {}, precision);
  return config.final_softcap ? soft_capped(logits, *config.final_softcap) : logits;
}

}  // namespace lethe::models
