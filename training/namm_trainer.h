// SPDX-License-Identifier: Apache-2.0
// Evolves a NAMM by a recipe (arXiv 2410.13166): stages of tasks, a population scored on the same
// prompts, the mean selected on others. It knows no model: a PopulationEvaluator runs them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "training/events.h"
#include "training/namm_records.h"
#include "training/namm_recipe.h"
#include "training/population_evaluator.h"

namespace lethe::training {

/// What a run of evolution tells besides its curves. Steps are generations.
class NammSink : public EventSink {
 public:
  /// Called once for each generation, before its state is saved.
  virtual void generation(const NammGeneration& generation, const NammStage& stage) = 0;
};

struct NammTrainOptions {
  std::uint64_t seed = 1;
  std::vector<double> initial_mean;  ///< n numbers; the recipe's bias is in them
  std::filesystem::path out;         ///< folder of namm.state, from which a run goes on
  /// Everything else that outcomes depend on: hashes of model and data, engine version, …
  json::object inputs;
};

struct NammTrainResult {
  bool finished = false;  ///< false: stopped; what follows is as of the last generation
  std::int64_t generations = 0;
  double seconds = 0;  ///< those before a resume included
  std::vector<double> mean;
  /// The mean of the last stage that did best on the prompts kept apart for selection. The first
  /// mean of a run, which nothing has evolved, does not take part; one that a stage is entered with
  /// does. Empty, and generation -1, before the first selection.
  std::vector<double> best_mean;
  double best_fitness = 0;
  std::int64_t best_generation = -1;
  NammNormalisation normalisation;
  std::vector<NammHistoryEntry> history;
  std::vector<NammEntry> entries;  ///< one for each stage that began
};

/// What identifies a run: SHA-256 over recipe, inputs, initial mean and seed.
std::string namm_run_key(const NammRecipe& recipe, const NammTrainOptions& options);

/// Evolves, or goes on after the last whole generation of a run of the same key: the result is the
/// same to the bit. A finished run keeps its state, and gives the same result again, until
/// remove_namm_state().
///
/// A task whose full-cache score on a generation's prompts is below the recipe's least_base is left
/// out of that generation; while that leaves none, other prompts are drawn, a few times. The same
/// rule holds for the prompts of selection, without another draw.
///
/// Throws Error(kConfig) for splits that are too small and an initial mean that is none,
/// Error(kData) when the state in `out` is damaged or of another run, Error(kModel) when a score is
/// not finite (it names generation and member), no task counts or the search breaks down,
/// Error(kInternal) for an evaluator that gives another number of members, Error(kStore) when the
/// state cannot be written, and what the evaluator throws.
NammTrainResult train_namm(const NammRecipe& recipe, const NammTrainOptions& options,
                           PopulationEvaluator& evaluator, NammSink& events);

/// Removes the state of a run whose result is safe.
void remove_namm_state(const NammTrainOptions& options);

}  // namespace lethe::training
