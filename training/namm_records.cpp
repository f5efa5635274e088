// SPDX-License-Identifier: Apache-2.0
#include "training/namm_records.h"

#include <algorithm>
#include <limits>

namespace lethe::training {
namespace {

template <typename T>
json::array array_of(const std::vector<T>& values) {
  return json::array(values.begin(), values.end());
}

json::object outcome_json(const NammOutcome& outcome) {
  json::object object{{"scores", array_of(outcome.scores)},
                      {"cache_mean", outcome.cache_mean},
                      {"cache_peak", outcome.cache_peak}};
  if (!outcome.likelihoods.empty()) object["likelihoods"] = array_of(outcome.likelihoods);
  return object;
}

// Seeds use all of 64 bits, which readers of JSON may not: they stand as text.
json::array prompts_json(const NammPrompts& prompts) {
  json::array all;
  for (const auto& of_task : prompts) {
    json::array& list = all.emplace_back(json::array()).as_array();
    for (const NammPrompt& prompt : of_task) {
      list.emplace_back(prompt.record.empty() ? std::to_string(prompt.seed) : prompt.record);
    }
  }
  return all;
}

}  // namespace

json::object to_json(const NammGeneration& generation, const NammStage& stage) {
  json::array tasks, members;
  for (const NammTask& task : stage.tasks) tasks.emplace_back(task.task);
  for (std::size_t i = 0; i < generation.members.size(); ++i) {
    json::object member = outcome_json(generation.members[i]);
    member["fitness"] = generation.fitnesses[i];
    members.push_back(std::move(member));
  }
  json::object record{{"generation", generation.generation},
                      {"stage", generation.stage},
                      {"seed", generation.seed},
                      {"sigma", generation.sigma},
                      {"mean_norm", generation.mean_norm},
                      {"draws", generation.draws},
                      {"attempts", generation.attempts},
                      {"tasks", std::move(tasks)},
                      {"prompts", prompts_json(generation.prompts)},
                      {"base", outcome_json(generation.base)},
                      {"dropped", array_of(generation.dropped)},
                      {"members", std::move(members)}};
  if (generation.selection) {
    json::object selection = outcome_json(generation.selection->outcome);
    selection["fitness"] = generation.selection->fitness;
    selection["base"] = outcome_json(generation.selection->base);
    selection["dropped"] = array_of(generation.selection->dropped);
    record["selection"] = std::move(selection);
  }
  return record;
}

NammHistoryEntry history_entry(const NammGeneration& generation, std::int64_t stage) {
  NammHistoryEntry entry{.generation = generation.generation,
                         .stage = stage,
                         .sigma = generation.sigma,
                         .mean_norm = generation.mean_norm};
  const auto count = static_cast<double>(generation.members.size());
  for (std::size_t i = 0; i < generation.members.size(); ++i) {
    entry.fitness_mean += generation.fitnesses[i] / count;
    entry.cache_mean += generation.members[i].cache_mean / count;
    entry.cache_peak += generation.members[i].cache_peak / count;
  }
  entry.fitness_best = std::ranges::max(generation.fitnesses);
  entry.selection = generation.selection ? generation.selection->fitness
                                         : std::numeric_limits<double>::quiet_NaN();
  return entry;
}

}  // namespace lethe::training
