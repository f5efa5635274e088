// SPDX-License-Identifier: Apache-2.0
#include "training/namm_fitness.h"

#include <algorithm>
#include <cmath>

#include "harness/base/error.h"

namespace lethe::training {

std::vector<bool> counted_tasks(const NammRecipe& recipe, const NammOutcome& base) {
  std::vector<bool> counted;
  for (const double score : base.scores) {
    counted.push_back(recipe.fitness == NammFitness::kLikelihood || score >= recipe.least_base);
  }
  return counted;
}

double fitness_of(const NammRecipe& recipe, const NammOutcome& base,
                  const std::vector<bool>& counted, const NammOutcome& member) {
  double sum = 0, tasks = 0;
  for (std::size_t t = 0; t < counted.size(); ++t) {
    if (!counted[t]) continue;
    sum += recipe.fitness == NammFitness::kLikelihood ? member.likelihoods[t]
                                                      : member.scores[t] / base.scores[t];
    ++tasks;
  }
  return sum / tasks;
}

void check_outcome(const NammRequest& request, const NammOutcome& outcome, const std::string& who) {
  const std::size_t tasks = request.stage.tasks.size();
  const auto check = [&](const char* what, const std::vector<double>& values, std::size_t wanted) {
    LETHE_ASSERT(values.size() == wanted, who + ": expected " + what + " of " +
                                              std::to_string(wanted) + " tasks, found " +
                                              std::to_string(values.size()));
    for (std::size_t t = 0; t < wanted; ++t) {
      if (std::isfinite(values[t])) continue;
      throw Error(ErrorKind::kModel, who + ", task " + request.stage.tasks[t].task + ": " + what +
                                         " are not finite: " + std::to_string(values[t]));
    }
  };
  check("scores", outcome.scores, tasks);
  check("likelihoods", outcome.likelihoods, request.likelihoods ? tasks : 0);
  if (!std::isfinite(outcome.cache_mean) || !std::isfinite(outcome.cache_peak)) {
    throw Error(ErrorKind::kModel, who + ": its cache sizes are not finite");
  }
}

}  // namespace lethe::training
