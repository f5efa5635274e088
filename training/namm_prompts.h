// SPDX-License-Identifier: Apache-2.0
// Which prompts a NAMM is evolved on, selected on and tested on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "training/namm_recipe.h"

namespace lethe::training {

/// One prompt of a task: a record that it has, or a seed that it makes one from.
struct NammPrompt {
  std::uint64_t seed = 0;  ///< has no meaning where there is a record
  std::string record;      ///< hash, as PopulationEvaluator::records() gave it
  bool operator==(const NammPrompt&) const = default;
};

/// Of each task of a stage, in its order.
using NammPrompts = std::vector<std::vector<NammPrompt>>;

/// What a prompt is for. No prompt is for two.
enum class NammUse { kTraining, kSelection, kTest };

/// Of a seed: its two low bits; of a record: by its hash and the split's seed alone, so that it is
/// the same in every stage, run and list of records.
NammUse use_of(const NammPrompt& prompt, const NammSplit& split);

/// Draws the prompts of one run.
class NammPromptSource {
 public:
  /// `records`: of each stage and task, the hashes of its records; none where it makes prompts from
  /// seeds. Throws Error(kConfig) that names stage and task where a split has fewer records than
  /// are asked of it.
  NammPromptSource(const NammRecipe& recipe, std::uint64_t seed,
                   std::vector<std::vector<std::vector<std::string>>> records);

  /// Prompts to train on, drawn without replacement; another `draw` gives others for the same
  /// generation. Hangs on the run's seed.
  NammPrompts training(std::int64_t stage, std::int64_t generation, std::int64_t draw) const;
  /// Prompts to train on, for the features' means and deviations: of the first stage.
  NammPrompts normalisation() const;
  /// All prompts to select or test on. The same for every seed of a run.
  NammPrompts held_out(std::int64_t stage, NammUse use) const;

 private:
  NammPrompts drawn(std::int64_t stage, const std::string& name,
                    const std::vector<std::int64_t>& counts) const;

  const NammRecipe& recipe_;
  std::uint64_t seed_;
  /// Of each stage, task and use.
  std::vector<std::vector<std::vector<std::vector<NammPrompt>>>> pools_;
};

}  // namespace lethe::training
