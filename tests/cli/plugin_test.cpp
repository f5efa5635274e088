// SPDX-License-Identifier: Apache-2.0
// Plugins as a user meets them: built against the installed SDK, in runs and reports, and when they
// fail.
#include <filesystem>

#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {
namespace {

std::string plugin(const std::string& name) {
  return std::string(LETHE_TEST_PLUGINS) + "/" + name + ".so";
}

/// A small grid over real text.
void write_suite(const std::filesystem::path& path, const std::string& policies,
                 const std::string& more = "") {
  write_file_atomically(path, R"({"name": "p", "models": ["smollm2-135m"],
    "tasks": [{"name": "pg19", "books": ["860", "2544"], "windows": 1}], "policies": [)" +
                                  policies + R"(], "budgets": [24], "lengths": [96],
    "dtypes": ["float32"], "seeds": [0])" +
                                  more + "}");
}

TEST_CASE("every command of the guide to plugins works", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::create_directory_symlink(source_dir() / "data", folder / "data");
  std::filesystem::create_directory_symlink(source_dir() / "examples", folder / "examples");
  const std::string page = read_text_file(source_dir() / "docs/adding-a-policy.md");
  const auto block_after = [&](const std::string& fence, std::size_t from) {
    const auto at = page.find(fence, from) + fence.size();
    return page.substr(at, page.find("```", at) - at);
  };
  // The page shows the example as it is.
  const std::string code = block_after("```cpp\n", 0);
  const std::string example = read_text_file(source_dir() / "examples/policy_plugin/sink_tova.cpp");
  CHECK_THAT(example, Catch::Contains(code));
  write_file_atomically(folder / "suite.json", block_after("```json\n", 0));
  int commands = 0;
  for (std::size_t at = 0; (at = page.find("```sh\n", at)) != std::string::npos; ++at) {
    for (std::string line : split(block_after("```sh\n", at), '\n')) {
      line = line.substr(0, line.find("   #"));
      if (line.empty()) continue;
      if (line.starts_with("./")) line = line.substr(2);
      const std::string installed = "cmake --install build/release";
      if (line.starts_with(installed)) {
        line = "cmake --install " LETHE_BUILD_DIR + line.substr(installed.size());
      }
      const auto outcome = shell(line, folder.path());
      CAPTURE(line, outcome.err, outcome.out);
      REQUIRE(outcome.code == 0);
      ++commands;
    }
  }
  CHECK(commands >= 7);
  const std::string report = read_text_file(folder / "report" / "report.md");
  CHECK_THAT(report, Catch::Contains("sink-tova") && Catch::Contains("TOVA-layer"));
}

TEST_CASE("a plugin is part of a cell's key, and a run needs it", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::copy_file(plugin("tova_twin"), folder / "mine.so");
  write_suite(folder / "p.json", R"("tova", "tova-twin", "full")", R"(, "plugins": ["mine.so"])");
  const auto run = shell(
      "lethe run p.json --db p.db && lethe query --db p.db --format csv \"SELECT c.policy, "
      "json_extract(c.inputs, '$.plugin_sha256') IS NOT NULL, sum(s.nll_sum) FROM samples s JOIN "
      "cells c USING (cell_key) WHERE c.budget IS NOT NULL GROUP BY 1 ORDER BY 1\"",
      folder.path());
  CAPTURE(run.err, run.out);
  REQUIRE(run.code == 0);
  const auto lines = split(run.out, '\n');
  std::string own, outside;
  for (const auto& line : lines) {
    if (line.starts_with("tova,0,")) own = line.substr(7);
    if (line.starts_with("tova-twin,1,")) outside = line.substr(12);
  }
  CHECK_FALSE(own.empty());
  CHECK(own == outside);
  // Built anew, it is another policy.
  std::filesystem::remove(folder / "mine.so");
  std::filesystem::copy_file(plugin("tova_twin"), folder / "mine.so");
  CHECK_THAT(shell("lethe run p.json --db p.db", folder.path()).out,
             Catch::Contains("no forward pass"));
  REQUIRE(shell("printf x >> mine.so", folder.path()).code == 0);
  const auto again = shell("lethe run p.json --db p.db --dry-run", folder.path());
  CAPTURE(again.out, again.err);
  CHECK_THAT(again.out, Catch::Contains("2 to run"));
  // Without it nobody knows the policy.
  write_suite(folder / "q.json", R"("tova-twin")");
  const auto unknown = shell("lethe run q.json --db q.db", folder.path());
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Catch::Contains("policy 'tova-twin' is unknown"));
  CHECK(shell("lethe run q.json --db q.db --plugin " + plugin("tova_twin"), folder.path()).code ==
        0);
  for (const std::string bad : {"broken_2", "broken_6", "none"}) {
    const auto refused = shell("lethe list policies --plugin " + plugin(bad), folder.path());
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Catch::Contains(bad));
  }
}

TEST_CASE("a plugin that crashes, hangs or lies costs its cell, not the grid",
          "[cli][integration]") {
  const TempDir folder;
  write_suite(folder / "p.json",
              R"("tova", "liar:mode=crash", "liar:mode=hang", "liar:mode=throw", "liar:mode=range",
              "full")");
  const auto run =
      shell("lethe run p.json --db p.db --time-limit 6 --retries 1 --plugin " + plugin("liar"),
            folder.path());
  CAPTURE(run.err, run.out);
  CHECK(run.code == 1);
  const auto rows = shell(
      "lethe query --db p.db --format csv \"SELECT policy, status, reason FROM cells ORDER BY 1\"",
      folder.path());
  CAPTURE(rows.out);
  CHECK_THAT(rows.out, Catch::Contains("full,done") && Catch::Contains("tova,done") &&
                           Catch::Contains("liar:mode=crash,crashed") &&
                           Catch::Contains("liar:mode=hang,timeout") &&
                           Catch::Contains("liar:mode=throw,failed") &&
                           Catch::Contains("I will not choose") &&
                           Catch::Contains("liar:mode=range,failed"));
}

TEST_CASE("a plugin that is built anew during a run is not taken for the planned one",
          "[cli][integration]") {
  const TempDir folder;
  std::filesystem::copy_file(plugin("liar"), folder / "mine.so");
  write_suite(folder / "p.json", R"("tova", "liar:mode=rebuild")", R"(, "plugins": ["mine.so"])");
  const auto run = shell("lethe run p.json --db p.db", folder.path());
  CAPTURE(run.err, run.out);
  CHECK(run.code == 1);
  const auto rows = shell(
      "lethe query --db p.db --format csv \"SELECT policy, status, reason FROM cells ORDER BY 1\"",
      folder.path());
  CAPTURE(rows.out);
  CHECK_THAT(rows.out,
             Catch::Contains("tova,done") && Catch::Contains("liar:mode=rebuild,failed") &&
                 Catch::Contains("its plugin is not the one that the plan was made with"));
}

}  // namespace
}  // namespace lethe::test
