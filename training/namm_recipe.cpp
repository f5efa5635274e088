// SPDX-License-Identifier: Apache-2.0
#include "training/namm_recipe.h"

#include <algorithm>

#include "harness/base/error.h"
#include "harness/base/names.h"
#include "training/recipe_members.h"

namespace lethe::training {
namespace {

constexpr ErrorKind kKind = ErrorKind::kConfig;
constexpr std::int64_t kHop = 16;  // of the spectrogram: an update is a whole number of frames

std::string filled(ObjectReader& reader, const char* name) {
  const std::string text = reader.string(name);
  if (!text.empty()) return text;
  throw Error(kKind, reader.where(name) + ": expected a name, found ''");
}

std::string one_of(ObjectReader& reader, const char* name, const std::string& fallback,
                   const std::vector<std::string>& known) {
  const std::string value = reader.string(name, fallback);
  if (std::ranges::find(known, value) != known.end()) return value;
  throw unknown_name(kKind, reader.where(name), value, known);
}

NammPolicyRecipe parse_policy(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  NammPolicyRecipe policy;
  policy.scorer = one_of(reader, "scorer", policy.scorer, {"bam", "mlp"});
  policy.update = at_least(reader, "update", policy.update, kHop);
  if (policy.update % kHop) {
    throw Error(kKind, reader.where("update") + ": expected a multiple of " + std::to_string(kHop) +
                           ", found " + std::to_string(policy.update));
  }
  policy.hidden = at_least(reader, "hidden", policy.hidden, 1);
  policy.bias = within(reader, "bias", policy.bias, 0, 100);
  policy.cap = at_least(reader, "cap", 0, 0);
  reader.finish();
  return policy;
}

EvolutionOptions parse_optimiser(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  EvolutionOptions options;
  options.kind = parse_evolution_kind(reader.string("name"), kKind);
  options.population = at_least(reader, "population", options.population, 4);
  options.elite_ratio = within(reader, "elite_ratio", options.elite_ratio, 0.01, 0.99);
  options.sigma = within(reader, "sigma", options.sigma, 1e-9, 1e3);
  options.mean_rate = within(reader, "mean_rate", options.mean_rate, 1e-3, 1);
  reader.finish();
  return options;
}

void parse_fitness(const json::value& value, const std::string& where, NammRecipe& recipe) {
  ObjectReader reader(value, where, kKind);
  if (one_of(reader, "kind", "ratio", {"ratio", "likelihood"}) == "likelihood") {
    recipe.fitness = NammFitness::kLikelihood;
  } else {
    recipe.least_base = within(reader, "least_base", recipe.least_base, 1e-6, 1e6);
  }
  reader.finish();
}

NammSplit parse_split(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  NammSplit split;
  split.selection = at_least(reader, "selection", split.selection, 1);
  split.test = at_least(reader, "test", split.test, 1);
  split.selection_share = within(reader, "selection_share", split.selection_share, 0.01, 0.49);
  split.test_share = within(reader, "test_share", split.test_share, 0.01, 0.49);
  split.seed = static_cast<std::uint64_t>(at_least(reader, "seed", 0, 0));
  reader.finish();
  return split;
}

NammTask parse_task(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  NammTask task;
  task.task = filled(reader, "task");
  if (const json::value* options = reader.find("options")) {
    if (!options->is_object()) {
      throw Error(kKind, reader.where("options") + ": expected an object, found " +
                             std::string(describe_type(*options)));
    }
    task.options = options->get_object();
  }
  task.length = at_least(reader, "length", 0, 0);
  task.prompts = at_least(reader, "prompts", 0, 1);
  reader.finish();
  return task;
}

NammStage parse_stage(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  NammStage stage;
  stage.name = reader.string("name");
  stage.generations = at_least(reader, "generations", 0, 1);
  const auto& tasks = reader.array("tasks");
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    stage.tasks.push_back(
        parse_task(tasks[i], reader.where("tasks") + "[" + std::to_string(i) + "]"));
  }
  if (stage.tasks.empty()) throw Error(kKind, where + ": tasks: expected at least one");
  reader.finish();
  return stage;
}

}  // namespace

std::string to_string(NammFitness fitness) {
  return fitness == NammFitness::kRatio ? "ratio" : "likelihood";
}

std::int64_t NammRecipe::generations() const {
  std::int64_t sum = 0;
  for (const NammStage& stage : stages) sum += stage.generations;
  return sum;
}

NammRecipe parse_namm_recipe(const json::value& value, const std::string& where) {
  ObjectReader reader(value, where, kKind);
  NammRecipe recipe;
  recipe.name = filled(reader, "name");
  recipe.title = reader.string("title", "");
  recipe.tier = reader.string("tier", "");
  recipe.model = filled(reader, "model");
  if (const auto* policy = reader.find("policy")) {
    recipe.policy = parse_policy(*policy, reader.where("policy"));
  }
  recipe.optimiser = parse_optimiser(reader.at("optimiser"), reader.where("optimiser"));
  if (const auto* fitness = reader.find("fitness")) {
    parse_fitness(*fitness, reader.where("fitness"), recipe);
  }
  if (const auto* split = reader.find("split")) {
    recipe.split = parse_split(*split, reader.where("split"));
  }
  recipe.selection_every = at_least(reader, "selection_every", recipe.selection_every, 1);
  recipe.normalisation_prompts =
      at_least(reader, "normalisation_prompts", recipe.normalisation_prompts, 1);
  const auto& stages = reader.array("stages");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    recipe.stages.push_back(
        parse_stage(stages[i], reader.where("stages") + "[" + std::to_string(i) + "]"));
    names.push_back(recipe.stages.back().name);
  }
  if (recipe.stages.empty()) throw Error(kKind, where + ": stages: expected at least one");
  check_stage_names(names, reader.where("stages"));
  reader.finish();
  recipe.text = value.get_object();
  return recipe;
}

NammRecipe read_namm_recipe(const std::filesystem::path& path) {
  return parse_namm_recipe(read_json_file(path, kKind), path.string());
}

}  // namespace lethe::training
