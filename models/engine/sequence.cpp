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
    std::optional<std::int64_t> budget = options.budget;
    if (budget) budget = policies::budget_in_layer(policy, context, *budget);
    std::int64_t most_live =
        policies::most_live(policy, budget, options.schedule, tokens).value_or(tokens);
    if (window > 0) most_live = std::min(most_live, window);
    layers.push_back({LayerCache(decoder.qkv_shape(), policy.traits.scope, most_live + extra_slots,
                                 decoder.precision().product, policy.traits.reads_key_norms,
                                 decoder.placement()),
                      LayerPolicy(policy, context, options, window), 0});
  }
  return layers;
}

void finish_sequence(const std::vector<SequenceLayer>& layers, std::int64_t tokens,
                     const EvaluateOptions& options, EvaluateResult& result) {
  const bool original = options.positions == policies::Positions::kOriginal;
  for (const auto& layer : layers) {
    LayerStats stats = layer.policy.finish(tokens, layer.cache);
    stats.largest_position = original ? static_cast<double>(tokens - 1) : layer.largest_position;
    stats.live_bytes = layer.cache.live_bytes();
    stats.peak_live_bytes = layer.cache.peak_live_bytes();
    stats.allocated_bytes = layer.cache.allocated_bytes();
    result.kv_bytes += stats.live_bytes;
    result.peak_kv_bytes += stats.peak_live_bytes;
    result.layers.push_back(stats);
  }
}

void collect_logits(const Decoder& decoder, const at::Tensor& hidden, std::int64_t first,
                    const EvaluateOptions& options, EvaluateResult& result) {
  for (const std::int64_t row : options.logit_rows) {
    if (row < first || row >= first + hidden.size(0)) continue;
    const at::Tensor logits =
        decoder.logits(hidden.narrow(0, row - first, 1).contiguous()).to(at::kFloat).cpu();
    const float* data = logits.const_data_ptr<float>();
    result.logits.emplace_back(data, data + logits.numel());
  }
}

}  // namespace lethe::models
