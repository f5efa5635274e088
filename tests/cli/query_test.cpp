// SPDX-License-Identifier: Apache-2.0
// lethe query on a database of an older schema: saved queries, time limit, what is refused; and the
// benchmark of the harness.
#include <set>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

TEST_CASE("saved queries are listed, run and suggested", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::copy_file(golden("store/v1.db"), folder / "lethe.db");
  const auto listed =
      parse_json(shell("lethe list queries --json", folder.path()).out, "list", ErrorKind::kData);
  REQUIRE(listed.as_array().size() >= 6);
  // The database has perplexities without failures; tests of reports and store give the others
  // rows.
  const std::set<std::string> empty{"failures", "answers", "scores-by-task", "generated-length",
                                    "learning-curves"};
  for (const auto& query : listed.as_array()) {
    const std::string name(query.at("name").as_string());
    CAPTURE(name);
    CHECK(query.at("summary").as_string().size() > 20);
    const auto outcome = shell("lethe query --json --saved " + name, folder.path());
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    const auto rows = parse_json(outcome.out, name, ErrorKind::kData);
    CHECK(rows.as_array().empty() == empty.contains(name));
  }
  const auto refused = [&](const std::string& words, const std::string& message) {
    const auto outcome = shell("lethe query " + words, folder.path());
    CAPTURE(words, outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, Contains(message));
  };
  refused("--saved spede", "did you mean 'speed'");
  refused("--saved speed --view results", "expected one of");
  refused("", "expected one of");
  refused("--saved speed --time-limit -1", "--time-limit");
  refused("--saved speed --time-limit soon", "--time-limit");
  refused("--view provenence", "did you mean 'provenance'");
}

TEST_CASE("a query that takes too long is stopped", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::copy_file(golden("store/v1.db"), folder / "lethe.db");
  const auto outcome = shell(
      "lethe query --time-limit 1 \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
      "n) "
      "SELECT max(i) FROM n\"",
      folder.path());
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Contains("time limit of 1.0 s") && Contains("--time-limit SECONDS"));
}

TEST_CASE("the harness is measured without a model", "[cli][integration]") {
  const TempDir folder;
  const auto outcome =
      shell("lethe bench harness --rows 3000 --cells 500 --overhead-cells 0 --dir . --json",
            folder.path());
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto report = parse_json(outcome.out, "bench", ErrorKind::kData);
  CHECK(report.at("writer_rows") == 3000);
  CHECK(report.at("plan_cells") == 500);
  CHECK(report.at("second_run_cells") == 500);
  for (const auto* name : {"writer_rows_per_s", "plan_fresh_seconds", "plan_done_seconds",
                           "second_run_seconds", "queue_busy_share"}) {
    CAPTURE(name);
    CHECK(report.at(name).to_number<double>() > 0);
  }
  CHECK(std::filesystem::directory_iterator(folder.path()) ==
        std::filesystem::directory_iterator());  // the databases are gone
  for (const auto& [words, message] : std::vector<std::pair<std::string, std::string>>{
           {"--rows 0", "--rows"}, {"--model tiny", "--model"}, {"--dir nowhere", "nowhere"}}) {
    CAPTURE(words);
    const auto refused = shell("lethe bench harness " + words, folder.path());
    CHECK(refused.code == 2);
    CHECK_THAT(refused.err, Contains(message));
  }
}

}  // namespace lethe::test
