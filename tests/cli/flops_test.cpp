// SPDX-License-Identifier: Apache-2.0
// lethe flops rmt: the figure as table, CSV, JSON and Markdown, drawn, beside a database, and what
// is refused.
#include <filesystem>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

namespace {

json::value json_of(const Outcome& outcome) {
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  return parse_json(outcome.out, "flops", ErrorKind::kData);
}

/// A root whose data are those of the source tree, but for one text of the published figure.
void root_with(const TempDir& folder, const std::string& old_text, const std::string& new_text) {
  // What makes a folder a root.
  std::filesystem::create_directories(folder / "root/data/suites");
  const auto published = folder / "root/data/published";
  std::filesystem::create_directories(published);
  const std::string name = "rmt-figure3-flops.json";
  std::string figure = read_text_file(source_dir() / "data/published" / name);
  const auto at = figure.find(old_text);
  REQUIRE(at != std::string::npos);
  write_file_atomically(published / name, figure.replace(at, old_text.size(), new_text));
}

}  // namespace

TEST_CASE("flops recomputes every published figure", "[cli][integration]") {
  const TempDir folder;
  const auto report = json_of(shell("lethe flops rmt --json", folder.path()));
  CHECK(report.at("rows").as_array().size() == 5 * 13);
  const auto& published = report.at("published");
  CHECK(published.at("points") == 75);
  CHECK(published.at("equal_digits") == 44);
  CHECK(published.at("equal_drawing") == 31);
  CHECK(published.at("rmt_line") == 13);
  CHECK(published.at("missed").as_array().empty());
  for (const auto& row : report.at("rows").as_array()) {
    CHECK(row.at("published").is_number());
    CHECK(row.at("memory_flops").to_number<double>() > row.at("rmt_flops").to_number<double>());
  }
  const auto table = shell("lethe flops rmt", folder.path());
  CHECK(table.code == 0);
  CHECK_THAT(table.out, Contains("75 of 75 points") && Contains("x295.1 fewer operations") &&
                            Contains("x29.0 fewer operations") && Contains("1180263.177"));
}

TEST_CASE("flops takes sizes, shapes, lengths and segments", "[cli][integration]") {
  const TempDir folder;
  CHECK(json_of(shell("lethe flops rmt --json --model all", folder.path()))
            .at("rows")
            .as_array()
            .size() == 9 * 13);
  const auto report = json_of(
      shell("lethe flops rmt --json --shape mine:layers=2,width=4,heads=1,ffn=8,vocabulary=10 "
            "--lengths 2^3..2^4,12 --segment 4 --memory 1",
            folder.path()));
  REQUIRE(report.at("rows").as_array().size() == 3);
  const auto& row = report.at("rows").at(1);
  // By hand: 2 (8·12·16 + 4·144·4 + 10·144 + 4·12·4·8) + 2·12·4·10 and, of 6 positions, thrice.
  CHECK(row.at("length") == 12);
  CHECK(row.at("full_flops").to_number<double>() == 14592);
  CHECK(row.at("memory_flops").to_number<double>() == 3 * 5424);
  CHECK(row.at("published").is_null());
  const auto csv =
      shell("lethe flops rmt --model OPT-350M --lengths 1024 --format csv", folder.path());
  CHECK(csv.code == 0);
  CHECK_THAT(csv.out, Catch::Matchers::StartsWith("model,length,full_flops,full_ratio,published,"));
  CHECK(lines_of(csv.out).size() == 2);
  const auto markdown =
      shell("lethe flops rmt --model OPT-175B --format md --out flops.md", folder.path());
  CHECK(markdown.out.empty());
  CHECK_THAT(markdown.err, Contains("wrote flops.md"));
  CHECK_THAT(read_text_file(folder / "flops.md"), Contains("| OPT-175B | 2,048,000 |"));
}

TEST_CASE("flops draws figures of five models each", "[cli][integration]") {
  const TempDir folder;
  const auto report =
      json_of(shell("lethe flops rmt --json --model all --plot figures", folder.path()));
  CHECK(report.at("files").as_array().size() == 6);
  CHECK_THAT(read_file(folder / "figures/rmt-flops.svg", ErrorKind::kData),
             Contains("OPT-125M") && Contains("RMT, any model"));
  CHECK_THAT(read_file(folder / "figures/rmt-flops-2.svg", ErrorKind::kData),
             Contains("OPT-175B") && Contains("RMT, any model"));
}

TEST_CASE("flops puts what was measured below", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::copy_file(golden("store/v1.db"), folder / "lethe.db");
  const auto report = json_of(shell("lethe flops rmt --json --db lethe.db", folder.path()));
  REQUIRE_FALSE(report.at("measured").as_array().empty());
  const auto& row = report.at("measured").at(0);
  CHECK(row.at("seconds_per_sample").to_number<double>() > 0);
  CHECK(row.at("times_length").to_number<double>() == 1);
  CHECK(row.at("times_seconds").to_number<double>() == 1);
  CHECK(row.at("kv_bytes").is_int64());
  CHECK_THAT(shell("lethe flops rmt --db lethe.db", folder.path()).out, Contains("Measured: "));
}

TEST_CASE("a published figure that is not met ends with code 3", "[cli][integration]") {
  const TempDir folder;
  const std::string line = "export LETHE_ROOT=\"$PWD/root\"; lethe flops rmt";
  root_with(folder, "\"value\": 2.147,", "\"value\": 2.148,");
  const auto digit = shell(line, folder.path());
  CHECK(digit.code == 3);
  CHECK_THAT(digit.out, Contains("74 of 75 points") && Contains("NOT MET: OPT-125M at 1,024"));
  CHECK_THAT(digit.err, Contains("1 published figure not met"));
  root_with(folder, "\"value\": 1180263.0,", "\"value\": 1180266.0,");
  CHECK(shell(line, folder.path()).code == 3);
  root_with(folder, "\"value\": 295,", "\"value\": 294,");
  const auto claim = shell(line + " --json", folder.path());
  CHECK(claim.code == 3);
  const auto missed = parse_json(claim.out, "flops", ErrorKind::kData);
  CHECK(missed.at("published").at("missed").at(0).at("published").to_number<double>() == 294);
  root_with(folder, "\"model\": \"OPT-125M\"", "\"model\": \"OPT-135M\"");
  const auto unknown = shell(line, folder.path());
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.err, Contains("did you mean 'OPT-125M'"));
}

TEST_CASE("flops refuses what it cannot compute", "[cli][integration]") {
  const TempDir folder;
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"", "WHAT is missing"},
      {"tova", "'tova' is unknown"},
      {"rmt --model OPT-125", "did you mean 'OPT-125M'"},
      {"rmt --model all,OPT-30B", "asked for twice"},
      {"rmt --lengths 1", "--lengths"},
      {"rmt --lengths many", "--lengths"},
      {"rmt --segment 0", "--segment"},
      {"rmt --memory -1", "--memory"},
      {"rmt --shape mine:layers=2,width=4", "heads is missing"},
      {"rmt --shape mine:layers=2,width=4,heads=0", "heads"},
      {"rmt --shape mine:layers=2,width=4,head=1", "did you mean 'heads'"},
      {"rmt --shape OPT-13B:layers=2,width=4,heads=1", "another name"},
      {"rmt --format svg", "--format"},
      {"rmt --db nowhere.db", "nowhere.db"},
      {"rmt --db lethe.db --format csv", "cost-by-length"},
      {"rmt --out no/such/folder/file", "no/such/folder"}};
  for (const auto& [words, message] : wrong) {
    CAPTURE(words);
    const auto outcome = shell("lethe flops " + words, folder.path());
    CAPTURE(outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, Contains(message));
  }
}

}  // namespace lethe::test
