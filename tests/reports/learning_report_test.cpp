// SPDX-License-Identifier: Apache-2.0
// The report on learning curves, on training runs made by hand.
#include <array>
#include <cmath>
#include <limits>

#include <boost/regex.hpp>

#include "harness/base/names.h"
#include "harness/base/text.h"
#include "harness/store/training_curves.h"
#include "reports/learning_data.h"
#include "reports/report_registry.h"
#include "tests/reports/report_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::reports;
using Catch::Matchers::Contains;
using store::TrainingStatus;

namespace {

store::TrainingRecord recipe(const std::string& name, std::int64_t seed, int memory = 10) {
  return {
      .kind = "rmt", .name = name, .recipe = {{"task", name}, {"memory", memory}}, .seed = seed};
}

/// A run of 1,000 steps in two stages; the second begins at `turn`.
void train(store::RunStore& db, const store::TrainingRecord& record, std::int64_t turn,
           TrainingStatus status = TrainingStatus::kDone) {
  const test::FixedClock clock;
  store::TrainingStore trainings(db, "lethe train rmt", clock);
  const auto id = trainings.begin(record, test::begin_run(db));
  std::vector<store::TrainingPoint> points;
  for (std::int64_t step = 0; step <= 1000; ++step) {
    const std::string stage = step < turn ? "1 segment" : "2 segments";
    const double done = static_cast<double>(step) / 1000;
    points.push_back({step, stage, "train_loss", 2 * std::exp(-5 * done)});
    if (step % 100 != 0) continue;
    points.push_back({step, stage, "validation_accuracy:4", 0.5 + 0.4 * done});
    points.push_back({step, stage, "validation_accuracy:16", 0.5 + 0.25 * done});
    points.push_back({step, stage, "learning_rate", 1e-3 * (1 - done)});
    points.push_back({step, stage, "seconds", 90 * done});
  }
  trainings.add_points(id, points);
  trainings.finish(
      id, status, status == TrainingStatus::kDone ? "" : "stopped by hand",
      status == TrainingStatus::kDone ? std::optional(std::string(64, 'c')) : std::nullopt);
}

struct Written {
  ReportResult result;
  std::filesystem::path folder;
  std::string file(const std::string& name) const {
    return read_file(folder / name, ErrorKind::kData);
  }
};

Written report(const store::RunStore& db, const test::TempDir& dir,
               std::vector<std::string> formats) {
  ReportRequest request = test::request_for(dir / "out");
  request.formats = std::move(formats);
  return {find_report("learning").write(db, request, test::FixedClock()), dir / "out"};
}

}  // namespace

TEST_CASE("learning curves are shown by run and seed, with how they ended", "[reports][unit]") {
  const test::TempDir dir;
  auto db = test::make_store(dir / "lethe.db");
  train(db, recipe("rmt-detect", 1), 400);
  train(db, recipe("rmt-detect", 2), 400, TrainingStatus::kInterrupted);
  train(db, recipe("rmt-memorise", 1), 500);
  CHECK_FALSE(find_report("learning").of_suite);
  const Written written = report(db, dir, {"md", "csv"});
  const std::string md = written.file("report.md");
  CAPTURE(md);
  CHECK_THAT(md, Contains("## rmt-detect (rmt)") && Contains("## rmt-memorise (rmt)") &&
                     Contains("Training runs, rmt-detect (rmt)") && Contains("stopped by hand") &&
                     Contains("last value: validation\\_accuracy:4") && Contains("cccccccccccc") &&
                     Contains("1 m 30 s") && Contains("Test CPU"));
  CHECK(md.find("accuracy:4 |") < md.find("accuracy:16 |"));
  CHECK_THAT(written.file("learning.csv"),
             Contains("rmt-detect,1,done,1,000") || Contains("rmt-detect,1,done,\"1,000\""));
  CHECK_THAT(written.file("learning-2.csv"), Contains("rmt-memorise,1,done"));
  const std::string curves = written.file("curves.csv");
  CHECK_THAT(curves, Contains("kind,name,seed,key,stage,step,metric,value\n") &&
                         Contains(",2 segments,1000,validation_accuracy:4,0.9\n"));
  CHECK(split(curves, '\n').size() == 2 + 3 * (1001 + 4 * 11));
  CHECK_THAT(join(written.result.summary, "\n"),
             Contains("rmt-detect, seed 1: done after 1,000 steps, 1 m 30 s") &&
                 Contains("validation_accuracy:4 0.9000") &&
                 Contains("rmt-detect, seed 2: interrupted after 1,000 steps"));
  // The query that stands below a table gives its numbers.
  boost::smatch sql;
  REQUIRE(boost::regex_search(md, sql, boost::regex("```sql\n(.*?)\n```")));
  const auto rows = db.query(sql[1].str()).rows;
  REQUIRE(rows.size() == 2 * 5);
  CHECK(rows[4][6] == "validation_accuracy:4");
  CHECK(rows[4][8] == 0.9);
}

TEST_CASE("curves are drawn with their stages", "[reports][integration]") {
  const test::TempDir dir;
  auto db = test::make_store(dir / "lethe.db");
  SECTION("that begin at the same steps") {
    train(db, recipe("rmt-detect", 1), 400);
    train(db, recipe("rmt-detect", 2), 400);
    const Written written = report(db, dir, {"html", "svg"});
    const std::string accuracy = written.file("learning-accuracy.gp");
    CHECK_THAT(accuracy, Contains("set arrow 11 from first 400, graph 0") &&
                             Contains("set label 11 \"2 segments\"") &&
                             Contains("title \"seed 2\"") && Contains("with lines linewidth") &&
                             !Contains("set arrow 12") && !Contains("set logscale y") &&
                             Contains("set yrange [0:"));
    const std::string loss = written.file("learning-loss.gp");
    CHECK_THAT(loss, Contains("set logscale y 10") && Contains("\"0.10\" 0.1"));
    CHECK(split(loss, '\n').size() < 1000);  // 1,001 values a line are thinned
    // A learning rate that ends at zero has no logarithm.
    CHECK_THAT(written.file("learning-other.gp"), !Contains("set logscale y"));
    const std::string page = written.file("index.html");
    CHECK_THAT(page, Contains("dotted: where a stage begins") && Contains("means of neighbours") &&
                         Contains("seed 2 from 0.5000 at step 0 to 0.9000 at step 1,000"));
    CHECK_FALSE(std::filesystem::exists(dir / "out/learning-loss.png"));
  }
  SECTION("that begin at the same steps as far as each came") {
    train(db, recipe("rmt-detect", 1), 400);
    train(db, recipe("rmt-detect", 2), 2000);  // never
    const std::string accuracy = report(db, dir, {"svg"}).file("learning-accuracy.gp");
    CHECK_THAT(accuracy, Contains("set arrow 11 from first 400") && !Contains("set arrow 12") &&
                             !Contains("linecolor rgb \"#0072B2\" back"));
  }
  SECTION("that begin at other steps with every seed") {
    train(db, recipe("rmt-detect", 1), 400);
    train(db, recipe("rmt-detect", 2), 700);
    const std::string accuracy = report(db, dir, {"svg"}).file("learning-accuracy.gp");
    CHECK_THAT(accuracy, Contains("set arrow 11 from first 400") &&
                             Contains("set arrow 13 from first 700") &&
                             Contains("set label 11 \"2 segments\"") && !Contains("set label 13") &&
                             Contains("linecolor rgb \"#0072B2\" back"));
  }
}

TEST_CASE("runs that hold little give a report that says so", "[reports][unit]") {
  const test::TempDir dir;
  auto db = test::make_store(dir / "lethe.db");
  SECTION("no run") {
    const Written written = report(db, dir, {});
    CHECK_THAT(written.file("report.md"), Contains("holds no training run"));
    CHECK(written.result.summary ==
          std::vector<std::string>{"no training runs in lethe.db: nothing to report yet"});
    CHECK_FALSE(std::filesystem::exists(dir / "out/curves.csv"));
  }
  SECTION("no values, and values that are not finite") {
    store::TrainingStore trainings(db, "lethe train rmt");
    trainings.plan(std::array{recipe("later", 1)});
    const auto id = trainings.begin(recipe("broken", 1), test::begin_run(db));
    trainings.add_points(id, std::array<store::TrainingPoint, 3>{
                                 {{0, "", "train_loss", std::numeric_limits<double>::infinity()},
                                  {1, "", "train_loss", std::nan("")},
                                  {0, "", "train_accuracy", 0.25}}});
    trainings.finish(id, TrainingStatus::kFailed, "loss is not a number");
    const Written written = report(db, dir, {});
    const std::string md = written.file("report.md");
    CAPTURE(md);
    CHECK_THAT(md, Contains("loss is not a number") && Contains("0.2500") && Contains("pending") &&
                       Contains("train\\_loss, seed 1, 2."));
    CHECK_THAT(written.file("curves.csv"),
               Contains(",0,train_loss,inf\n") && Contains(",1,train_loss,\n"));
    CHECK(std::filesystem::exists(dir / "out/learning-accuracy.svg"));
    CHECK_FALSE(std::filesystem::exists(dir / "out/learning-loss.svg"));
  }
  SECTION("two recipes under one name") {
    train(db, recipe("rmt-detect", 1), 400);
    train(db, recipe("rmt-detect", 1, 5), 400);
    const auto groups = read_trainings(db);
    REQUIRE(groups.size() == 1);
    CHECK(groups[0].label(groups[0].runs[0]) != groups[0].label(groups[0].runs[1]));
    CHECK_THAT(groups[0].label(groups[0].runs[0]),
               Contains("seed 1 (" + groups[0].runs[0].key.substr(0, 8) + ")"));
  }
}

TEST_CASE("long lines are drawn through means of neighbours", "[reports][unit]") {
  const std::vector<CurvePoint> points{{0, 1}, {1, 3}, {2, 5}, {3, 7}, {4, 100}};
  CHECK(thinned(points, 1).size() == 5);
  const auto means = thinned(points, 2);
  REQUIRE(means.size() == 3);
  CHECK(means[0].step == 0.5);
  CHECK(means[0].value == 2);
  CHECK(means[1].value == 6);
  CHECK(means[2].value == 100);
}
