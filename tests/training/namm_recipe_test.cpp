// SPDX-License-Identifier: Apache-2.0
// Recipes of evolution: every shipped one can be read, and what is wrong with one is said by name.
#include "training/namm_recipe.h"

#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::training {
namespace {

using Catch::Matchers::Contains;

json::value whole() {
  return parse_json(R"({
    "name": "n", "title": "t", "tier": "T1", "model": "smollm2-135m",
    "policy": {"scorer": "mlp", "update": 64, "hidden": 8, "bias": 1},
    "optimiser": {"name": "cma_full", "population": 16, "elite_ratio": 0.25, "sigma": 0.1,
                  "mean_rate": 0.9},
    "fitness": {"kind": "ratio", "least_base": 0.05},
    "split": {"selection": 8, "test": 9, "selection_share": 0.2, "test_share": 0.1, "seed": 4},
    "selection_every": 5, "normalisation_prompts": 3,
    "stages": [
      {"name": "a", "generations": 40,
       "tasks": [{"task": "x", "options": {"k": 2}, "length": 512, "prompts": 4}]},
      {"name": "b", "generations": 30,
       "tasks": [{"task": "x", "prompts": 4}, {"task": "y", "prompts": 2}]}]})",
                    "whole", ErrorKind::kConfig);
}

// Sets (or, with null, removes) what the JSON pointer names.
std::string error_with(const std::string& pointer, const json::value& value) {
  json::value recipe = whole();
  const auto slash = pointer.rfind('/');
  json::object& holder =
      (slash == 0 ? recipe : recipe.at_pointer(pointer.substr(0, slash))).as_object();
  const std::string name = pointer.substr(slash + 1);
  if (value.is_null()) {
    holder.erase(name);
  } else {
    holder[name] = value;
  }
  try {
    parse_namm_recipe(recipe, "r.json");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    CHECK_THAT(error.what(), Contains("r.json") || Contains("did you mean"));
    return error.what();
  }
  FAIL("expected an Error for " + pointer);
  return {};
}

TEST_CASE("a recipe of evolution says everything that it says") {
  const NammRecipe recipe = parse_namm_recipe(whole(), "r.json");
  CHECK(recipe.tier == "T1");
  CHECK(recipe.policy.scorer == "mlp");
  CHECK(recipe.policy.update == 64);
  CHECK(recipe.policy.hidden == 8);
  CHECK(recipe.policy.bias == 1);
  CHECK(recipe.optimiser.kind == EvolutionKind::kCmaFull);
  CHECK(recipe.optimiser.population == 16);
  CHECK(recipe.optimiser.elite_ratio == 0.25);
  CHECK(recipe.optimiser.mean_rate == 0.9);
  CHECK(recipe.least_base == 0.05);
  CHECK(recipe.split.test == 9);
  CHECK(recipe.split.seed == 4);
  CHECK(recipe.selection_every == 5);
  CHECK(recipe.normalisation_prompts == 3);
  CHECK(recipe.generations() == 70);
  CHECK(recipe.stages[0].tasks[0].options.at("k") == 2);
  CHECK(recipe.stages[1].tasks[1].prompts == 2);
  CHECK(json::value(recipe.text) == whole());
}

TEST_CASE("what a recipe of evolution leaves out is as in the paper") {
  const NammRecipe recipe =
      parse_namm_recipe(parse_json(R"({"name": "n", "model": "m", "optimiser": {"name": "es_csa"},
                     "stages": [{"name": "a", "generations": 1,
                                 "tasks": [{"task": "x", "prompts": 1}]}]})",
                                   "least", ErrorKind::kConfig),
                        "r.json");
  CHECK(recipe.policy.scorer == "bam");
  CHECK(recipe.policy.update == 512);
  CHECK(recipe.policy.hidden == 32);
  CHECK(recipe.policy.bias == 0);
  CHECK(recipe.optimiser.population == 32);
  CHECK(recipe.optimiser.elite_ratio == 0.5);
  CHECK(recipe.optimiser.sigma == 0.065);
  CHECK(recipe.optimiser.mean_rate == 1);
  CHECK(to_string(recipe.fitness) == "ratio");
  CHECK(recipe.selection_every == 10);
}

TEST_CASE("every shipped recipe of evolution can be read") {
  const auto folder = test::source_dir() / "data/namm/recipes";
  std::error_code none_shipped;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none_shipped)) {
    CAPTURE(entry.path().string());
    const NammRecipe recipe = read_namm_recipe(entry.path());
    CHECK(recipe.name == entry.path().stem().string());
    CHECK_FALSE(recipe.title.empty());
  }
}

TEST_CASE("a wrong member of a recipe of evolution is named", "[fault]") {
  CHECK_THAT(error_with("/name", nullptr), Contains("name"));
  CHECK_THAT(error_with("/model", ""), Contains("model: expected a name"));
  CHECK_THAT(error_with("/selection_evry", 3), Contains("did you mean 'selection_every'"));
  CHECK_THAT(error_with("/policy/scorer", "bm"), Contains("did you mean 'bam'"));
  CHECK_THAT(error_with("/policy/update", 40),
             Contains("policy") && Contains("update: expected a multiple of 16, found 40"));
  CHECK_THAT(error_with("/policy/bias", -1), Contains("bias: expected 0"));
  CHECK_THAT(error_with("/optimiser/name", "cma_dag"), Contains("did you mean 'cma_diag'"));
  CHECK_THAT(error_with("/optimiser", nullptr), Contains("optimiser"));
  CHECK_THAT(error_with("/optimiser/population", 2), Contains("population: expected at least 4"));
  CHECK_THAT(error_with("/optimiser/sigma", 0), Contains("sigma"));
  CHECK_THAT(error_with("/fitness/kind", "ratios"), Contains("did you mean 'ratio'"));
  CHECK_THAT(error_with("/fitness/least_base", 0), Contains("least_base"));
  CHECK_THAT(error_with("/split/test_share", 0.5), Contains("test_share"));
  CHECK_THAT(error_with("/stages", json::array()), Contains("stages: expected at least one"));
  CHECK_THAT(error_with("/stages/1/name", "a"), Contains("stages[1]") && Contains("'a' again"));
  CHECK_THAT(error_with("/stages/0/generations", 0), Contains("generations: expected at least 1"));
  CHECK_THAT(error_with("/stages/0/tasks", json::array()),
             Contains("stages[0]") && Contains("tasks: expected at least one"));
  CHECK_THAT(error_with("/stages/0/tasks/0/options", 3), Contains("options: expected an object"));
  CHECK_THAT(error_with("/stages/0/tasks/0/prompts", nullptr),
             Contains("tasks[0]") && Contains("prompts: expected at least 1"));
  CHECK_THAT(error_with("/stages/1/tasks/1/task", nullptr), Contains("tasks[1]"));
}

TEST_CASE("a threshold of base scores has no meaning for likelihoods", "[fault]") {
  CHECK_THAT(error_with("/fitness/kind", "likelihood"), Contains("least_base"));
}

}  // namespace
}  // namespace lethe::training
