// SPDX-License-Identifier: Apache-2.0
// lethe train namm on the decoder of recall, end to end; and a decoder that was just trained as the
// model of a grid.
#include <filesystem>
#include <set>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

json::object tiny_recipe() {
  return parse_json(R"({
    "name": "tiny", "model": "recall",
    "policy": {"scorer": "bam", "update": 32, "hidden": 4, "bias": 1, "cap": 32},
    "optimiser": {"name": "es_csa", "population": 4},
    "split": {"selection": 2, "test": 2}, "selection_every": 1, "normalisation_prompts": 1,
    "stages": [{"name": "only", "generations": 2,
                "tasks": [{"task": "recall", "length": 96, "prompts": 2}]}]})",
                    "tiny recipe", ErrorKind::kConfig)
      .as_object();
}

void write_recipe(const fs::path& file, const json::object& recipe) {
  write_file_atomically(file, json::serialize(recipe));
}

json::object object_in(const fs::path& file) {
  return read_json_file(file, ErrorKind::kData).as_object();
}

// What is evolved, without who did so and how long it took.
json::object evolved(const fs::path& file) {
  json::object parameters = object_in(file);
  REQUIRE(parameters.erase("provenance") == 1);
  return parameters;
}

const std::string kTrain = "lethe train namm --recipe tiny.json --threads 1 ";

}  // namespace

TEST_CASE("parameters are evolved, once, and are a policy", "[cli][namm][integration]") {
  const TempDir folder;
  write_recipe(folder / "tiny.json", tiny_recipe());
  const auto first = shell(kTrain + "--workers 1 --out m --db r.db", folder.path());
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  CHECK(first.out.empty());
  CHECK_THAT(first.err, Contains("evolved tiny, seed 1: 2 generations"));
  const auto told = lines_of(read_file(folder / "m/generations.jsonl", ErrorKind::kData));
  REQUIRE(told.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto record = parse_json(told[i], "record", ErrorKind::kData).as_object();
    CHECK(record.at("generation") == static_cast<std::int64_t>(i) + 1);
  }
  for (const char* name : {"namm.json", "last.json"}) {
    const auto provenance = object_in(folder / "m" / name).at("provenance").as_object();
    CHECK(provenance.at("recipe") == json::value(tiny_recipe()));
    CHECK(provenance.at("seed") == 1);
    CHECK(provenance.at("generations") == 2);
    // The start and two generations.
    CHECK(provenance.at("history").as_array().size() == 3);
  }
  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder / "m")) {
    files.insert(entry.path().filename());
  }
  CHECK(files == std::set<std::string>{"generations.jsonl", "last.json", "logs", "namm.json"});

  // The same again is done, the same elsewhere the same, whoever evaluates.
  const auto before = read_file(folder / "m/namm.json", ErrorKind::kData);
  const auto again = shell(kTrain + "--workers 1 --out m", folder.path());
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("m is evolved: recipe tiny, seed 1"));
  CHECK(read_file(folder / "m/namm.json", ErrorKind::kData) == before);
  const auto two = shell(kTrain + "--workers 2 --out two", folder.path());
  CAPTURE(two.err);
  REQUIRE(two.code == 0);
  for (const char* name : {"namm.json", "last.json"}) {
    CHECK(evolved(folder / "two" / name) == evolved(folder / "m" / name));
  }

  const auto refused = [&](const std::string& words) {
    const auto outcome = shell(words, folder.path());
    CAPTURE(words, outcome.err);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains("m: expected a new folder or one of recipe"));
    CHECK(read_file(folder / "m/namm.json", ErrorKind::kData) == before);
  };
  refused(kTrain + "--seed 2 --out m");
  auto other = tiny_recipe();
  other["selection_every"] = 2;
  write_recipe(folder / "other.json", other);
  refused("lethe train namm --recipe other.json --out m");

  write_file_atomically(folder / "grid.json", R"({
    "name": "grid", "models": ["recall"], "tasks": [{"name": "recall", "samples": 2}],
    "policies": ["namm:cap=true,weights=m/namm.json"], "budgets": [32], "lengths": [96],
    "schedules": ["block:32"], "dtypes": ["float32"], "seeds": [0]})");
  const auto run = shell(
      "lethe run grid.json --db r.db --threads 1 >/dev/null && lethe query --db r.db --format csv "
      "'SELECT tokens_seen, kept_max <= 32 FROM samples' && lethe query --db r.db --format csv "
      "'SELECT kind, name, status, last_step FROM trainings'",
      folder.path());
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  const auto lines = lines_of(run.out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == "96,1");
  CHECK(lines[2] == "96,1");
  CHECK(lines[4] == "namm,namm-tiny,done,2");
}

TEST_CASE("evolution that cannot begin says why", "[cli][namm][fault]") {
  const TempDir folder;
  const auto recipe_with = [&](const char* file, const char* member, json::value value) {
    auto recipe = tiny_recipe();
    recipe[member] = std::move(value);
    write_recipe(folder / file, recipe);
  };
  write_recipe(folder / "tiny.json", tiny_recipe());
  write_file_atomically(folder / "broken.json", "{");
  recipe_with("typo.json", "stagse", json::array{});
  recipe_with("model.json", "model", "recal");
  recipe_with("few.json", "optimiser", {{"name", "es_csa"}, {"population", 3}});
  auto task = tiny_recipe();
  task["stages"].at(0).at("tasks").at(0).as_object()["task"] = "recal";
  write_recipe(folder / "task.json", task);
  auto shorter = tiny_recipe();
  shorter["stages"].at(0).at("tasks").at(0).as_object()["length"] = 40;
  write_recipe(folder / "short.json", shorter);
  struct Case {
    std::string words, message;
  };
  const Case cases[] = {
      {"namm --out m", "recipe"},
      {"namm --recipe tiny.json", "out"},
      {"namm --recipe recal --out m", "did you mean 'recall'"},
      {"namm --recipe broken.json --out m", "broken.json"},
      {"namm --recipe typo.json --out m", "did you mean 'stages'"},
      {"namm --recipe model.json --out m", "did you mean 'recall'"},
      {"namm --recipe few.json --out m", "population"},
      {"namm --recipe task.json --out m", "did you mean 'recall'"},
      {"namm --recipe short.json --out m", "at least 64 tokens"},
      {"namm --recipe tiny.json --out m --seed -1", "seed"},
      {"namm --recipe tiny.json --out m --dtype flaot32", "float32"},
      // Options of the other trainer.
      {"namm --recipe tiny.json --out m --backbone b", "--backbone is for train rmt"},
      {"namm --recipe tiny.json --out m --keep-stages", "--keep-stages is for train rmt"},
      {"namm --recipe tiny.json --out m --state-seconds 1", "--state-seconds is for train rmt"},
      {"rmt --recipe smoke --out m --workers 2", "--workers is for train namm"},
      {"rmt --recipe smoke --out m --dtype float32", "--dtype is for train namm"},
  };
  for (const auto& [words, message] : cases) {
    const auto outcome = shell("lethe train " + words, folder.path());
    CAPTURE(words, outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.rfind("lethe: error: ", 0) == 0);
    CHECK_THAT(outcome.err, Contains(message));
    CHECK_FALSE(fs::exists(folder / "m"));
  }
}

TEST_CASE("a decoder trained without memory tokens is a model like any other",
          "[cli][rmt][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "plain.json", R"({
    "name": "plain", "task": "recall", "size": 64,
    "model": {"architecture": "llama", "layers": 2, "hidden": 32, "heads": 2, "kv_heads": 1,
              "intermediate": 48, "positions": 128, "memory": 0},
    "stages": [{"name": "only", "steps": 3, "batches": [{"batch": 4}]}]})");
  write_file_atomically(folder / "grid.json", R"({
    "name": "grid", "models": ["m"], "tasks": [{"name": "recall", "samples": 2}],
    "policies": ["full", "tova"], "budgets": [16], "lengths": [96],
    "schedules": ["exact"], "dtypes": ["float32"], "seeds": [0]})");
  const auto outcome = shell(
      "lethe train rmt --recipe plain.json --threads 1 --out m 2>/dev/null || exit 9\n"
      "lethe run grid.json --db r.db --threads 1 >/dev/null || exit 8\n"
      "lethe query --db r.db --format csv 'SELECT policy, tokens_in, tokens_cut, kept_max, "
      "score BETWEEN 0 AND 1 FROM samples ORDER BY policy, sample_id'",
      folder.path());
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto lines = lines_of(outcome.out);
  REQUIRE(lines.size() == 5);
  for (const std::size_t i : {0, 1}) {
    CHECK(lines[1 + i] == "full,96,0,96,1");
    CHECK(lines[3 + i] == "tova,96,0,16,1");
  }
  const auto scored = shell(
      "lethe query --db r.db --format csv 'SELECT tokens_scored FROM samples WHERE policy = "
      "\"full\"'",
      folder.path());
  CHECK(lines_of(scored.out).back() == "16");
}

}  // namespace lethe::test
