// SPDX-License-Identifier: Apache-2.0
#include "training/namm_prompts.h"

#include <algorithm>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/seed.h"

namespace lethe::training {
namespace {

constexpr std::uint64_t kUseBits = 3;

std::uint64_t seed_for(NammUse use, std::uint64_t root, const std::string& name) {
  return (derive_seed(root, name) & ~kUseBits) | static_cast<std::uint64_t>(use);
}

// Throws where a split of records is too small for what is asked of it.
void check(const NammStage& stage, const NammTask& task,
           const std::vector<std::vector<NammPrompt>>& pools, std::size_t records) {
  const std::int64_t wanted[]{task.prompts, 1, 1};
  const char* const names[]{"training", "selection", "test"};
  for (std::size_t use = 0; use < pools.size(); ++use) {
    if (std::ssize(pools[use]) >= wanted[use]) continue;
    throw Error(ErrorKind::kConfig,
                "stage " + stage.name + ", task " + task.task + ": expected at least " +
                    std::to_string(wanted[use]) + " records for " + names[use] + ", found " +
                    std::to_string(pools[use].size()) + " of " + std::to_string(records) +
                    ": ask fewer prompts, or change the shares or the seed of the split");
  }
}

}  // namespace

NammUse use_of(const NammPrompt& prompt, const NammSplit& split) {
  if (prompt.record.empty()) return static_cast<NammUse>(prompt.seed & kUseBits);
  RandomStream random(derive_seed(split.seed, "record/" + prompt.record));
  const double place = random.uniform();
  if (place < split.selection_share) return NammUse::kSelection;
  return place < split.selection_share + split.test_share ? NammUse::kTest : NammUse::kTraining;
}

NammPromptSource::NammPromptSource(const NammRecipe& recipe, std::uint64_t seed,
                                   std::vector<std::vector<std::vector<std::string>>> records)
    : recipe_(recipe), seed_(seed) {
  for (std::size_t s = 0; s < recipe.stages.size(); ++s) {
    const NammStage& stage = recipe.stages[s];
    auto& of_stage = pools_.emplace_back();
    for (std::size_t t = 0; t < stage.tasks.size(); ++t) {
      auto& pools = of_stage.emplace_back();
      const auto& hashes = records.at(s).at(t);
      if (hashes.empty()) continue;
      pools.resize(3);
      for (const std::string& hash : hashes) {
        const NammPrompt prompt{0, hash};
        pools[static_cast<std::size_t>(use_of(prompt, recipe.split))].push_back(prompt);
      }
      check(stage, stage.tasks[t], pools, hashes.size());
    }
  }
}

NammPrompts NammPromptSource::drawn(std::int64_t stage, const std::string& name,
                                    const std::vector<std::int64_t>& counts) const {
  const auto& of_stage = pools_.at(static_cast<std::size_t>(stage));
  NammPrompts prompts;
  for (std::size_t t = 0; t < of_stage.size(); ++t) {
    const std::string place = "namm/" + name + "/" + std::to_string(t);
    const auto count = static_cast<std::size_t>(counts[t]);
    auto& of_task = prompts.emplace_back();
    if (of_stage[t].empty()) {
      for (std::size_t i = 0; i < count; ++i) {
        of_task.push_back(
            {seed_for(NammUse::kTraining, seed_, place + "/" + std::to_string(i)), ""});
      }
      continue;
    }
    of_task = of_stage[t].front();
    RandomStream random(derive_seed(seed_, place));
    const std::size_t taken = std::min(count, of_task.size());
    for (std::size_t i = 0; i < taken; ++i) {
      std::swap(of_task[i], of_task[i + random.below(of_task.size() - i)]);
    }
    of_task.resize(taken);
  }
  return prompts;
}

NammPrompts NammPromptSource::training(std::int64_t stage, std::int64_t generation,
                                       std::int64_t draw) const {
  std::vector<std::int64_t> counts;
  for (const NammTask& task : recipe_.stages.at(static_cast<std::size_t>(stage)).tasks) {
    counts.push_back(task.prompts);
  }
  return drawn(stage, "train/" + std::to_string(generation) + "/" + std::to_string(draw), counts);
}

NammPrompts NammPromptSource::normalisation() const {
  return drawn(0, "normalisation",
               std::vector<std::int64_t>(pools_.front().size(), recipe_.normalisation_prompts));
}

NammPrompts NammPromptSource::held_out(std::int64_t stage, NammUse use) const {
  const auto s = static_cast<std::size_t>(stage);
  const NammSplit& split = recipe_.split;
  NammPrompts prompts;
  for (std::size_t t = 0; t < pools_.at(s).size(); ++t) {
    auto& of_task = prompts.emplace_back();
    if (!pools_[s][t].empty()) {
      of_task = pools_[s][t][static_cast<std::size_t>(use)];
      continue;
    }
    const std::int64_t count = use == NammUse::kSelection ? split.selection : split.test;
    for (std::int64_t i = 0; i < count; ++i) {
      of_task.push_back(
          {seed_for(use, split.seed,
                    "namm/held-out/" + recipe_.stages[s].tasks[t].task + "/" + std::to_string(i)),
           ""});
    }
  }
  return prompts;
}

}  // namespace lethe::training
