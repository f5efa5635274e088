// SPDX-License-Identifier: Apache-2.0
// Recipes: every shipped one can be read, and what is wrong with one is said by name.
#include <filesystem>

#include "harness/base/json.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "training/rmt_recipe.h"

namespace lethe::training {
namespace {

using Catch::Matchers::Contains;

json::value whole() {
  return parse_json(R"({
    "name": "n", "task": "reasoning", "place": "segment",
    "model": {"hidden": 24, "heads": 3, "memory": 7},
    "bptt": 2, "shards": 3,
    "stages": [
      {"name": "a", "steps": 10, "until": 0.98, "ramp": 0.01,
       "batches": [{"segment": 30, "segments": 2}, {"share": 3, "batch": 5, "segments": 4}]},
      {"name": "b", "steps": 5, "batches": [{}]}]})",
                    "whole", ErrorKind::kConfig);
}

RmtRecipe parsed(const json::value& value) {
  return parse_rmt_recipe(value, "r.json", test::source_dir());
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
    parsed(recipe);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kConfig);
    return error.what();
  }
  FAIL("expected an Error for " + pointer);
  return {};
}

TEST_CASE("a recipe says everything that it says, and has defaults for the rest") {
  const RmtRecipe recipe = parsed(whole());
  CHECK(recipe.task == tasks::FactTask::kReasoning);
  CHECK(recipe.place == tasks::FactPlace::kSegment);
  CHECK(recipe.model.hidden == 24);
  CHECK(recipe.model.memory == 7);
  CHECK(recipe.model.layers == RmtModelRecipe().layers);
  CHECK(recipe.bptt == 2);
  CHECK(recipe.shards == 3);
  CHECK(recipe.stages[0].batches[1].share == 3);
  CHECK(recipe.stages[1].batches[0].segments == 1);
  CHECK(recipe.most_steps() == 15);
  CHECK(recipe.trained_segments() == 4);
  CHECK(json::value(recipe.text) == whole());
}

TEST_CASE("every shipped recipe can be read") {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::source_dir() / "data/rmt/recipes")) {
    CAPTURE(entry.path().string());
    const RmtRecipe recipe = read_rmt_recipe(entry.path(), test::source_dir());
    CHECK(recipe.name == entry.path().stem().string());
    CHECK_FALSE(recipe.title.empty());
    CHECK(recipe.most_steps() > 0);
    ++count;
  }
  CHECK(count >= 3);
}

TEST_CASE("a wrong member of a recipe is named, with file, place and value", "[fault]") {
  CHECK_THAT(error_with("/task", "detct"),
             Contains("memory task 'detct'") && Contains("did you mean 'detect'"));
  CHECK_THAT(error_with("/place", "starts"), Contains("did you mean 'start'"));
  CHECK_THAT(error_with("/name", nullptr), Contains("r.json") && Contains("name"));
  CHECK_THAT(error_with("/warm_up", 3),
             Contains("r.json") && Contains("warm_up") && Contains("did you mean 'warmup'"));
  CHECK_THAT(error_with("/model/hiden", 3), Contains("model") && Contains("did you mean 'hidden'"));
  CHECK_THAT(error_with("/stages/0/step", 3),
             Contains("stages[0]") && Contains("did you mean 'steps'"));
  CHECK_THAT(error_with("/stages/0/batches/1/segmnts", 3), Contains("stages[0]") &&
                                                               Contains("batches[1]") &&
                                                               Contains("did you mean 'segments'"));
  CHECK_THAT(error_with("/model", 3), Contains("model") && Contains("object"));
  CHECK_THAT(error_with("/model/hidden", 25),
             Contains("hidden: expected a multiple of the 3 heads, found 25"));
  CHECK_THAT(error_with("/model/layers", 0), Contains("layers: expected at least 1, found 0"));
  CHECK_THAT(error_with("/model/memory", -1), Contains("memory: expected at least 0, found -1"));
  CHECK_THAT(error_with("/model/positions", 4), Contains("positions: expected at least 8"));
  CHECK_THAT(error_with("/bptt", -1), Contains("bptt: expected at least 0, found -1"));
  CHECK_THAT(error_with("/shards", 0), Contains("shards: expected at least 1"));
  CHECK_THAT(error_with("/weight_decay", 2), Contains("weight_decay: expected 0"));
  CHECK_THAT(error_with("/stages/0/steps", nullptr), Contains("stages[0]") && Contains("steps"));
  CHECK_THAT(error_with("/stages/0/rate", 7), Contains("rate"));
  CHECK_THAT(error_with("/stages/0/batches", json::array()),
             Contains("stages[0]") && Contains("batches: expected at least one"));
  CHECK_THAT(error_with("/stages/0/batches/0/confusers", 0.6),
             Contains("batches[0]") && Contains("confusers"));
  CHECK_THAT(error_with("/stages/0/batches/0/segment", "long"),
             Contains("segment") && Contains("integer"));
  CHECK_THAT(error_with("/stages", json::array()), Contains("stages: expected at least one"));
  CHECK_THROWS_WITH(parsed(json::array()), Contains("r.json") && Contains("object"));
}

TEST_CASE("two stages of one name are refused: they would share their draws and their folder",
          "[fault]") {
  CHECK_THAT(error_with("/stages/1/name", "a"),
             Contains("stages[1]") && Contains("name") && Contains("'a'"));
  CHECK_THAT(error_with("/stages/1/name", "../a"), Contains("stages[1]") && Contains("name"));
}

}  // namespace
}  // namespace lethe::training
