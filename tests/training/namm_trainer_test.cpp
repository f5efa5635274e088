// SPDX-License-Identifier: Apache-2.0
// Runs of evolution: they improve, are the same to the bit wherever they were stopped, and never
// count half a generation.
#include "training/namm_trainer.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "tests/models/file_support.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"
#include "tests/training/namm_support.h"

namespace lethe::test {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using training::NammOutcome;
using training::NammRequest;
using training::NammTrainResult;
using training::train_namm;

/// A whole run of a recipe.
struct Run {
  FakeEvaluator evaluator;
  NammMemory memory;
  NammTrainResult result;
};

void run(Run& whole, const json::object& text, const TempDir& folder) {
  const auto recipe = namm_recipe(text);
  whole.result =
      train_namm(recipe, namm_options_for(folder / "out"), whole.evaluator, whole.memory);
}

// What a run with this text and this evaluator throws.
std::string run_error(ErrorKind kind, const json::object& text, FakeEvaluator& evaluator) {
  const TempDir folder;
  const auto recipe = namm_recipe(text);
  NammMemory memory;
  return error_of(kind,
                  [&] { train_namm(recipe, namm_options_for(folder / "out"), evaluator, memory); });
}

bool same(const NammTrainResult& a, const NammTrainResult& b) {
  if (a.history.size() != b.history.size()) return false;
  for (std::size_t i = 0; i < a.history.size(); ++i) {
    const auto &x = a.history[i], &y = b.history[i];
    const bool selection =
        x.selection == y.selection || (std::isnan(x.selection) && std::isnan(y.selection));
    if (!selection || x.generation != y.generation || x.stage != y.stage || x.sigma != y.sigma ||
        x.mean_norm != y.mean_norm || x.fitness_mean != y.fitness_mean ||
        x.fitness_best != y.fitness_best || x.cache_mean != y.cache_mean) {
      return false;
    }
  }
  return a.mean == b.mean && a.best_mean == b.best_mean && a.best_fitness == b.best_fitness &&
         a.best_generation == b.best_generation && a.normalisation == b.normalisation;
}

TEST_CASE("evolution finds the parameters that score best", "[evolution]") {
  for (const char* name : {"cma_full", "cma_diag", "es_csa"}) {
    CAPTURE(name);
    const TempDir folder;
    auto text = namm_recipe_json();
    text["optimiser"].as_object()["name"] = name;
    for (auto& stage : text["stages"].as_array()) stage.as_object()["generations"] = 100;
    Run whole;
    run(whole, text, folder);
    CHECK(whole.result.finished);
    CHECK(whole.result.generations == 200);
    for (const double value : whole.result.mean) CHECK(value == Approx(0.5).margin(0.01));
    CHECK(whole.result.best_fitness == Approx(2).epsilon(1e-3));
    CHECK(whole.result.history.front().fitness_mean < 1);
    CHECK(whole.result.history.back().fitness_mean == Approx(2).epsilon(1e-3));
  }
}

TEST_CASE("a run tells every generation, as points and as a record", "[evolution]") {
  const TempDir folder;
  Run whole;
  run(whole, namm_recipe_json(), folder);
  const auto& memory = whole.memory;
  CHECK(memory.most == 14);
  CHECK(memory.saved == 14);
  CHECK(memory.resumed_after == 0);
  REQUIRE(memory.records.size() == 14);
  REQUIRE(whole.result.history.size() == 14);
  for (std::size_t i = 0; i < 14; ++i) {
    const auto& record = memory.records[i];
    CHECK(record.generation == static_cast<std::int64_t>(i + 1));
    CHECK(record.stage == (i < 8 ? "one" : "two"));
    CHECK(record.members.size() == 8);
    CHECK(record.fitnesses.size() == 8);
    CHECK(record.attempts == 1);
    // Every third generation, and each stage's last.
    const bool due = (i + 1) % 3 == 0 || i + 1 == 8 || i + 1 == 14;
    CHECK(record.selection.has_value() == due);
    const auto text = parse_json(memory.texts[i], "record", ErrorKind::kData);
    CHECK(text.at("members").as_array().size() == 8);
    CHECK(text.at("prompts").as_array().size() == (i < 8 ? 1 : 2));
    CHECK(text.at("seed") == 1);
    CHECK(text.as_object().contains("selection") == due);
  }
  std::map<std::string, int> metrics;
  for (const auto& point : memory.points) ++metrics[point.metric];
  CHECK(metrics.at("sigma") == 14);
  CHECK(metrics.at("fitness_best") == 14);
  CHECK(metrics.at("cache_peak") == 14);
  CHECK(metrics.at("base:recall") == 14);
  CHECK(metrics.at("base:qa") == 6);
  CHECK(metrics.at("selection_fitness") == 6);
  CHECK(metrics.at("entry_fitness") == 2);
  CHECK(memory.records[0].sigma == 0.1);
  CHECK(memory.records[0].mean_norm == 0);
  CHECK(whole.result.normalisation.means == std::vector<double>(17, 0.25));
}

TEST_CASE("all members have the same prompts, and none of selection or test",
          "[evolution][property]") {
  const TempDir folder;
  Run whole;
  run(whole, namm_recipe_json(), folder);
  const auto split = namm_recipe(namm_recipe_json()).split;
  REQUIRE(whole.evaluator.calls.front().what == "normalisation");
  int populations = 0, selections = 0;
  for (const auto& call : whole.evaluator.calls) {
    const bool population = call.what == "evaluate" && call.members == 8;
    const bool selection = call.what == "evaluate" && call.members == 1;
    populations += population;  // all members in one request: its prompts are theirs
    selections += selection;
    for (const auto& of_task : call.prompts) {
      for (const auto& prompt : of_task) {
        const auto use = training::use_of(prompt, split);
        CHECK(use != training::NammUse::kTest);
        if (population) CHECK(use == training::NammUse::kTraining);
        if (selection) CHECK(use == training::NammUse::kSelection);
      }
    }
  }
  CHECK(populations == 14);
  CHECK(selections == 8);
}

TEST_CASE("a run that was stopped goes on to the same result, bit for bit",
          "[evolution][property]") {
  for (const char* name : {"cma_full", "cma_diag", "es_csa"}) {
    const TempDir folder;
    auto text = namm_recipe_json();
    text["optimiser"].as_object()["name"] = name;
    const auto recipe = namm_recipe(text);
    Run whole;
    whole.result =
        train_namm(recipe, namm_options_for(folder / "whole"), whole.evaluator, whole.memory);

    const auto options = namm_options_for(folder / "broken");
    std::vector<Sink::Point> points;
    std::vector<std::string> texts;
    std::int64_t done = 0;
    const auto keep = [&](const NammMemory& memory) {
      CHECK(memory.resumed_after == done);
      points.insert(points.end(), memory.points.begin(), memory.points.end());
      texts.insert(texts.end(), memory.texts.begin(), memory.texts.end());
    };
    for (const std::int64_t stop : {1, 4, 8, 13}) {  // 8: between the stages
      FakeEvaluator evaluator;
      NammMemory memory(stop);
      const auto result = train_namm(recipe, options, evaluator, memory);
      CHECK_FALSE(result.finished);
      CHECK(result.generations == stop);
      CHECK(memory.saved == stop);
      keep(memory);
      done = stop;
    }
    FakeEvaluator evaluator;
    NammMemory memory;
    const auto result = train_namm(recipe, options, evaluator, memory);
    keep(memory);
    CHECK(result.finished);
    CHECK(same(result, whole.result));
    CHECK(points == whole.memory.points);
    CHECK(texts == whole.memory.texts);

    // A finished run gives its result again, without any work.
    FakeEvaluator idle;
    NammMemory again;
    CHECK(same(train_namm(recipe, options, idle, again), whole.result));
    CHECK(idle.calls.empty());
    CHECK(fs::exists(options.out / "namm.state"));
    remove_namm_state(options);
    CHECK_FALSE(fs::exists(options.out / "namm.state"));
  }
}

TEST_CASE("a run that is interrupted or fails in a generation repeats it whole",
          "[evolution][property]") {
  const TempDir folder;
  const auto recipe = namm_recipe(namm_recipe_json());
  Run whole;
  whole.result =
      train_namm(recipe, namm_options_for(folder / "whole"), whole.evaluator, whole.memory);
  const auto options = namm_options_for(folder / "broken");
  for (const ErrorKind kind : {ErrorKind::kInterrupted, ErrorKind::kResource}) {
    FakeEvaluator evaluator;
    evaluator.spoil = [&](const NammRequest& request, auto&) {
      if (request.generation == (kind == ErrorKind::kInterrupted ? 5 : 10)) {
        throw Error(kind, "here");
      }
    };
    NammMemory memory;
    if (kind == ErrorKind::kInterrupted) {
      const auto result = train_namm(recipe, options, evaluator, memory);
      CHECK_FALSE(result.finished);
      CHECK(result.generations == 5);
      CHECK(result.history.size() == 5);
    } else {
      error_of(kind, [&] { train_namm(recipe, options, evaluator, memory); });
    }
  }
  FakeEvaluator evaluator;
  NammMemory memory;
  CHECK(same(train_namm(recipe, options, evaluator, memory), whole.result));
  CHECK(memory.resumed_after == 10);
}

TEST_CASE("a generation whose worker was lost is evaluated again, at most three times",
          "[evolution][fault]") {
  const TempDir folder;
  Run whole, lossy;
  run(whole, namm_recipe_json(), folder);
  int lost = 0;
  lossy.evaluator.spoil = [&](const NammRequest& request, auto&) {
    if (request.generation == 4 && lost++ < 2) throw Error(ErrorKind::kCrash, "worker 2 died");
  };
  const TempDir other;
  run(lossy, namm_recipe_json(), other);
  CHECK(same(lossy.result, whole.result));
  CHECK(lossy.memory.records[4].attempts == 3);
  CHECK(lossy.memory.records[5].attempts == 1);
  int told = 0;
  for (const auto& message : lossy.memory.messages) {
    told += message == "generation 5 is evaluated again: worker 2 died";
  }
  CHECK(told == 2);

  FakeEvaluator dead;
  dead.spoil = [](const NammRequest&, auto&) { throw Error(ErrorKind::kTimeout, "too slow"); };
  CHECK_THAT(run_error(ErrorKind::kTimeout, namm_recipe_json(), dead), Contains("too slow"));
}

TEST_CASE("a stage takes over the whole search, and its best begins anew", "[evolution]") {
  const TempDir folder;
  Run whole;
  run(whole, namm_recipe_json(), folder);
  const auto& records = whole.memory.records;
  CHECK(records[8].stage == "two");
  CHECK(records[8].sigma != 0.1);
  CHECK(records[8].mean_norm > 0);
  // The same search without a change of stages is drawn alike: mean, sigma and random stream.
  auto text = namm_recipe_json();
  text["stages"].as_array().pop_back();
  text["stages"].at(0).as_object()["generations"] = 14;
  const TempDir other;
  Run straight;
  run(straight, text, other);
  CHECK(straight.memory.records[8].sigma == records[8].sigma);
  CHECK(straight.memory.records[8].mean_norm == records[8].mean_norm);
  CHECK(whole.result.best_generation >= 8);
  CHECK(straight.result.best_generation >= 1);
}

TEST_CASE("the first mean, which nothing evolved, is never the best", "[evolution]") {
  const TempDir folder;
  Run whole;
  // Members and later means are all worse than what keeps everything.
  whole.evaluator.spoil = [](const NammRequest&, std::vector<NammOutcome>& outcomes) {
    for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i].scores[0] = -double(i);
  };
  auto text = namm_recipe_json();
  text["stages"].as_array().pop_back();
  run(whole, text, folder);
  CHECK(whole.result.best_generation > 0);
  CHECK(whole.result.best_mean != std::vector<double>(6, 0));
}

TEST_CASE("a task that the full cache fails is left out of the mean", "[evolution]") {
  const TempDir folder;
  Run whole;
  whole.evaluator.base_scores["qa"] = 0.019;
  run(whole, namm_recipe_json(), folder);
  for (const auto& record : whole.memory.records) {
    if (record.stage == "one") {
      CHECK(record.dropped.empty());
      continue;
    }
    CHECK(record.dropped == std::vector<std::string>{"qa"});
    CHECK(record.fitnesses[0] == Approx(record.members[0].scores[0] / record.base.scores[0]));
    CHECK(record.members[0].scores.size() == 2);  // raw scores are told of all the same
  }
  CHECK_THAT(whole.memory.messages[4], Contains("stage two") && Contains("left out: qa"));

  FakeEvaluator none;
  none.base_scores["recall"] = 0.01;
  CHECK_THAT(
      run_error(ErrorKind::kModel, namm_recipe_json(), none),
      Contains("recipe small, stage one") && Contains("least_base") && Contains("likelihood"));
}

TEST_CASE("the likelihood of answers can take the place of scores", "[evolution]") {
  const TempDir folder;
  auto text = namm_recipe_json();
  text["fitness"] = {{"kind", "likelihood"}};
  Run whole;
  whole.evaluator.base_scores["recall"] = 0;  // no task is left out
  run(whole, text, folder);
  for (const auto& record : whole.memory.records) {
    CHECK(record.dropped.empty());
    CHECK(record.fitnesses[1] == Approx(record.members[1].likelihoods[0]));
  }
  CHECK(whole.result.history.back().fitness_mean > whole.result.history.front().fitness_mean);
}

TEST_CASE("outcomes that are not whole end the run before they count", "[evolution][fault]") {
  const auto error = [](ErrorKind kind, auto change) {
    FakeEvaluator evaluator;
    evaluator.spoil = [&](const NammRequest& request, std::vector<NammOutcome>& outcomes) {
      if (request.generation == 2) change(outcomes);
    };
    return run_error(kind, namm_recipe_json(), evaluator);
  };
  using Outcomes = std::vector<NammOutcome>;
  CHECK_THAT(error(ErrorKind::kModel,
                   [](Outcomes& o) { o[5].scores[0] = std::numeric_limits<double>::quiet_NaN(); }),
             Contains("generation 3, member 5, task recall") && Contains("not finite"));
  CHECK_THAT(error(ErrorKind::kInternal, [](Outcomes& o) { o.pop_back(); }),
             Contains("generation 3: expected 8 members, found 7"));
  CHECK_THAT(error(ErrorKind::kInternal, [](Outcomes& o) { o[1].scores.push_back(1); }),
             Contains("generation 3, member 1") && Contains("of 1 tasks, found 2"));
  CHECK_THAT(error(ErrorKind::kModel, [](Outcomes& o) { o[0].cache_peak = INFINITY; }),
             Contains("generation 3, member 0") && Contains("cache"));
}

TEST_CASE("the state of another run, or a damaged one, is refused", "[evolution][fault]") {
  const TempDir folder;
  const auto recipe = namm_recipe(namm_recipe_json());
  auto options = namm_options_for(folder / "out");
  FakeEvaluator evaluator;
  NammMemory memory(3);
  train_namm(recipe, options, evaluator, memory);
  const auto error = [&] {
    NammMemory other;
    return error_of(ErrorKind::kData, [&] { train_namm(recipe, options, evaluator, other); });
  };
  options.seed = 2;
  CHECK_THAT(error(), Contains("namm.state") && Contains("belongs to something else") &&
                          Contains("give another --out, or delete it"));
  options.seed = 1;
  options.initial_mean[0] = 1e-9;
  CHECK_THAT(error(), Contains("belongs to something else"));
  options.initial_mean[0] = 0;
  options.inputs["engine"] = 7;
  CHECK_THAT(error(), Contains("belongs to something else"));
  options.inputs.clear();
  std::string bytes = bytes_of(options.out / "namm.state");
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(options.out / "namm.state", bytes);
  CHECK_THAT(error(), Contains("damaged") && Contains("delete it"));
}

}  // namespace
}  // namespace lethe::test
