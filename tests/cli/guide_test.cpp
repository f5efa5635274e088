// SPDX-License-Identifier: Apache-2.0
// The commands that the guides print work, in the order in which they are printed.
#include <filesystem>

#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

namespace {

/// The blocks of a language in a Markdown page.
std::vector<std::string> blocks(const std::string& page, const std::string& language) {
  std::vector<std::string> out;
  const std::string start = "```" + language + "\n";
  for (std::size_t at = 0; (at = page.find(start, at)) != std::string::npos;) {
    at += start.size();
    out.push_back(page.substr(at, page.find("```", at) - at));
  }
  return out;
}

// Minutes long, or the launcher's own: other tests, and CI itself, run those. Or for a GPU or a
// network, which CI has not.
bool left_out(const std::string& line) {
  for (const auto* part : {"reproduce quick", "report/quick", "./lethe test", "./lethe setup",
                           "--device cuda", "./lethe doctor", "bench exact", "bench generate",
                           "reproduce longbench-mini", "reproduce tova-tasks", "fetch squality"}) {
    if (line.find(part) != std::string::npos) return true;
  }
  return line.rfind("./lethe ", 0) != 0;
}

}  // namespace

TEST_CASE("every command that README and guides print works", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::create_directory_symlink(source_dir() / "data", folder / "data");
  const auto guide = read_text_file(source_dir() / "docs/user-guide.md");
  write_file_atomically(folder / "mine.json", blocks(guide, "json").front());
  write_file_atomically(folder / "prompt.txt", "The capital of France is");
  write_file_atomically(folder / "talk.json",
                        R"([{"role": "user", "content": "What is the capital of France?"}])");
  write_file_atomically(
      folder / "cases.jsonl",
      R"({"metric": "qa_f1_score", "prediction": "The river Lethe.", "references": ["Lethe"]})");
  // Two nights of a grid, to be joined.
  const auto nights = shell(
      "lethe run mine.json --db night1.db --set policies=full && "
      "lethe run mine.json --db night2.db --set policies=tova --set budgets=100",
      folder.path());
  CAPTURE(nights.err);
  REQUIRE(nights.code == 0);
  int commands = 0;
  for (const auto& page : {guide, read_text_file(source_dir() / "README.md"),
                           read_text_file(source_dir() / "docs/rmt.md"),
                           read_text_file(source_dir() / "docs/namm.md")}) {
    for (const auto& block : blocks(page, "sh")) {
      for (auto line : split(block, '\n')) {
        if (left_out(line)) continue;
        const auto outcome = shell(line.substr(2), folder.path());
        CAPTURE(line, outcome.err, outcome.out);
        CHECK(outcome.code == 0);
        ++commands;
      }
    }
  }
  CHECK(commands > 20);
}

TEST_CASE("the guide to adding a task leads from two records to a score", "[cli][integration]") {
  const TempDir folder;
  const auto guide = read_text_file(source_dir() / "docs/adding-a-task.md");
  std::filesystem::create_directory(folder / "rivers");
  write_file_atomically(folder / "rivers/rivers.jsonl", blocks(guide, "jsonl").at(0));
  write_file_atomically(folder / "rivers.json", blocks(guide, "json").at(0));
  write_file_atomically(folder / "suite.json", blocks(guide, "json").at(1));
  std::string out;
  for (const auto& block : blocks(guide, "sh")) {
    for (const auto& line : split(block, '\n')) {
      if (line.empty()) continue;
      const auto outcome = shell(line.substr(2), folder.path());
      CAPTURE(line, outcome.err, outcome.out);
      REQUIRE(outcome.code == 0);
      out += outcome.out;
    }
  }
  CHECK_THAT(out, Catch::Contains("truncate") && Catch::Contains("styx"));
  CHECK_THAT(out, Catch::Contains("8 scores; all sound"));
  const auto again = shell("lethe run suite.json --db rivers.db", folder.path());
  CHECK_THAT(again.out + again.err, Catch::Contains("no forward pass was needed"));
  // One byte of the prompt, and all of it is to be done again.
  const auto declaration = read_text_file(folder / "rivers.json");
  const auto at = declaration.find("Question: ");
  write_file_atomically(folder / "rivers.json",
                        std::string(declaration).replace(at, 10, "question: "));
  const auto changed = shell("lethe run suite.json --db rivers.db --dry-run", folder.path());
  CHECK_THAT(changed.out, Catch::Contains("8 to run"));
  const auto refused =
      shell("lethe run suite.json --db rivers.db --set schedules=exact", folder.path());
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Catch::Contains("truncate") && Catch::Contains("post-prompt"));
}

}  // namespace lethe::test
