// SPDX-License-Identifier: Apache-2.0
#include "models/engine/dense.h"

#include <cmath>

#include <ATen/ATen.h>

#include "models/engine/sequence.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

// [tokens, heads * head_dim] columns of the projection as [1, heads, tokens, head_dim].
at::Tensor heads_of(const at::Tensor& qkv, std::int64_t first_head, std::int64_t heads,
                    std::int64_t head_dim) {
  return qkv.narrow(1, first_head * head_dim, heads * head_dim)
      .view({qkv.size(0), heads, head_dim})
      .transpose(0, 1)
      .unsqueeze(0);
}

// [tokens, tokens], true where a row sees a column; undefined where it sees all of its past and
// nothing asks for a mask.
at::Tensor sight_mask(std::int64_t tokens, std::optional<std::int64_t> window, bool wanted,
                      at::Device device) {
  const bool slides = window && tokens > *window;
  if (!slides && !wanted) return {};
  const at::Tensor past =
      at::ones({tokens, tokens}, at::TensorOptions(at::kBool).device(device)).tril();
  return slides ? past.triu(1 - *window) : past;
}

}  // namespace

EvaluateResult evaluate_dense(const Decoder& decoder, std::span<const std::int64_t> tokens,
                              const EvaluateOptions& options) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  const auto shape = decoder.qkv_shape();
  const auto product = decoder.precision().product;
  const ModelConfig& config = decoder.config();
  const std::optional<double> cap = config.attention_softcap;
  const double scale = 1.0 / std::sqrt(config.attention_scalar());
  at::Tensor hidden = decoder.embed(tokens, 0);
  const RotaryTable rotary = decoder.rotary({options.rope_angles, count}, 0, count);
  const at::Device device = decoder.placement().device;
  const at::Tensor whole = sight_mask(count, std::nullopt, cap.has_value(), device);
  const at::Tensor sliding = sight_mask(count, config.sliding_window, cap.has_value(), device);
  for (std::int64_t l = 0; l < config.n_layers; ++l) {
    const at::Tensor& mask = config.window_of_layer(l) ? sliding : whole;
    const at::Tensor qkv = decoder.project_qkv(l, hidden, rotary).to(product);
    const at::Tensor queries = heads_of(qkv, 0, shape.n_heads, shape.head_dim),
                     keys = heads_of(qkv, shape.n_heads, shape.n_kv_heads, shape.head_dim),
                     values = heads_of(qkv, shape.n_heads + shape.n_kv_heads, shape.n_kv_heads,
                                       shape.head_dim);
    const at::Tensor attended =
        cap ? capped_attention(queries, keys, values, mask, scale, *cap)
            : at::scaled_dot_product_attention(
                  queries, keys, values,
                  mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt,
                  /*dropout_p=*/0.0, /*is_causal=*/!mask.defined(), scale, /*enable_gqa=*/true);
    decoder.finish_layer(
        l, hidden,
        attended.squeeze(0).transpose(0, 1).reshape({count, -1}).to(hidden.scalar_type()));
    if (options.progress) options.progress(count * (l + 1) / config.n_layers);
  }
  EvaluateResult result;
  collect_logits(decoder, hidden, 0, options, result);
  const auto from = static_cast<std::size_t>(options.score_from);
  result.nll.resize(tokens.size() - 1 - from);
  decoder.score(hidden.narrow(0, options.score_from, count - options.score_from),
                tokens.subspan(1 + from), result.nll);
  return result;
}

}  // namespace lethe::models
