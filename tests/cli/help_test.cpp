// SPDX-License-Identifier: Apache-2.0
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "harness/base/version.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

namespace {

/// Names in the command list of `lethe help`, without those of the launcher.
std::vector<std::string> commands() {
  const TempDir folder;
  std::vector<std::string> names;
  bool listing = false;
  for (const auto& line : lines_of(shell("lethe help", folder.path()).out)) {
    if (listing && line.empty()) break;
    if (listing) names.push_back(line.substr(2, line.find(' ', 2) - 2));
    listing = listing || line == "Commands:";
  }
  return names;
}

}  // namespace

TEST_CASE("every command explains itself", "[cli][integration]") {
  const TempDir folder;
  const auto names = commands();
  CHECK(names.size() >= 8);
  for (const auto& name : names) {
    CAPTURE(name);
    const auto asked = shell("lethe " + name + " --help", folder.path());
    CHECK(asked.code == 0);
    CHECK(asked.err.empty());
    CHECK_THAT(asked.out, Contains("Usage: lethe " + name) && Contains("\nOptions:\n") &&
                              Contains("\nExamples:\n  # "));
    CHECK(shell("lethe help " + name, folder.path()).out == asked.out);
  }
}

TEST_CASE("every example of --help works as it stands", "[cli][integration]") {
  const TempDir folder;
  // A report wants rows, so the commands that make them come first, as in the list.
  const auto examples = lines_of(shell("lethe help --examples", folder.path()).out);
  CHECK(examples.size() >= 2 * commands().size() - 2);
  for (const auto& line : examples) {
    CAPTURE(line);
    const auto outcome = shell(line, folder.path());
    CAPTURE(outcome.out, outcome.err);
    CHECK(outcome.code == 0);
  }
}

TEST_CASE("version, help and launcher commands", "[cli][integration]") {
  const TempDir folder;
  CHECK_THAT(shell("lethe --version", folder.path()).out, Contains(version().version));
  const auto nothing = shell("lethe", folder.path());
  CHECK(nothing.code == 2);
  CHECK_THAT(nothing.err, Contains("Usage: lethe COMMAND"));
  for (const auto* name : {"doctor", "setup", "test"}) {
    const auto outcome = shell(std::string("lethe ") + name, folder.path());
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, Contains(std::string("run ./lethe ") + name));
  }
}

TEST_CASE("lists name what there is", "[cli][integration]") {
  const TempDir folder;
  const std::vector<std::pair<std::string, std::string>> expected{
      {"models", "smollm2-135m"}, {"policies", "tova"}, {"tasks", "pg19"},
      {"suites", "quick"},        {"queries", "speed"}, {"metrics", "ppl"},
      {"metrics", "qa_f1_score"}};
  for (const auto& [what, name] : expected) {
    CAPTURE(what);
    CHECK_THAT(shell("lethe list " + what, folder.path()).out, Contains(name));
    const auto rows = parse_json(shell("lethe list " + what + " --json", folder.path()).out, what,
                                 ErrorKind::kData);
    REQUIRE(rows.is_array());
    CHECK_FALSE(rows.as_array().empty());
  }
}

TEST_CASE("a reader that goes away is no error, a full disk is", "[cli][integration]") {
  const TempDir folder;
  const auto piped = shell(
      "yes '{\"text\": \"Lethe\"}' | head -n 20000 > in; "
      "{ lethe tokenize --model smollm2-135m --jsonl < in; echo $? >code; } | head -n 1",
      folder.path());
  CHECK(piped.err.empty());
  CHECK(read_file(folder / "code", ErrorKind::kData) == "0\n");
  const auto full = shell("lethe list policies > /dev/full", folder.path());
  CHECK(full.code == 2);
  CHECK_THAT(full.err, Contains("cannot write all of the output"));
}

}  // namespace lethe::test
