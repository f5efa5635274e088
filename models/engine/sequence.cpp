// SPDX-License-Identifier: Apache-2.0
#include "models/engine/sequence.h"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>

#include "harness/base/error.h"

namespace lethe::models {

namespace {

at::ScalarType scalar_of(KvType type, const Precision& precision) {
  switch (type) {
    case KvType::kSame:
      return precision.product;
    case KvType::kFloat32:
      return at::kFloat;
    case KvType::kBFloat16:
      return at::kBFloat16;
    case KvType::kInt8:
      return at::kChar;
  }
  throw Error(ErrorKind::kInternal, "unknown KV type");
}

std::string layer_prefix(std::size_t layer) {
  return "layer." + std::to_string(layer) + ".";
}

}  // namespace

std::vector<SequenceLayer> make_sequence(const Decoder& decoder, const policies::PolicyPlan& policy,
                                         const EvaluateOptions& options, std::int64_t tokens,
                                         std::int64_t extra_slots) {
  const ModelConfig& config = decoder.config();
  std::vector<SequenceLayer> layers;
  layers.reserve(static_cast<std::size_t>(config.n_layers));
  for (std::int64_t i = 0; i < config.n_layers; ++i) {
    const std::int64_t window = config.window_of_layer(i).value_or(0);
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
                                 scalar_of(options.kv_type, decoder.precision()),
                                 policy.traits.reads_key_norms, decoder.placement()),
                      LayerPolicy(policy, context, options, window), 0});
  }
  return layers;
}

void save_sequence(StateWriter& out, std::span<const SequenceLayer> layers) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].cache.save(out, layer_prefix(l));
    layers[l].policy.save(out, layer_prefix(l));
  }
}

void load_sequence(const StateReader& in, std::span<SequenceLayer> layers) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].cache.load(in, layer_prefix(l));
    layers[l].policy.load(in, layer_prefix(l));
  }
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
