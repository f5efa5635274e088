// SPDX-License-Identifier: Apache-2.0
// Training runs and their learning curves: written, resumed, joined, kept.
#include <sqlite3.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "harness/base/hash.h"
#include "harness/base/text.h"
#include "harness/store/archive.h"
#include "harness/store/merge.h"
#include "harness/store/training_curves.h"
#include "tests/store/database_file.h"
#include "tests/store/full_disk.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using Catch::Matchers::Contains;
using lethe::test::DatabaseFile;
using lethe::test::make_provenance;
using lethe::test::TempDir;
namespace fs = std::filesystem;
using Rows = std::vector<std::string>;

namespace {

const std::string kCheckpoint(64, 'c');
const std::string kOtherCheckpoint(64, 'd');

TrainingRecord detect(std::int64_t seed = 1) {
  return {.kind = "rmt",
          .name = "rmt-detect",
          .recipe = {{"memory", 10}, {"learning_rate", 0.1 + 0.2}, {"engine_version", 2}},
          .seed = seed};
}

std::vector<TrainingPoint> losses(std::int64_t from, std::int64_t to, double at_zero = 2) {
  std::vector<TrainingPoint> points;
  for (std::int64_t step = from; step <= to; step += 10) {
    points.push_back({step, step < 20 ? "1 segment" : "2 segments", "train_loss",
                      at_zero - 0.01 * double(step)});
  }
  return points;
}

// A run of `detect()` up to a step, ended with a status; kRunning: its program is gone.
void train(const fs::path& path, std::int64_t last, TrainingStatus status,
           const std::string& checkpoint = kCheckpoint, double at_zero = 2) {
  auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
  TrainingStore trainings(store, "lethe train rmt");
  const auto id = trainings.begin(detect(), store.begin_run(make_provenance()));
  trainings.add_points(id, losses(0, last, at_zero));
  if (status == TrainingStatus::kDone) {
    trainings.finish(id, status, "", checkpoint);
  } else if (status != TrainingStatus::kRunning) {
    trainings.finish(id, status, "because");
  }
}

std::string archive_of(const fs::path& database) {
  const fs::path file = database.string() + ".jsonl";
  export_archive(database, file);
  return read_file(file, ErrorKind::kData);
}

template <typename Body>
std::string error_of(ErrorKind kind, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a learning curve is stored, found and seen through the views", "[store][unit]") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  TrainingStore trainings(store, "lethe train rmt");
  CHECK_FALSE(trainings.find(detect()));
  trainings.plan(std::array{detect(2), detect()});
  CHECK(trainings.find(detect())->status == TrainingStatus::kPending);
  const auto origin = store.begin_run(make_provenance());
  const auto id = trainings.begin(detect(), origin);
  CHECK(trainings.find(detect())->status == TrainingStatus::kRunning);
  trainings.add_points(
      id, std::array<TrainingPoint, 4>{
              {{0, "1 segment", "train_loss", 1.8},
               {0, "1 segment", "validation_accuracy:4", 0.1 + 0.2},
               {10, "2 segments", "train_loss", std::nan("")},
               {10, "2 segments", "gradient_norm", std::numeric_limits<double>::infinity()}}});
  trainings.finish(id, TrainingStatus::kDone, "", kCheckpoint);
  trainings.plan(std::array{detect()});  // done stays done

  const auto found = trainings.find(detect());
  REQUIRE(found);
  CHECK(found->id == id);
  CHECK(found->record.name == "rmt-detect");
  CHECK(found->record.recipe == detect().recipe);
  CHECK(found->status == TrainingStatus::kDone);
  CHECK(found->checkpoint_sha256 == kCheckpoint);
  CHECK(found->last_step == 10);
  CHECK(found->points == 4);
  CHECK_FALSE(trainings.find(detect(2))->last_step);

  const auto curves = store.query(
      "SELECT key, kind, name, seed, stage, step, metric, value, status FROM curves "
      "ORDER BY step, metric");
  REQUIRE(curves.rows.size() == 4);
  CHECK(
      json::serialize(json::array(curves.rows[1].begin() + 1, curves.rows[1].end())) ==
      R"(["rmt","rmt-detect",1,"1 segment",0,"validation_accuracy:4",3.0000000000000004E-1,"done"])");
  CHECK(curves.rows[0][0] == found->key.c_str());
  CHECK(curves.rows[2][7] == "inf");
  CHECK(curves.rows[3][7].is_null());  // NaN
  CHECK(store.query("SELECT trainings FROM provenance").rows[0][0] == 1);
  CHECK(store.query("SELECT last_step, points FROM trainings WHERE seed = 2").rows[0][0].is_null());
}

TEST_CASE("the key of a training run is that of kind, recipe and seed", "[store][unit]") {
  CHECK(training_key(detect()) == sha256_hex(canonical_json(json::object{
                                      {"seed", 1}, {"recipe", detect().recipe}, {"kind", "rmt"}})));
  std::set<std::string> keys{training_key(detect()), training_key(detect(2))};
  auto other = detect();
  other.recipe["memory"] = 11;
  keys.insert(training_key(other));
  other = detect();
  other.kind = "namm";
  keys.insert(training_key(other));
  CHECK(keys.size() == 4);
  other = detect();
  other.name = "renamed";
  CHECK(keys.contains(training_key(other)));
}

TEST_CASE("a run that goes on keeps its points and replaces those it repeats", "[store][unit]") {
  TempDir dir;
  train(dir / "r.db", 50, TrainingStatus::kRunning);
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  {
    TrainingStore trainings(store, "lethe train rmt");
    const auto left = *trainings.find(detect());
    CHECK(left.status == TrainingStatus::kInterrupted);
    CHECK_THAT(left.reason, Contains("without a word"));
    CHECK(left.last_step == 50);

    auto renamed = detect();
    renamed.name = "detect-at-night";
    const auto origin = store.begin_run(make_provenance());
    const auto id = trainings.begin(renamed, origin);
    CHECK(id == left.id);
    const auto now = *trainings.find(detect());
    CHECK(now.status == TrainingStatus::kRunning);
    CHECK(now.reason.empty());
    CHECK(now.record.name == "detect-at-night");
    CHECK(now.points == 6);
    CHECK(store.query("SELECT provenance_id FROM trainings").rows[0][0] == origin);

    // From the state of step 20: other values for 30 and 40, nothing yet for 50.
    trainings.add_points(id, losses(30, 40, 1));
    CHECK(trainings.find(detect())->points == 6);
    const auto values = [&] {
      return DatabaseFile(dir / "r.db").rows("SELECT step, round(value, 2) FROM curves");
    };
    CHECK(values() == Rows{"0|2.0", "10|1.9", "20|1.8", "30|0.7", "40|0.6", "50|1.5"});
    CHECK(trainings.drop_points_after(id, 40) == 1);
    CHECK(values() == Rows{"0|2.0", "10|1.9", "20|1.8", "30|0.7", "40|0.6"});
    CHECK(trainings.drop_points_after(id, 40) == 0);
    trainings.finish(id, TrainingStatus::kFailed, "loss is not a number");
    CHECK(trainings.find(detect())->reason == "loss is not a number");
    CHECK(trainings.drop_points_after(id, -1) == 5);
    CHECK_FALSE(trainings.find(detect())->last_step);
  }
  // The right to write has ended with it.
  CHECK_NOTHROW(TrainingStore(store, "lethe train again"));
}

TEST_CASE("training runs have one writer", "[store][unit]") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  {
    const StoreLock run(dir / "r.db", "lethe run quick");
    CHECK_THAT(error_of(ErrorKind::kStore, [&] { TrainingStore(store, "lethe train rmt"); }),
               Contains("in use by another run") && Contains("lethe run quick"));
  }
  const TrainingStore trainings(store, "lethe train rmt");
  CHECK_THAT(error_of(ErrorKind::kStore, [&] { StoreLock(dir / "r.db", "lethe run quick"); }),
             Contains("lethe train rmt"));
  auto reader = RunStore::open(dir / "r.db", OpenMode::kReadOnly);
  CHECK_THAT(error_of(ErrorKind::kInternal, [&] { TrainingStore(reader, "lethe train rmt"); }),
             Contains("open to read only"));
}

TEST_CASE("what a training run may not say is refused and changes nothing", "[store][unit]") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  TrainingStore trainings(store, "lethe train rmt");
  const auto id = trainings.begin(detect(), store.begin_run(make_provenance()));
  const auto refused = [&](auto&& body, const std::string& message) {
    CHECK_THAT(error_of(ErrorKind::kInternal, body), Contains(message));
  };
  refused([&] { trainings.add_points(id + 1, losses(0, 10)); }, "no training run with id");
  refused([&] { trainings.drop_points_after(id + 1, 0); }, "no training run with id");
  refused([&] { trainings.finish(id + 1, TrainingStatus::kDone); }, "no training run with id");
  refused([&] { trainings.finish(id, TrainingStatus::kRunning); }, "not running");
  refused([&] { trainings.finish(id, TrainingStatus::kDone, "", "abc"); }, "broken rule");
  refused([&] { trainings.begin(detect(3), 99); }, "broken rule");
  auto broken = losses(0, 30);
  broken.back().step = -1;
  refused([&] { trainings.add_points(id, broken); }, "broken rule");
  broken.back() = {30, "", "", 1};
  refused([&] { trainings.add_points(id, broken); }, "broken rule");
  auto unwritable = detect();
  unwritable.recipe["learning_rate"] = std::nan("");
  refused([&] { trainings.begin(unwritable, 1); }, "");
  CHECK(trainings.find(detect())->points == 0);
  CHECK(trainings.find(detect())->status == TrainingStatus::kRunning);
  CHECK(store.query("SELECT 1 FROM training").rows.size() == 1);
  CHECK_THROWS_AS(parse_training_status("finished"), Error);
}

TEST_CASE("a locked database and a full disk leave the curve as it was", "[store][unit]") {
  TempDir dir;
  const auto path = dir / "r.db";
  SECTION("locked by another program") {
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate, {std::chrono::milliseconds(50)});
    TrainingStore trainings(store, "lethe train rmt");
    const auto id = trainings.begin(detect(), store.begin_run(make_provenance()));
    trainings.add_points(id, losses(0, 10));
    DatabaseFile other(path);
    other.exec("BEGIN IMMEDIATE");
    CHECK_THAT(error_of(ErrorKind::kStore, [&] { trainings.add_points(id, losses(20, 50)); }),
               Contains("locked by another program") && Contains("storing a learning curve"));
    other.exec("ROLLBACK");
    CHECK(trainings.find(detect())->points == 2);
    CHECK_NOTHROW(trainings.add_points(id, losses(20, 50)));
  }
  SECTION("no room") {
    { RunStore::open(path, OpenMode::kReadWriteCreate); }
    const test::FullDisk disk(400'000);
    auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
    TrainingStore trainings(store, "lethe train rmt");
    const auto id = trainings.begin(detect(), store.begin_run(make_provenance()));
    trainings.add_points(id, losses(0, 10));
    CHECK_THAT(
        error_of(ErrorKind::kStore, [&] { trainings.add_points(id, losses(20, 1'000'000)); }),
        Contains("is full"));
    CHECK(trainings.find(detect())->last_step == 10);
  }
}

TEST_CASE("merging keeps of two training runs the one that is further on", "[store][unit]") {
  TempDir dir;
  const auto merged = [&](const std::string& ours, const std::string& theirs) {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove((dir / "out.db").string() + suffix);
    fs::copy_file(dir / ours, dir / "out.db");
    const auto report = merge_databases(dir / "out.db", std::array{dir / theirs})[0];
    CHECK(report.trainings == 1);
    const auto before = archive_of(dir / "out.db");
    const auto again = merge_databases(dir / "out.db", std::array{dir / theirs})[0];
    CHECK(again.trainings_new == 0);
    CHECK(again.training_conflicts.size() == report.training_conflicts.size());
    CHECK(archive_of(dir / "out.db") == before);
    return report;
  };
  const auto row = [&] {
    return DatabaseFile(dir / "out.db")
        .rows(
            "SELECT status, reason, last_step, points, substr(checkpoint_sha256, 1, 1) "
            "FROM trainings");
  };
  train(dir / "short.db", 20, TrainingStatus::kInterrupted);
  train(dir / "long.db", 40, TrainingStatus::kRunning, "", 1);
  train(dir / "done.db", 30, TrainingStatus::kDone);
  train(dir / "other.db", 30, TrainingStatus::kDone, kOtherCheckpoint);
  { RunStore::open(dir / "empty.db", OpenMode::kReadWriteCreate); }

  CHECK(merged("empty.db", "long.db").trainings_new == 1);
  CHECK(row() == Rows{"interrupted|was running when it was merged|40|5|NULL"});
  CHECK(merged("short.db", "long.db").trainings_new == 1);
  CHECK(row() == Rows{"interrupted|was running when it was merged|40|5|NULL"});
  CHECK(DatabaseFile(dir / "out.db").rows("SELECT value FROM curves WHERE step = 10") ==
        Rows{"0.9"});  // the whole curve is the other's
  CHECK(merged("done.db", "long.db").trainings_new == 0);
  CHECK(row() == Rows{"done|NULL|30|4|c"});
  CHECK(merged("long.db", "done.db").trainings_new == 1);
  CHECK(row() == Rows{"done|NULL|30|4|c"});
  CHECK(merged("done.db", "done.db").training_conflicts.empty());

  const auto clash = merged("done.db", "other.db");
  CHECK(clash.trainings_new == 0);
  REQUIRE(clash.training_conflicts.size() == 1);
  CHECK(clash.training_conflicts[0].key == training_key(detect()));
  CHECK(clash.training_conflicts[0].checkpoint_kept == kCheckpoint);
  CHECK(clash.training_conflicts[0].checkpoint_refused == kOtherCheckpoint);
  CHECK(row() == Rows{"done|NULL|30|4|c"});

  DatabaseFile(dir / "other.db").exec("UPDATE training SET recipe = '{}'");
  CHECK_THAT(error_of(ErrorKind::kStore,
                      [&] { merge_databases(dir / "out.db", std::array{dir / "other.db"}); }),
             Contains("another recipe") && Contains("other.db"));
}

TEST_CASE("an archive keeps training runs and curves to the bit", "[store][unit]") {
  TempDir dir;
  train(dir / "r.db", 40, TrainingStatus::kDone);
  {
    auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
    TrainingStore trainings(store, "lethe train rmt");
    trainings.plan(std::array{detect(7)});
    trainings.add_points(trainings.find(detect())->id,
                         std::array<TrainingPoint, 2>{{{50, "é", "train_loss", 0.1 + 0.2},
                                                       {60, "", "train_loss", std::nan("")}}});
  }
  const auto archive = archive_of(dir / "r.db");
  CHECK_THAT(archive, Contains(R"("value":"0x1.3333333333334p-2")"));
  const std::vector<fs::path> files{dir / "r.db.jsonl"};
  CHECK(import_archives(dir / "new.db", files).empty());
  CHECK(archive_of(dir / "new.db") == archive);
  { RunStore::open(dir / "other.db", OpenMode::kReadWriteCreate); }
  const auto merged = import_archives(dir / "other.db", files);
  CHECK(merged.at(0).trainings_new == 2);
  const auto all = "SELECT key, recipe, status, last_step, points, created_at FROM trainings";
  CHECK(DatabaseFile(dir / "other.db").rows(all) == DatabaseFile(dir / "r.db").rows(all));
}

TEST_CASE("the saved query of learning curves gives their ends", "[store][unit]") {
  TempDir dir;
  train(dir / "r.db", 40, TrainingStatus::kDone);
  const auto rows =
      RunStore::open(dir / "r.db", OpenMode::kReadOnly)
          .query(read_text_file(test::source_dir() / "data/queries/learning-curves.sql"));
  REQUIRE(rows.rows.size() == 1);
  CHECK(json::serialize(json::array(rows.rows[0].begin(), rows.rows[0].end())) ==
        R"(["rmt","rmt-detect",1,"train_loss",2E0,1.6E0,1.6E0,2E0,40,5,"2 segments","done"])");
}
