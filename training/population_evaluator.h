// SPDX-License-Identifier: Apache-2.0
// What evolution asks of those who run models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "training/namm_prompts.h"
#include "training/namm_recipe.h"

namespace lethe::training {

/// Means and deviations of the spectrogram's features, one per frequency (17): gathered once, while
/// everything is kept, and frozen (arXiv 2410.13166).
struct NammNormalisation {
  std::vector<double> means, deviations;
  bool operator==(const NammNormalisation&) const = default;
};

/// How one parameter vector did, or the full cache.
struct NammOutcome {
  std::vector<double> scores;       ///< of each task, the mean over its prompts; raw
  std::vector<double> likelihoods;  ///< likewise, of the answers' log; empty unless asked for
  /// Kept tokens, averaged over layers and prompts: over all updates, and the most of a sequence.
  double cache_mean = 0, cache_peak = 0;
};

/// What is to be run. All members of one request have the same prompts.
struct NammRequest {
  std::int64_t generation = 0;  ///< told of so far, over all stages
  const NammStage& stage;
  NammPrompts prompts;
  bool likelihoods = false;  ///< asked for
};

/// Runs models for the trainer; the command line binds it to workers. Calls come from one thread.
/// Equal calls have to give equal results: a run that goes on repeats them. Every function may
/// throw Error(kCrash) or Error(kTimeout), after which the call is made again a few times,
/// Error(kInterrupted), which ends the run as it was after the last generation, and others, which
/// end it as an error.
class PopulationEvaluator {
 public:
  virtual ~PopulationEvaluator() = default;
  /// Hashes of a task's records in a fixed order; none where it makes its prompts from seeds.
  virtual std::vector<std::string> records(const NammTask& task) = 0;
  virtual NammNormalisation normalisation(const NammRequest& request) = 0;
  /// The full cache on these prompts.
  virtual NammOutcome full_cache(const NammRequest& request) = 0;
  /// One outcome for each member, in order.
  virtual std::vector<NammOutcome> evaluate(const NammRequest& request,
                                            const NammNormalisation& normalisation,
                                            const std::vector<std::vector<double>>& members) = 0;
};

}  // namespace lethe::training
