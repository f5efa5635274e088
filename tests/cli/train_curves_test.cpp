// SPDX-License-Identifier: Apache-2.0
// lethe train: the learning curves that a training run leaves in the database.
#include <filesystem>
#include <set>

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

json::array rows(const std::string& sql, const TempDir& folder) {
  const auto outcome = shell("lethe query --db curves.db --json \"" + sql + "\"", folder.path());
  CAPTURE(sql, outcome.err);
  REQUIRE(outcome.code == 0);
  return parse_json(outcome.out, sql, ErrorKind::kData).as_array();
}

}  // namespace

TEST_CASE("a training run leaves its learning curves in the database", "[cli][integration]") {
  const TempDir folder;
  const std::string train = "lethe train rmt --recipe smoke --seed 3 --out model --db curves.db";
  const auto outcome = shell(train, folder.path());
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);

  const auto runs = rows("SELECT * FROM trainings", folder);
  REQUIRE(runs.size() == 1);
  const auto& run = runs[0];
  CHECK(run.at("kind") == "rmt");
  CHECK(run.at("name") == "rmt-smoke");
  CHECK(run.at("seed") == 3);
  CHECK(run.at("status") == "done");
  CHECK(run.at("reason").is_null());
  CHECK(run.at("last_step") == 80);
  CHECK(run.at("checkpoint_sha256") ==
        json::value(sha256_file(folder / "model/model.safetensors")));
  CHECK_THAT(std::string(run.at("recipe").as_string()), Contains("\"name\":\"smoke\""));

  const auto steps =
      rows("SELECT stage, step FROM curves WHERE metric = 'train_loss' AND value > 0 ORDER BY step",
           folder);
  REQUIRE(steps.size() == 4);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CHECK(steps[i].at("step") == 20 * static_cast<std::int64_t>(i + 1));
    CHECK(steps[i].at("stage") == (i < 2 ? "one" : "three"));
  }
  std::set<std::string> metrics;
  for (const auto& row : rows("SELECT DISTINCT metric FROM curves", folder)) {
    metrics.emplace(row.at("metric").as_string());
  }
  CHECK(metrics == std::set<std::string>{"gradient_norm", "learning_rate", "train_accuracy",
                                         "train_loss", "validation_accuracy:1",
                                         "validation_accuracy:2", "validation_accuracy:3"});
  // The validation of a finished model belongs to its last stage.
  const auto validated =
      rows("SELECT stage, step FROM curves WHERE metric = 'validation_accuracy:1' ORDER BY step",
           folder);
  REQUIRE(validated.size() == 2);
  CHECK(validated[0].at("stage") == "one");
  CHECK(validated[1].at("stage") == "three");

  const auto origin = rows(
      "SELECT torch_version, threads, command, kernel FROM provenance JOIN trainings ON "
      "provenance_id = provenance.id",
      folder);
  REQUIRE(origin.size() == 1);
  CHECK_FALSE(origin[0].at("torch_version").as_string().empty());
  CHECK_FALSE(origin[0].at("kernel").as_string().empty());
  CHECK_THAT(std::string(origin[0].at("command").as_string()), StartsWith("lethe train rmt"));

  SECTION("what is trained is not begun again") {
    const auto again = shell(train, folder.path());
    CHECK(again.code == 0);
    CHECK_THAT(again.err, Contains("model is trained"));
    CHECK(rows("SELECT * FROM trainings", folder) == runs);
  }
  SECTION("a checkpoint without curves is told") {
    const auto other =
        shell("lethe train rmt --recipe smoke --seed 3 --out model --db other.db", folder.path());
    CHECK(other.code == 0);
    CHECK_THAT(other.err, Contains("trained without --db"));
  }
  SECTION("a run that begins anew drops the curves of the time before") {
    // A longer run that was stopped, so to say, whose state is gone.
    const auto again = shell("rm -r model\n" + train, folder.path());
    CHECK(again.code == 0);
    CHECK(rows("SELECT count(*) AS n, max(step) AS last FROM curves", folder)[0].at("last") == 80);
    CHECK(rows("SELECT checkpoint_sha256 FROM trainings", folder)[0] ==
          json::value({{"checkpoint_sha256", run.at("checkpoint_sha256")}}));
  }
}

TEST_CASE("learning curves of a killed run go on without a gap", "[cli][integration]") {
  const TempDir folder;
  const auto outcome = shell(
      "train='lethe train rmt --recipe smoke --seed 1 --state-seconds 0 --threads 1 "
      "--keep-stages'\n"
      "$train --out calm --db calm.db || exit 6\n"
      "$train --out killed --db curves.db 2>first.err &\n"
      "trainer=$!\n"
      "tries=0\n"
      "until [ -e killed/stages/one/provenance.json ]; do\n"
      "  tries=$((tries + 1)); [ $tries -lt 3000 ] || exit 9\n"
      "  kill -0 $trainer || exit 8\n"
      "  sleep 0.02\n"
      "done\n"
      "kill -9 $trainer\n"
      "$train --out killed --db curves.db || exit 7\n"
      "for db in calm curves; do\n"
      "  lethe query --db $db.db --format csv 'SELECT stage, step, metric, value FROM curves "
      "ORDER BY step, metric' >$db.csv\n"
      "done\n"
      "cmp calm.csv curves.csv && wc -l <calm.csv",
      folder.path());
  CAPTURE(outcome.err, outcome.out);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Contains("goes on after step"));
  CHECK(lines_of(outcome.out).back() == "21");  // 4 points of 4 metrics, 1 + 3 validations, names
  CHECK(rows("SELECT status FROM trainings", folder)[0].at("status") == "done");
}

TEST_CASE("a training run that fails or is stopped says so", "[cli][integration]") {
  const TempDir folder;
  std::filesystem::create_directory(folder / "bad");
  write_file_atomically(folder / "bad/train.state", "no state");
  const auto failed =
      shell("lethe train rmt --recipe smoke --out bad --db curves.db", folder.path());
  CHECK(failed.code != 0);
  CHECK_THAT(failed.err, Contains("train.state"));
  const auto runs = rows("SELECT status, reason FROM trainings", folder);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].at("status") == "failed");
  CHECK_THAT(std::string(runs[0].at("reason").as_string()), Contains("train.state"));

  const auto stopped = shell(
      "lethe train rmt --recipe smoke --out stopped --state-seconds 0 --db curves.db &\n"
      "trainer=$!\n"
      "tries=0\n"
      "until [ -e stopped/train.state ]; do\n"
      "  tries=$((tries + 1)); [ $tries -lt 3000 ] || exit 9\n"
      "  kill -0 $trainer || exit 8\n"
      "  sleep 0.02\n"
      "done\n"
      "kill -INT $trainer\n"
      "wait $trainer",
      folder.path());
  CAPTURE(stopped.err);
  REQUIRE(stopped.code == 130);
  const auto rest = rows("SELECT status, reason FROM trainings", folder);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].at("status") == "interrupted");
  CHECK_THAT(std::string(rest[0].at("reason").as_string()), StartsWith("stopped after step"));
}

}  // namespace lethe::test
