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
  for (const auto* part :
       {"reproduce quick", "report/quick", "./lethe test", "./lethe setup", "--device cuda",
        "./lethe doctor", "bench exact", "bench generate", "fetch squality"}) {
    if (line.find(part) != std::string::npos) return true;
  }
  return line.rfind("./lethe ", 0) != 0;
}

}  // namespace

TEST_CASE("every command that README and user guide print works", "[cli][integration]") {
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
  for (const auto& page : {guide, read_text_file(source_dir() / "README.md")}) {
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

}  // namespace lethe::test
