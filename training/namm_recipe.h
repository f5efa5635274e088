// SPDX-License-Identifier: Apache-2.0
// How a NAMM is evolved: a JSON file, data/namm/recipes/NAME.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "training/evolution_options.h"

namespace lethe::training {

/// The network that is evolved, and when it acts (arXiv 2410.13166).
struct NammPolicyRecipe {
  std::string scorer = "bam";  ///< "bam" or "mlp"
  std::int64_t update = 512;   ///< tokens between two updates, n_up: a multiple of 16
  std::int64_t hidden = 32;    ///< width of the scorer
  /// All other weights begin at 0, this one, added to every score, here. At 0 the first mean keeps
  /// everything and its members straddle the threshold; more keeps them away from "evict all".
  double bias = 0;
  /// Most tokens that a head keeps; 0: the network alone decides, as in the paper.
  std::int64_t cap = 0;
};

/// What a member is worth.
enum class NammFitness {
  kRatio,      ///< mean over tasks of its score over the full cache's, on the same prompts
  kLikelihood  ///< mean over tasks of the answers' log-likelihood; a deviation from the paper
};

std::string to_string(NammFitness fitness);

struct NammTask {
  std::string task;
  json::object options;      ///< of the task
  std::int64_t length = 0;   ///< tokens of a prompt; 0: as the records are
  std::int64_t prompts = 0;  ///< for each generation
};

struct NammStage {
  std::string name;
  std::int64_t generations = 0;
  std::vector<NammTask> tasks;
};

/// What is kept apart, of each task.
struct NammSplit {
  std::int64_t selection = 32, test = 64;  ///< prompts of a task that makes its own
  /// Of one that has records: shares of them.
  double selection_share = 0.15, test_share = 0.15;
  std::uint64_t seed = 0;  ///< what is kept apart hangs on this, not on the seed of a run
};

struct NammRecipe {
  std::string name, title;
  std::string tier;
  std::string model;  ///< a registered name, or a folder
  NammPolicyRecipe policy;
  EvolutionOptions optimiser;
  NammFitness fitness = NammFitness::kRatio;
  /// Of the ratio: a task whose full-cache score on the prompts at hand is less is left out of the
  /// mean. In the unit of the scores.
  double least_base = 0.02;
  std::int64_t selection_every = 10;        ///< generations
  std::int64_t normalisation_prompts = 64;  ///< of each task of the first stage
  NammSplit split;
  std::vector<NammStage> stages;
  json::object text;  ///< the file as read

  std::int64_t generations() const;  ///< of all stages
};

/// Throws Error(kConfig) that names file, member and value. Whether model and tasks exist is for
/// those to say who run them.
NammRecipe parse_namm_recipe(const json::value& value, const std::string& where);
NammRecipe read_namm_recipe(const std::filesystem::path& path);

}  // namespace lethe::training
