// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/planner.h"

#include <utility>

namespace lethe::runner {

Plan plan_jobs(std::span<const grid::Cell> cells, const store::RunStore* store) {
  std::vector<std::string> keys;  // of all samples of all cells, in order
  for (const auto& cell : cells) {
    for (const auto& sample : cell.samples) keys.push_back(grid::sample_key(cell.key, sample.hash));
  }
  const std::vector<bool> have =
      store ? store->have_samples(keys) : std::vector<bool>(keys.size(), false);

  Plan plan;
  std::size_t at = 0;
  for (const auto& cell : cells) {
    PlannedJob planned;
    planned.length = cell.length;
    for (const auto& sample : cell.samples) {
      if (have[at]) {
        ++planned.samples_cached;
      } else {
        planned.job.samples.push_back(
            {sample.id, std::move(keys[at]), sample.hash, sample.cluster});
      }
      ++at;
    }
    const auto missing = static_cast<std::int64_t>(planned.job.samples.size());
    ++plan.cells_total;
    plan.samples_total += static_cast<std::int64_t>(cell.samples.size());
    plan.samples_cached += planned.samples_cached;
    plan.samples_missing += missing;
    plan.tokens_missing += missing * cell.length;
    if (missing == 0) {
      plan.cached.push_back(cell.key);
      continue;
    }
    planned.job.cell_key = cell.key;
    planned.job.label = cell.label();
    planned.job.model_path = cell.model_path;
    planned.job.inputs = cell.inputs;
    planned.job.task_options = cell.task_options;
    plan.jobs.push_back(std::move(planned));
  }
  return plan;
}

store::CellRecord cell_record(const grid::Cell& cell) {
  return {.key = cell.key,
          .suite = cell.suite,
          .task = cell.task,
          .model = cell.model,
          .policy = cell.policy,
          .budget = cell.budget,
          .schedule = cell.schedule,
          .positions = cell.positions,
          .length = cell.length,
          .dtype = cell.dtype,
          .kv_dtype = cell.kv_dtype,
          .seed = cell.seed,
          .inputs = canonical_json(cell.inputs),
          .n_samples = static_cast<std::int64_t>(cell.samples.size())};
}

}  // namespace lethe::runner
