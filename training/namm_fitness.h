// SPDX-License-Identifier: Apache-2.0
// What outcomes are worth to evolution.
#pragma once

#include <string>
#include <vector>

#include "training/population_evaluator.h"

namespace lethe::training {

/// Whether each task counts. Of the ratio: where the full cache scores at least the recipe's
/// least_base on the prompts at hand; of the likelihood: always.
std::vector<bool> counted_tasks(const NammRecipe& recipe, const NammOutcome& base);

/// Mean over the counted tasks (at least one) of score/base score, or of the log-likelihood.
double fitness_of(const NammRecipe& recipe, const NammOutcome& base,
                  const std::vector<bool>& counted, const NammOutcome& member);

/// Throws Error(kInternal) that begins with `who` unless the outcome has a value for each task that
/// was asked for, Error(kModel) when a value is not finite.
void check_outcome(const NammRequest& request, const NammOutcome& outcome, const std::string& who);

}  // namespace lethe::training
