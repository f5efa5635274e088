// SPDX-License-Identifier: Apache-2.0
// Prompts of evolution: none is for two uses, and what is kept apart is so for every run.
#include "training/namm_prompts.h"

#include <set>

#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/training/namm_support.h"

namespace lethe::test {
namespace {

using Catch::Matchers::Contains;
using training::NammPrompt;
using training::NammPrompts;
using training::NammPromptSource;
using training::NammUse;

std::vector<std::vector<std::vector<std::string>>> records_of(const training::NammRecipe& recipe) {
  FakeEvaluator evaluator;
  std::vector<std::vector<std::vector<std::string>>> records;
  for (const auto& stage : recipe.stages) {
    records.emplace_back();
    for (const auto& task : stage.tasks) records.back().push_back(evaluator.records(task));
  }
  return records;
}

using Names = std::set<std::pair<std::uint64_t, std::string>>;

void add(Names& names, const NammPrompts& prompts) {
  for (const auto& of_task : prompts) {
    for (const NammPrompt& prompt : of_task) names.insert({prompt.seed, prompt.record});
  }
}

TEST_CASE("prompts of training, selection and test are disjoint", "[evolution][property]") {
  const auto recipe = namm_recipe(namm_recipe_json());
  const NammPromptSource source(recipe, 1, records_of(recipe));
  Names training, selection, test;
  add(training, source.normalisation());
  for (std::int64_t stage = 0; stage < 2; ++stage) {
    for (std::int64_t generation = 0; generation < 200; ++generation) {
      add(training, source.training(stage, 200 * stage + generation, 1));
    }
    add(selection, source.held_out(stage, NammUse::kSelection));
    add(test, source.held_out(stage, NammUse::kTest));
  }
  CHECK(training.size() > 1600);  // seeds are new in every generation
  CHECK(selection.size() > 5);
  CHECK(test.size() > 4);
  std::size_t records = 0;
  for (const Names* names : {&training, &selection, &test}) {
    for (const auto& name : *names) records += name.second.empty() ? 0 : 1;
  }
  CHECK(records == 40);  // every record has one use
  for (const auto& [names, use] : {std::pair{&training, NammUse::kTraining},
                                   {&selection, NammUse::kSelection},
                                   {&test, NammUse::kTest}}) {
    for (const auto& [seed, record] : *names) {
      CHECK(training::use_of({seed, record}, recipe.split) == use);
    }
  }
}

TEST_CASE("draws hang on seed, generation and draw, what is kept apart on none of them",
          "[evolution]") {
  const auto recipe = namm_recipe(namm_recipe_json());
  const NammPromptSource one(recipe, 1, records_of(recipe)), two(recipe, 2, records_of(recipe));
  CHECK(one.training(1, 9, 1) == one.training(1, 9, 1));
  CHECK(one.training(1, 9, 1) != one.training(1, 9, 2));
  CHECK(one.training(1, 9, 1) != one.training(1, 10, 1));
  CHECK(one.training(1, 9, 1) != two.training(1, 9, 1));
  CHECK(one.held_out(1, NammUse::kTest) == two.held_out(1, NammUse::kTest));
  CHECK(one.held_out(1, NammUse::kSelection) == two.held_out(1, NammUse::kSelection));
  CHECK(one.held_out(0, NammUse::kTest)[0] == one.held_out(1, NammUse::kTest)[0]);
  CHECK(one.normalisation()[0].size() == 6);
  const NammPrompts drawn = one.training(1, 9, 1);
  CHECK(drawn[0].size() == 4);
  CHECK(drawn[1].size() == 3);
  Names names;
  add(names, {drawn[1]});
  CHECK(names.size() == 3);  // without replacement
}

TEST_CASE("a split with fewer records than are asked of it is refused", "[evolution][fault]") {
  auto text = namm_recipe_json();
  text["stages"].at(1).at("tasks").at(1).as_object()["prompts"] = 39;
  const auto recipe = namm_recipe(text);
  CHECK_THAT(error_of(ErrorKind::kConfig, [&] { NammPromptSource(recipe, 1, records_of(recipe)); }),
             Contains("stage two, task qa: expected at least 39 records for training, found") &&
                 Contains("of 40"));
}

}  // namespace
}  // namespace lethe::test
