// SPDX-License-Identifier: Apache-2.0
// lethe train rmt, end to end: stopped, killed, gone on with, refused.
#include <filesystem>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Waits for a file; exits 9 when it does not come, 8 when the program ends before.
std::string await(const std::string& file) {
  return "tries=0\n"
         "until [ -e " +
         file +
         " ]; do\n"
         "  tries=$((tries + 1)); [ $tries -lt 6000 ] || exit 9\n"
         "  kill -0 $trainer || exit 8\n"
         "  sleep 0.01\n"
         "done\n";
}

}  // namespace

TEST_CASE("training that is stopped or killed goes on to the same checkpoint",
          "[cli][rmt][integration]") {
  const TempDir folder;
  // A second stage that no signal comes too late for.
  auto recipe =
      read_json_file(source_dir() / "data/rmt/recipes/smoke.json", ErrorKind::kData).as_object();
  recipe["stages"].as_array()[1].as_object()["steps"] = 400;
  write_file_atomically(folder / "slow.json", json::serialize(recipe));
  const auto outcome = shell(
      // (A function in the background would be a shell around the program, which hears no signal.)
      "how=\"rmt --recipe slow.json --seed 3 --threads 1 --keep-stages --state-seconds 0\"\n"
      "lethe train $how --out calm 2>calm.err || exit 7\n"
      "lethe train $how --out broken 2>stopped.err &\n"
      "trainer=$!\n" +
          await("broken/stages/one/provenance.json") +
          "kill -INT $trainer; wait $trainer; echo stopped $?\n"
          "[ -e broken/train.state ] || exit 6\n"
          "[ -e broken/model.safetensors ] && exit 5\n"
          "lethe train $how --out broken 2>killed.err &\n"
          "trainer=$!\n"
          "sleep 0.5; kill -9 $trainer; wait $trainer\n"
          "lethe train $how --out broken 2>on.err || exit 4\n"
          "for file in model.safetensors config.json tokenizer.json; do\n"
          "  cmp calm/$file broken/$file || exit 3\n"
          "done\n"
          "cmp calm/stages/three/model.safetensors broken/model.safetensors || exit 2\n"
          "[ -e broken/train.state ] && exit 1\n"
          "lethe train $how --out broken 2>again.err",
      folder.path());
  CAPTURE(outcome.err, outcome.out);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.out, Contains("stopped 130"));
  const auto said = [&](const char* name) { return read_file(folder / name, ErrorKind::kData); };
  CHECK_THAT(said("calm.err"), Contains("stage one: 40 steps") &&
                                   Contains("stage three: 400 steps") &&
                                   Contains("trained smoke, seed 3: 440 steps"));
  CHECK_THAT(said("stopped.err"),
             Contains("stopped after step") && Contains("the same command goes on from there"));
  CHECK_THAT(said("on.err"), Contains("trained smoke, seed 3: 440 steps"));
  CHECK_THAT(said("again.err"), Contains("broken is trained: recipe smoke, seed 3"));
  const auto provenance =
      read_json_file(folder / "broken/provenance.json", ErrorKind::kData).as_object();
  CHECK(provenance.at("seed") == 3);
  CHECK(provenance.at("threads") == 1);
  CHECK(provenance.at("validation_accuracy").as_array().size() == 3);
  CHECK(provenance.contains("commit"));
}

TEST_CASE("a checkpoint whose model is another is trained again", "[cli][rmt]") {
  const TempDir folder;
  const auto outcome = shell(
      "lethe train rmt --recipe smoke --threads 1 --out m 2>/dev/null || exit 9\n"
      "cp m/model.safetensors good\n"
      "lethe train rmt --recipe smoke --threads 1 --seed 2 --out other 2>/dev/null || exit 8\n"
      // As a run of another seed leaves it that is killed between two files.
      "cp other/model.safetensors m/model.safetensors\n"
      "lethe train rmt --recipe smoke --threads 1 --out m && cmp good m/model.safetensors",
      folder.path());
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("trained smoke, seed 1: 80 steps"));
}

TEST_CASE("training that cannot begin says why", "[cli][rmt][fault]") {
  const TempDir folder;
  write_file_atomically(folder / "own.json", R"({"name": "own", "task": "detect", "stagse": []})");
  write_file_atomically(folder / "broken.json", "{");
  fs::create_directories(folder / "damaged");
  write_file_atomically(folder / "damaged/train.state", "LSTATE1\nnonsense");
  write_file_atomically(folder / "file", "");
  struct Case {
    std::string words, message;
  };
  const Case cases[] = {
      {"", "WHAT"},
      {"rtm --recipe smoke --out m", "did you mean 'rmt'"},
      {"rmt --recipe smok --out m", "did you mean 'smoke'"},
      {"rmt --out m", "recipe"},
      {"rmt --recipe smoke", "out"},
      {"rmt --recipe own.json --out m", "own.json"},
      {"rmt --recipe broken.json --out m", "broken.json"},
      {"rmt --recipe smoke --out m --seed -1", "seed"},
      {"rmt --recipe smoke --out m --device nowhere", "nowhere"},
      {"rmt --recipe smoke --out damaged", "damaged/train.state"},
      {"rmt --recipe smoke --out file/m", "cannot write file/m"},
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

}  // namespace lethe::test
