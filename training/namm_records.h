// SPDX-License-Identifier: Apache-2.0
// What a run of evolution tells of each generation, and what it leaves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "training/population_evaluator.h"

namespace lethe::training {

/// The mean on the prompts that are kept apart for selection.
struct NammSelection {
  double fitness = 0;
  NammOutcome outcome, base;
  std::vector<std::string> dropped;  ///< tasks left out of the fitness
};

/// All that happened in one generation.
struct NammGeneration {
  std::int64_t generation = 0;  ///< from 1, over all stages
  std::string stage;
  std::uint64_t seed = 0;           ///< of the run
  double sigma = 0, mean_norm = 0;  ///< of what the members were drawn from
  std::int64_t draws = 1;           ///< of prompts, until a task counted
  std::int64_t attempts = 1;        ///< to evaluate; more than 1 after a lost worker
  NammPrompts prompts;
  NammOutcome base;
  std::vector<std::string> dropped;  ///< tasks left out of the fitness
  std::vector<NammOutcome> members;
  std::vector<double> fitnesses;
  std::optional<NammSelection> selection;  ///< of the mean after this generation, where it is due
};

/// The record as it is stored, one object a generation.
json::object to_json(const NammGeneration& generation, const NammStage& stage);

/// The curves of a run, kept in its state.
struct NammHistoryEntry {
  std::int64_t generation = 0, stage = 0;
  double sigma = 0, mean_norm = 0;
  double fitness_mean = 0, fitness_best = 0;
  double cache_mean = 0, cache_peak = 0;  ///< means over the members
  double selection = 0;                   ///< fitness of the mean; NaN where it was not due
};

/// How the mean did on a stage's prompts of selection when the stage began.
struct NammEntry {
  std::int64_t generation = 0, stage = 0;
  double fitness = 0, cache_mean = 0, cache_peak = 0;
};

NammHistoryEntry history_entry(const NammGeneration& generation, std::int64_t stage);

}  // namespace lethe::training
