// SPDX-License-Identifier: Apache-2.0
#include "models/engine/sequence.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace lethe::models {

std::vector<SequenceLayer> make_sequence(const Decoder& decoder, const policies::PolicyPlan& policy,
                                         const EvaluateOptions& options, std::int64_t tokens,
                                         std::int64_t extra_slots) {
  const ModelConfig& config = decoder.config();
  const std::int64_t window = config.sliding_window.value_or(0);
  std::vector<SequenceLayer> layers;
  layers.reserve(static_cast<std::size_t>(config.n_layers));
  for (std::int64_t i = 0; i < config.n_layers; ++i) {
    policies::LayerContext context;
    context.layer = static_cast<int>(i);
    context.n_layers = static_cast<int>(config.n_layers);
    context.kv_heads = static_cast<int>(config.n_kv_heads);
    context.group = static_cast<int>(config.n_heads / config.n_kv_heads);
    context.seed = options.seed;
    std::int64_t most_live = tokens;
    if (options.budget && policy.traits.fixed_size) {
      most_live = options.schedule.most_live(
          policies::budget_in_layer(policy, context, *options.budget), tokens);
    }
    if (window > 0) most_live = std::min(most_live, window);
    layers.push_back({LayerCache(decoder.qkv_shape(), policy.traits.scope, most_live + extra_slots,
                                 decoder.precision().product, policy.traits.reads_key_norms),
                      LayerPolicy(policy, context, options, window)});
  }
  return layers;
}

void finish_sequence(const std::vector<SequenceLayer>& layers, std::int64_t tokens,
                     EvaluateResult& result) {
  for (const auto& layer : layers) {
    result.layers.push_back(layer.policy.finish(tokens, layer.cache));
    result.kv_bytes += layer.cache.live_bytes();
    result.peak_kv_bytes += layer.cache.peak_live_bytes();
    result.allocated_kv_bytes += layer.cache.allocated_bytes();
  }
}

void collect_logits(const Decoder& decoder, const at::Tensor& hidden, std::int64_t first,
                    const EvaluateOptions& options, EvaluateResult& result) {
  for (const std::int64_t row : options.logit_rows) {
    if (row < first || row >= first + hidden.size(0)) continue;
    const at::Tensor logits =
        decoder.logits(hidden.narrow(0, row - first, 1).contiguous()).to(at::kFloat).contiguous();
    const float* data = logits.const_data_ptr<float>();
    result.logits.emplace_back(data, data + logits.numel());
  }
}

}  // namespace lethe::models
