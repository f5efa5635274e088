// SPDX-License-Identifier: Apache-2.0
#include "tests/training/namm_support.h"

#include <cmath>

#include "harness/base/error.h"
#include "harness/base/hash.h"

namespace lethe::test {

using training::NammOutcome;
using training::NammRequest;

json::object namm_recipe_json() {
  return parse_json(R"({
    "name": "small", "model": "none",
    "optimiser": {"name": "cma_diag", "population": 8, "sigma": 0.1},
    "split": {"selection": 5, "test": 4, "selection_share": 0.2, "test_share": 0.2},
    "selection_every": 3, "normalisation_prompts": 6,
    "stages": [
      {"name": "one", "generations": 8,
       "tasks": [{"task": "recall", "length": 64, "prompts": 4}]},
      {"name": "two", "generations": 6,
       "tasks": [{"task": "recall", "length": 64, "prompts": 4},
                 {"task": "qa", "options": {"shots": 1}, "prompts": 3}]}]})",
                    "small recipe", ErrorKind::kConfig)
      .as_object();
}

training::NammRecipe namm_recipe(const json::object& text) {
  return training::parse_namm_recipe(text, "recipe.json");
}

training::NammTrainOptions namm_options_for(const std::filesystem::path& out) {
  training::NammTrainOptions options;
  options.initial_mean.assign(6, 0);
  options.out = out;
  return options;
}

std::vector<std::string> FakeEvaluator::records(const training::NammTask& task) {
  std::vector<std::string> hashes;
  for (int i = 0; task.task == "qa" && i < 40; ++i) {
    hashes.push_back(sha256_hex("qa/" + std::to_string(i)));
  }
  return hashes;
}

training::NammNormalisation FakeEvaluator::normalisation(const NammRequest& request) {
  calls.push_back({"normalisation", request.generation, request.stage.name, request.prompts, 0});
  return {std::vector<double>(17, 0.25), std::vector<double>(17, 2)};
}

NammOutcome FakeEvaluator::full_cache(const NammRequest& request) {
  calls.push_back({"full_cache", request.generation, request.stage.name, request.prompts, 0});
  NammOutcome outcome{.scores = {}, .likelihoods = {}, .cache_mean = 64, .cache_peak = 64};
  for (std::size_t t = 0; t < request.prompts.size(); ++t) {
    const auto given = base_scores.find(request.stage.tasks[t].task);
    const double bit = static_cast<double>(request.prompts[t].front().seed % 101) / 1000;
    outcome.scores.push_back(given == base_scores.end() ? 0.5 + bit : given->second);
    if (request.likelihoods) outcome.likelihoods.push_back(-1);
  }
  return outcome;
}

std::vector<NammOutcome> FakeEvaluator::evaluate(const NammRequest& request,
                                                 const training::NammNormalisation& normalisation,
                                                 const std::vector<std::vector<double>>& members) {
  const NammOutcome base = full_cache(request);
  calls.back().what = "evaluate";
  calls.back().members = members.size();
  LETHE_ASSERT(normalisation.means.size() == 17, "the features' norms are passed on");
  std::vector<NammOutcome> outcomes;
  for (const auto& member : members) {
    double away = 0;
    for (const double value : member) away += (value - 0.5) * (value - 0.5);
    NammOutcome outcome = base;
    for (double& score : outcome.scores) score *= 2 * std::exp(-away);
    for (double& value : outcome.likelihoods) value -= away;
    outcome.cache_mean = 32 + away;
    outcome.cache_peak = 48 + away;
    outcomes.push_back(std::move(outcome));
  }
  if (spoil && members.size() > 1) spoil(request, outcomes);
  return outcomes;
}

}  // namespace lethe::test
