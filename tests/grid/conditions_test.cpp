// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "tests/grid/small_suite.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::grid;
using namespace lethe::test;
using Names = std::vector<std::string>;

namespace {

// "tova/64/float32/256" of each cell.
Names points(const Suite& suite) {
  Names out;
  for (const auto& cell : cells_of(suite)) {
    out.push_back(cell.policy + "/" + (cell.budget ? std::to_string(*cell.budget) : "-") + "/" +
                  cell.dtype + "/" + std::to_string(cell.length));
  }
  return out;
}

std::string refused(const std::string& members, const Overrides& overrides = {}) {
  return config_error([&] { cells_of(read_with(members, overrides)); });
}

}  // namespace

TEST_CASE("an override gives an axis other values in part of the grid") {
  CHECK(points(read_with(R"({"overrides": [
      {"when": {"policies": ["full"]}, "set": {"dtypes": ["float64", "float32"]}},
      {"when": {"policies": ["tova-layer"]}, "set": {"budgets": ["8..16*2"]}}]})")) ==
        Names{"full/-/float64/256", "full/-/float32/256", "tova/8/float32/256",
              "tova/16/float32/256", "window:sinks=4/64/float32/256",
              "window:sinks=4/128/float32/256"});
}

TEST_CASE("the last override that matches wins, axis by axis") {
  CHECK(points(read_with(R"({"lengths": [256, 512, 1024], "policies": ["tova"], "budgets": [64],
      "overrides": [
      {"when": {"lengths": ["512..4096*2"]}, "set": {"budgets": [128], "dtypes": ["float64"]}},
      {"when": {"lengths": [1024]}, "set": {"budgets": [256]}}]})")) ==
        Names{"tova/64/float32/256", "tova/128/float64/512", "tova/256/float64/1024"});
}

TEST_CASE("what an override sets can be named by later ones and by exclusions") {
  CHECK(points(read_with(R"({"policies": ["tova"], "overrides": [
      {"when": {"models": ["small"]}, "set": {"lengths": [300, 400]}},
      {"when": {"lengths": [300]}, "set": {"budgets": [10, 20]}}],
      "exclude": [{"lengths": [300], "budgets": [20]}, {"lengths": [400], "budgets": [64]}]})")) ==
        Names{"tova/10/float32/300", "tova/128/float32/400"});
}

TEST_CASE("tasks match by name, models and policies by what they stand for") {
  const auto suite = read_with(R"({"tasks": [{"name": "pg19", "windows": 1},
      {"name": "pg19", "windows": 2}, "other"], "policies": ["tova"], "budgets": [64],
      "overrides": [{"when": {"models": ["small"], "tasks": ["pg19"]},
                     "set": {"lengths": [128]}}]})");
  Names out;
  for (const auto& cell : cells_of(suite)) {
    out.push_back(cell.task + json::serialize(cell.task_options.get()) +
                  std::to_string(cell.length));
  }
  CHECK(out == Names{R"(pg19{"windows":1}128)", R"(pg19{"windows":2}128)", "other{}256"});
  CHECK(points(read_with(R"({"exclude": [{"policies": ["tova-layer", "window:sinks=4"]}]})")) ==
        Names{"full/-/float32/256"});
}

TEST_CASE("an exclusion drops the cells that match it on every axis") {
  CHECK(points(read_with(R"({"exclude": [{"policies": ["tova"], "budgets": [64]}]})")) ==
        Names{"full/-/float32/256", "tova/128/float32/256", "window:sinks=4/64/float32/256",
              "window:sinks=4/128/float32/256"});
  // A policy without a budget has none of those named.
  CHECK(points(read_with(R"({"exclude": [{"budgets": ["1..1000"]}]})")) ==
        Names{"full/-/float32/256"});
  // One that others make superfluous is no slip.
  CHECK(points(read_with(R"({"exclude": [{"policies": ["tova"]},
      {"policies": ["tova"], "budgets": [64]}, {"policies": ["window:sinks=4"]}]})")) ==
        Names{"full/-/float32/256"});
}

TEST_CASE("a task is asked only for lengths that are left") {
  FakeCatalogue catalogue;
  expand(read_with(R"({"lengths": [128, 256], "tasks": ["pg19", "other"],
      "exclude": [{"tasks": ["other"], "lengths": [256]}]})"),
         catalogue, "cpu");
  // One model, three policies and an exclusion by none of these; then three tasks.
  CHECK(catalogue.calls == 1 + 3 + 3);
}

TEST_CASE("conditions that cannot be right are refused") {
  const auto exclude = [](const std::string& entry) {
    return refused(R"({"exclude": [)" + entry + "]}");
  };
  const auto override_ = [](const std::string& entry) {
    return refused(R"({"overrides": [)" + entry + "]}");
  };
  const auto typo = exclude(R"({"budgets": [64, 182]})");
  CHECK(contains(typo, "suite.json: exclude[0]: budgets[1]"));
  CHECK(contains(typo, "'182' is unknown; did you mean '128'? known: 64, 128"));
  CHECK(contains(exclude(R"({"budgets": ["200..300"]})"), "'200..300' is unknown"));
  CHECK(contains(exclude(R"({"policies": ["window:sinks=1"]})"), "known: full, tova, window"));
  CHECK(contains(exclude(R"({"tasks": ["pg91"]})"), "did you mean 'pg19'?"));
  CHECK(contains(exclude(R"({"models": ["large"]})"), "'large' is unknown"));
  CHECK(contains(exclude(R"({"dtypes": ["float64"]})"), "known: float32"));
  CHECK(contains(exclude(R"({"budgest": [64]})"), "did you mean 'budgets'?"));
  CHECK(contains(exclude(R"({"budgets": []})"), "at least one value"));
  CHECK(contains(exclude(R"({"budgets": [true]})"), "found a boolean"));
  CHECK(contains(exclude(R"({"budgets": 64})"), "expected an array"));
  CHECK(contains(exclude(R"({"tasks": [{"name": "pg19"}]})"), "expected the name of a task"));
  CHECK(contains(exclude("{}"), "at least one axis"));
  CHECK(contains(exclude("[]"), "expected an object"));
  CHECK(contains(exclude(R"({"policies": ["full"], "budgets": [64]})"),
                 "exclude[0] matches no cell"));
  CHECK(contains(exclude(R"({"models": ["small"]})"), "drops every cell"));

  CHECK(contains(override_(R"({"when": {"dtypes": ["float32"]}, "set": {"budgets": [8]}})"),
                 "\"when\" names dtypes, which does not come before budgets"));
  CHECK(contains(override_(R"({"when": {"budgets": [64]}, "set": {"budgets": [8]}})"),
                 "does not come before budgets"));
  CHECK(contains(override_(R"({"when": {"models": ["small"], "lengths": [256]},
                               "set": {"seeds": [1], "tasks": ["other"]}})"),
                 "names lengths, which does not come before tasks"));
  CHECK(contains(override_(R"({"when": {"policies": ["full"]}, "set": {"budgets": [8]}})"),
                 "overrides[0] never applies"));
  CHECK(contains(override_(R"({"when": {"policies": ["tova"]}, "set": {"budgets": [8]}},
                              {"when": {"policies": ["tova"]}, "set": {"budgets": [9]}})"),
                 "overrides[0] never applies"));
  CHECK(contains(override_(R"({"when": {"policies": ["tova"]}, "set": {"budgets": [0]}})"),
                 "overrides[0]: set: budgets[0]: expected at least 1"));
  CHECK(contains(override_(R"({"when": {"policies": ["tova"]}, "set": {"dtypes": ["flaot64"]}})"),
                 "did you mean 'float64'?"));
  CHECK(contains(override_(R"({"when": {"policies": ["tova"]}, "set": {"budget": [1]}})"),
                 "did you mean 'budgets'?"));
  CHECK(contains(override_(R"({"wen": {"policies": ["tova"]}, "set": {"budgets": [1]}})"),
                 "did you mean 'when'?"));
  CHECK(contains(override_(R"({"when": {}, "set": {"budgets": [1]}})"), "at least one axis"));
  CHECK(contains(override_(R"({"set": {"budgets": [1]}})"), "'when' is missing"));
  CHECK(contains(override_(R"({"when": {"policies": ["tova"]}})"), "'set' is missing"));

  const auto policy =
      expand_error(read_with(R"({"exclude": [{"policies": ["tovva"]}]})"), ErrorKind::kPolicy);
  CHECK(contains(policy, "exclude[0]: policies[0]"));
  CHECK(contains(policy, "did you mean 'tova'?"));
  CHECK(
      contains(expand_error(read_with(R"({"exclude": [{"models": ["smal"]}]})"), ErrorKind::kModel),
               "did you mean 'small'?"));
  CHECK(contains(expand_error(read_with(R"({"overrides": [{"when": {"models": ["small"]},
                                            "set": {"policies": ["tovva"]}}]})"),
                              ErrorKind::kPolicy),
                 "overrides[0]"));
}

TEST_CASE("axes from the command line leave overrides and exclusions in force") {
  const std::string members = R"({"overrides": [{"when": {"policies": ["tova"]},
      "set": {"dtypes": ["float64"]}}], "exclude": [{"policies": ["full"]}, {"budgets": [128]}]})";
  CHECK(points(read_with(members, {{"budgets", "32,128"}})) ==
        Names{"tova/32/float64/256", "window:sinks=4/32/float32/256"});
  // What they name may be gone, but a slip in them is still one.
  CHECK(points(read_with(members, {{"policies", "window"}, {"budgets", "32"}})) ==
        Names{"window/32/float32/256"});
  CHECK(points(read_with(R"({"exclude": [{"models": ["small"], "budgets": [128]}]})",
                         {{"models", "large"}, {"policies", "tova"}}))
            .size() == 2);
  CHECK(contains(refused(R"({"exclude": [{"budgets": [129]}]})", {{"budgets", "32"}}),
                 "'129' is unknown"));
}

TEST_CASE("a suite of several grids has the cells of each, once") {
  const auto suite = read_with(R"({"policies": ["tova"], "budgets": [64], "parts": [
      {"lengths": [256]},
      {"lengths": [256, 512], "budgets": [128], "policies": ["window"]},
      {"lengths": [256]}]})");
  CHECK(suite.parts.size() == 3);
  CHECK(points(suite) ==
        Names{"tova/64/float32/256", "window/128/float32/256", "window/128/float32/512"});
}

TEST_CASE("an axis from the command line replaces that of every grid of a suite") {
  CHECK(points(read_with(R"({"policies": ["tova"], "budgets": [64], "parts": [
      {"lengths": [256]}, {"lengths": [512], "budgets": [128]}]})",
                         {{"budgets", "32"}})) ==
        Names{"tova/32/float32/256", "tova/32/float32/512"});
}

TEST_CASE("grids and trainings of a suite are checked as it is read") {
  CHECK(contains(refused(R"({"parts": []})"), "expected at least one grid"));
  const auto misspelt = refused(R"({"parts": [{"lenghts": [256]}]})");
  CHECK(contains(misspelt, "parts[0]"));
  CHECK(contains(misspelt, "did you mean 'lengths'"));
  CHECK(contains(refused(R"({"train": [{"recipe": "detect", "seeds": [-1]}]})"),
                 "expected whole numbers from 0, found -1"));
  const auto suite = read_with(R"({"train": [{"recipe": "detect", "seeds": [1, 2]}]})");
  REQUIRE(suite.train.size() == 1);
  CHECK(suite.train[0].recipe == "detect");
  CHECK(suite.train[0].seeds == std::vector<std::int64_t>{1, 2});
  CHECK(suite.train[0].kind == "rmt");
  const auto evolved = read_with(
      R"({"train": [{"kind": "namm", "recipe": "recall", "seeds": [0]},
                    {"kind": "rmt", "recipe": "detect", "seeds": [3]}]})");
  REQUIRE(evolved.train.size() == 2);
  CHECK(evolved.train[0].kind == "namm");
  CHECK(evolved.train[0].recipe == "recall");
  CHECK(evolved.train[1].kind == "rmt");
  const auto kind = refused(R"({"train": [{"kind": "nam", "recipe": "recall", "seeds": [1]}]})");
  CHECK(contains(kind, "train[0]"));
  CHECK(contains(kind, R"(expected "rmt" or "namm", found "nam")"));
  CHECK(contains(refused(R"({"train": [{"kind": "namm", "seeds": [1]}]})"), "recipe"));
}
