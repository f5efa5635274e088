// SPDX-License-Identifier: Apache-2.0
#include "models/engine/step.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/engine/positions.h"
#include "models/engine/sequence.h"
#include "models/transformer/tensor_functions.h"

namespace lethe::models {
namespace {

// The live tokens of one table, in order of position: [heads, live, head_dim].
at::Tensor live_keys(const LayerCache& cache, std::size_t table, at::ScalarType compute) {
  const at::Tensor keys = cache.keys_as(table, cache.keys(table).size(2), compute);
  return keys.index_select(2, slot_index(cache.tables()[table].order(), keys.device()))
      .transpose(1, 2);
}

at::Tensor live_values(const LayerCache& cache, std::size_t table, at::ScalarType compute) {
  const at::Tensor values = cache.values_as(table, cache.values(table).size(1), compute);
  return values.index_select(1, slot_index(cache.tables()[table].order(), values.device()));
}

// One token of one lane in one layer: append, attend over everything live, let the policy evict.
template <typename T>
at::Tensor attend_token(const Decoder& decoder, const RotaryRule& rule, const at::Tensor& qkv_row,
                        std::int64_t step, const EvaluateOptions& options, SequenceLayer& layer) {
  const auto shape = decoder.qkv_shape();
  const std::int64_t group = shape.n_heads / shape.n_kv_heads;
  std::vector<std::int32_t> slots(layer.cache.tables().size());
  layer.cache.write(qkv_row.unsqueeze(0), slots);
  layer.cache.commit(step, slots);

  const auto& tables = layer.cache.tables();
  const std::int64_t kv_per_table = layer.cache.heads_per_table();
  const at::Tensor all_queries = qkv_row.narrow(0, 0, shape.n_heads * shape.head_dim)
                                     .view({shape.n_kv_heads, group, shape.head_dim});
  std::vector<at::Tensor> weights, outputs;  // per table: [kv, group, live], [kv, group, head_dim]
  for (std::size_t t = 0; t < tables.size(); ++t) {
    at::Tensor queries =
        all_queries.narrow(0, static_cast<std::int64_t>(t) * kv_per_table, kv_per_table);
    at::Tensor keys = live_keys(layer.cache, t, queries.scalar_type());
    if (options.positions != policies::Positions::kOriginal) {
      const auto positions = assigned_positions(options.positions, tables[t].positions());
      const auto newest = std::span(positions).last(1);
      const RotaryTable of_keys = decoder.rotary(rule, positions),
                        of_query = decoder.rotary(rule, newest);
      keys = rotated(keys, of_keys.cos, of_keys.sin);
      queries = rotated(queries, of_query.cos, of_query.sin);
      layer.largest_position = std::max(layer.largest_position, newest.front());
    }
    const at::Tensor scores =
        at::matmul(queries, keys.transpose(1, 2)) / std::sqrt(decoder.config().attention_scalar());
    if (decoder.config().attention_softcap) soft_cap(scores, *decoder.config().attention_softcap);
    weights.push_back(at::softmax(scores, -1).contiguous());
    outputs.push_back(
        at::matmul(weights.back(), live_values(layer.cache, t, queries.scalar_type())));
  }

  // The rows are gathered already, so a view of the newest tokens is the last columns. Tokens that
  // left meanwhile (a sliding window's) are the first.
  std::vector<std::vector<std::int32_t>> columns(tables.size());
  std::vector<at::Tensor> rows(tables.size());  // on the host
  const AttentionOf attention = [&](std::size_t table, std::span<const std::int32_t> order) {
    const auto attended = static_cast<std::size_t>(weights[table].size(-1));
    columns[table].resize(attended);
    std::iota(columns[table].begin(), columns[table].end(), 0);
    if (!rows[table].defined()) rows[table] = weights[table].cpu();
    return policies::AttentionRows(
        rows[table].const_data_ptr<T>(), 1, static_cast<int>(kv_per_table * group), attended,
        attended, attended,
        std::span<const std::int32_t>(columns[table]).subspan(attended - order.size()));
  };
  layer.policy.after_token(step, layer.cache, attention);
  layer.cache.release_freed();
  return at::cat(outputs, 0).reshape({shape.n_heads * shape.head_dim});
}

}  // namespace

std::vector<EvaluateResult> evaluate_step(const Decoder& decoder, std::span<const StepLane> lanes) {
  LETHE_ASSERT(!lanes.empty(), "no lanes");
  const std::size_t length = lanes.front().tokens.size();
  const auto count = static_cast<std::int64_t>(length);
  const EvaluateOptions& lead = lanes.front().options;
  const RotaryRule rule{lead.rope_angles, count};
  std::vector<std::vector<SequenceLayer>> sequences;
  std::vector<EvaluateResult> results(lanes.size());
  for (const StepLane& lane : lanes) {
    LETHE_ASSERT(lane.tokens.size() == length, "lanes of a lockstep evaluation have one length");
    LETHE_ASSERT(
        lane.options.positions == lead.positions && lane.options.score_from == lead.score_from,
        "lanes of a lockstep evaluation have one way of positions and one beginning");
    sequences.push_back(make_sequence(decoder, *lane.policy, lane.options, count, 1));
  }

  std::vector<std::int64_t> ids(lanes.size()), targets(lanes.size());
  std::vector<double> nll(lanes.size());
  for (std::int64_t step = 0; step < count; ++step) {
    if (lead.should_stop && lead.should_stop()) {
      throw Error(ErrorKind::kInterrupted, "stopped after " + std::to_string(step) + " tokens");
    }
    const auto at_step = static_cast<std::size_t>(step);
    for (std::size_t i = 0; i < lanes.size(); ++i) ids[i] = lanes[i].tokens[at_step];
    // Every lane is at the same position.
    at::Tensor hidden = decoder.embed(ids, std::vector<std::int64_t>(lanes.size(), step));
    const RotaryTable rotary =
        decoder.rotary(rule, std::vector<double>(lanes.size(), static_cast<double>(step)));
    for (std::int64_t l = 0; l < decoder.config().n_layers; ++l) {
      const at::Tensor qkv = lead.positions == policies::Positions::kOriginal
                                 ? decoder.project_qkv(l, hidden, rotary)
                                 : decoder.project_qkv(l, hidden);
      std::vector<at::Tensor> attended;
      dispatch_compute(decoder.precision(), [&](auto zero) {
        using T = decltype(zero);
        for (std::size_t i = 0; i < lanes.size(); ++i) {
          attended.push_back(attend_token<T>(decoder, rule, qkv[static_cast<std::int64_t>(i)], step,
                                             lanes[i].options,
                                             sequences[i][static_cast<std::size_t>(l)]));
        }
      });
      decoder.finish_layer(l, hidden, at::stack(attended, 0));
    }
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      collect_logits(decoder, hidden.narrow(0, static_cast<std::int64_t>(i), 1), step,
                     lanes[i].options, results[i]);
    }
    if (lead.progress) lead.progress(step + 1);
    if (step + 1 == count) break;  // the last token predicts nothing
    if (step < lead.score_from) continue;
    for (std::size_t i = 0; i < lanes.size(); ++i) targets[i] = lanes[i].tokens[at_step + 1];
    decoder.score(hidden, targets, nll);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      results[i].nll.push_back(nll[i]);
      if (lanes[i].options.observer) lanes[i].options.observer->scored(step, nll[i]);
    }
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    finish_sequence(sequences[i], count, lanes[i].options, results[i]);
  }
  return results;
}

}  // namespace lethe::models
