// SPDX-License-Identifier: Apache-2.0
#include "models/engine/step.h"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "harness/base/error.h"
#include "models/engine/sequence.h"

namespace lethe::models {
namespace {

// Gathers the live rows of one table, in order of position: [heads, live, head_dim].
at::Tensor live_rows(const at::Tensor& storage, std::int64_t first_head, std::int64_t heads,
                     std::span<const std::int32_t> order, at::ScalarType compute) {
  const auto index = at::tensor(at::ArrayRef<std::int32_t>(order.data(), order.size()), at::kInt);
  return storage.narrow(0, first_head, heads).index_select(1, index).to(compute);
}

// One token of one lane in one layer: append, attend over everything live, let the policy evict.
template <typename T>
at::Tensor attend_token(const Decoder& decoder, const at::Tensor& qkv_row, std::int64_t step,
                        SequenceLayer& layer) {
  const auto shape = decoder.qkv_shape();
  const std::int64_t group = shape.n_heads / shape.n_kv_heads;
  const auto slots = layer.cache.write(qkv_row.const_data_ptr<T>());
  for (std::size_t t = 0; t < slots.size(); ++t) layer.cache.commit(t, step, slots[t]);

  const auto& tables = layer.cache.tables();
  const std::int64_t kv_per_table = shape.n_kv_heads / static_cast<std::int64_t>(tables.size());
  const at::Tensor queries = qkv_row.narrow(0, 0, shape.n_heads * shape.head_dim)
                                 .view({shape.n_kv_heads, group, shape.head_dim});
  std::vector<at::Tensor> weights, outputs;  // per table: [kv, group, live], [kv, group, head_dim]
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const std::int64_t first = static_cast<std::int64_t>(t) * kv_per_table;
    const at::Tensor keys = live_rows(layer.cache.keys(), first, kv_per_table, tables[t].order(),
                                      queries.scalar_type());
    const at::Tensor values = live_rows(layer.cache.values(), first, kv_per_table,
                                        tables[t].order(), queries.scalar_type());
    const at::Tensor scores =
        at::matmul(queries.narrow(0, first, kv_per_table), keys.transpose(1, 2)) /
        std::sqrt(static_cast<double>(shape.head_dim));
    weights.push_back(at::softmax(scores, -1).contiguous());
    outputs.push_back(at::matmul(weights.back(), values));
  }

  // The rows are gathered already, so view index and column are the same.
  std::vector<std::int32_t> identity;
  const AttentionOf attention = [&](std::size_t table, std::span<const std::int32_t> order) {
    const std::size_t live = tables[table].live();
    identity.resize(live);
    std::iota(identity.begin(), identity.end(), 0);
    const auto view = std::span<const std::int32_t>(identity).subspan(live - order.size());
    return policies::AttentionRows(weights[table].const_data_ptr<T>(), 1,
                                   static_cast<int>(kv_per_table * group), live, live, live, view);
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
  std::vector<std::vector<SequenceLayer>> sequences;
  std::vector<EvaluateResult> results(lanes.size());
  for (const StepLane& lane : lanes) {
    LETHE_ASSERT(lane.tokens.size() == length, "lanes of a lockstep evaluation have one length");
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
    at::Tensor hidden = decoder.embed(ids);
    // Every lane is at the same position; the angles of one row serve all.
    RotaryTable rotary = decoder.rotary(lead.rope_angles, step, 1);
    const auto rows = static_cast<std::int64_t>(lanes.size());
    rotary = {rotary.cos.repeat({rows, 1}), rotary.sin.repeat({rows, 1})};
    for (std::int64_t l = 0; l < decoder.config().n_layers; ++l) {
      const at::Tensor qkv = decoder.project_qkv(l, hidden, rotary);
      std::vector<at::Tensor> attended;
      dispatch_compute(decoder.precision(), [&](auto zero) {
        using T = decltype(zero);
        for (std::size_t i = 0; i < lanes.size(); ++i) {
          attended.push_back(attend_token<T>(decoder, qkv[static_cast<std::int64_t>(i)], step,
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
    for (std::size_t i = 0; i < lanes.size(); ++i) targets[i] = lanes[i].tokens[at_step + 1];
    decoder.score(hidden, targets, nll);
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      results[i].nll.push_back(nll[i]);
      if (lanes[i].options.observer) lanes[i].options.observer->scored(step, nll[i]);
    }
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) finish_sequence(sequences[i], count, results[i]);
  return results;
}

}  // namespace lethe::models
