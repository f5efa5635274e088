// SPDX-License-Identifier: Apache-2.0
#include "harness/store/merge.h"

#include <sqlite3.h>

#include <array>
#include <limits>

#include "harness/base/text.h"
#include "harness/store/archive.h"
#include "harness/store/run_store.h"
#include "harness/store/store_lock.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

void exec(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  const int rc = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
  REQUIRE(rc == SQLITE_OK);
}

// A database with the samples `ids` of cell "a"; their NLL is their length.
void fill(const fs::path& path, const std::vector<std::string>& ids,
          const std::string& command = "lethe run quick") {
  auto store = RunStore::open(path, OpenMode::kReadWriteCreate);
  const auto cell = make_cell("a");
  store.add_cells(std::array{cell});
  auto origin = make_provenance();
  origin.command = command;
  const auto id = store.begin_run(origin);
  for (const auto& name : ids) {
    store.add_samples(std::array{make_sample(cell, id, name, "c", 3.0 * name.size(), 3)});
  }
  store.set_cell_status(cell.key, ids.size() == 2 ? CellStatus::kDone : CellStatus::kRunning);
}

std::vector<ShardReport> merge(const fs::path& out, std::vector<fs::path> shards) {
  return merge_databases(out, shards);
}

std::int64_t count(const fs::path& path, const std::string& what) {
  const auto store = RunStore::open(path, OpenMode::kReadOnly);
  return store.query("SELECT count(*) FROM " + what).rows[0][0].as_int64();
}

std::string contents(const fs::path& path, const fs::path& folder) {
  export_archive(path, folder / "contents");
  return read_file(folder / "contents", ErrorKind::kData);
}

std::string refusal(const fs::path& out, const std::vector<fs::path>& shards) {
  try {
    merge(out, shards);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kStore);
    return error.what();
  }
  return "was not refused";
}

}  // namespace

TEST_CASE("two halves give the whole, and merging again changes nothing") {
  TempDir dir;
  fill(dir / "1.db", {"x"});
  fill(dir / "2.db", {"yy"}, "lethe run quick --set seeds=0");
  fill(dir / "whole.db", {"x", "yy"});
  const auto first = merge(dir / "out.db", {dir / "1.db", dir / "2.db"});
  REQUIRE(first.size() == 2);
  CHECK(first[0].samples_new == 1);
  CHECK(first[0].cells_new == 1);
  CHECK(first[1].cells == 1);
  CHECK(first[1].cells_new == 0);
  CHECK(first[1].origins_new == 1);
  CHECK(first[1].conflicts.empty());
  {
    const auto store = RunStore::open(dir / "out.db", OpenMode::kReadOnly);
    const auto cell = store.cell(make_cell("a").key);
    REQUIRE(cell);
    CHECK(cell->status == CellStatus::kDone);
    CHECK(cell->samples_done == 2);
    CHECK(store.query("SELECT DISTINCT provenance_id FROM sample").rows.size() == 2);
    CHECK(store.query("SELECT * FROM suite_results").rows.size() ==
          RunStore::open(dir / "whole.db", OpenMode::kReadOnly)
              .query("SELECT * FROM suite_results")
              .rows.size());
  }
  const auto before = contents(dir / "out.db", dir.path());
  for (const auto& report : merge(dir / "out.db", {dir / "2.db", dir / "1.db", dir / "1.db"})) {
    CHECK(report.samples_new + report.cells_new + report.origins_new + report.suite_members_new ==
          0);
    CHECK(report.conflicts.empty());
  }
  CHECK(contents(dir / "out.db", dir.path()) == before);

  // The same samples from elsewhere bring their origin and nothing else.
  const auto whole = merge(dir / "out.db", {dir / "whole.db"});
  CHECK(whole[0].samples == 2);
  CHECK(whole[0].samples_new == 0);
  CHECK(whole[0].origins_new == 0);  // equal in every column to that of 1.db
  CHECK(count(dir / "out.db", "sample") == 2);
}

TEST_CASE("another result under the same key is reported and never stored") {
  TempDir dir;
  for (const char* name : {"out.db", "same.db", "near.db", "far.db", "trace.db", "text.db"}) {
    fill(dir / name, {"x", "yy"});
  }
  exec(dir / "near.db", "UPDATE sample SET nll_sum = nll_sum + 1e-7 WHERE sample_id = 'x'");
  exec(dir / "far.db", "UPDATE sample SET nll_sum = nll_sum + 1e-5, score = 1");
  exec(dir / "trace.db", "UPDATE sample SET nll_trace = NULL WHERE sample_id = 'yy'");
  exec(dir / "text.db", "UPDATE sample SET output = 'other' WHERE sample_id = 'yy'");
  const auto before = contents(dir / "out.db", dir.path());
  for (int round = 0; round < 2; ++round) {
    const auto reports = merge(dir / "out.db", {dir / "same.db", dir / "near.db", dir / "far.db",
                                                dir / "trace.db", dir / "text.db"});
    CHECK(reports[0].conflicts.empty());
    REQUIRE(reports[1].conflicts.size() == 1);
    const auto& near = reports[1].conflicts[0];
    CHECK(near.sample_id == "x");
    CHECK(near.cell.policy == "tova");
    CHECK(near.nll_sum_kept == 3.0);
    CHECK(near.nll_sum_refused == 3.0 + 1e-7);
    CHECK(near.within_rounding());
    REQUIRE(reports[2].conflicts.size() == 2);
    CHECK_FALSE(reports[2].conflicts[0].within_rounding());
    CHECK(reports[2].conflicts[1].score_refused == 1.0);
    REQUIRE(reports[3].conflicts.size() == 1);
    CHECK(reports[3].conflicts[0].trace_differs);
    CHECK(reports[3].conflicts[0].largest_trace_difference ==
          std::numeric_limits<double>::infinity());
    REQUIRE(reports[4].conflicts.size() == 1);
    CHECK(reports[4].conflicts[0].output_differs);
    CHECK_FALSE(reports[4].conflicts[0].within_rounding());
    CHECK(contents(dir / "out.db", dir.path()) == before);
  }
}

TEST_CASE("what is known of a cell wins over what is not") {
  const auto a = make_cell("a");
  const auto status_after = [&](CellStatus ours, CellStatus theirs, int their_samples = 0) {
    TempDir dir;
    const auto put = [&](const std::string& name, CellStatus status, int samples) {
      auto store = RunStore::open(dir / name, OpenMode::kReadWriteCreate);
      store.add_cells(std::array{a});
      const auto origin = store.begin_run(make_provenance());
      for (int i = 0; i < samples; ++i) {
        store.add_samples(std::array{make_sample(a, origin, std::to_string(i), "c", 1, 3)});
      }
      const bool reason = status >= CellStatus::kFailed;
      store.set_cell_status(a.key, status, reason ? "because" : "");
    };
    put("out.db", ours, 0);
    put("shard.db", theirs, their_samples);
    merge(dir / "out.db", {dir / "shard.db"});
    const auto cell = *RunStore::open(dir / "out.db", OpenMode::kReadOnly).cell(a.key);
    CHECK(cell.reason == (cell.status >= CellStatus::kFailed ? "because" : ""));
    return cell.status;
  };
  CHECK(status_after(CellStatus::kPending, CellStatus::kFailed) == CellStatus::kFailed);
  CHECK(status_after(CellStatus::kOom, CellStatus::kPending) == CellStatus::kOom);
  CHECK(status_after(CellStatus::kSkipped, CellStatus::kOom) == CellStatus::kOom);
  CHECK(status_after(CellStatus::kPending, CellStatus::kSkipped) == CellStatus::kSkipped);
  CHECK(status_after(CellStatus::kRunning, CellStatus::kRunning, 1) == CellStatus::kPending);
  CHECK(status_after(CellStatus::kFailed, CellStatus::kRunning, 2) == CellStatus::kDone);
}

TEST_CASE("shards that cannot be merged are refused, and nothing of them stays") {
  TempDir dir;
  fill(dir / "good.db", {"x"});
  fill(dir / "inputs.db", {"yy"});
  exec(dir / "inputs.db", "UPDATE cell SET inputs = json_set(inputs, '$.more', 1)");
  fill(dir / "renamed.db", {"yy"});
  exec(dir / "renamed.db", "UPDATE sample SET sample_id = 'x'");
  write_file_atomically(dir / "text.db", "this is a text and no database, whatever it is called");

  CHECK_THAT(refusal(dir / "out.db", {dir / "good.db", dir / "none.db"}), Contains("none.db"));
  CHECK_THAT(refusal(dir / "out.db", {dir / "good.db", dir / "text.db"}), Contains("text.db"));
  CHECK_FALSE(fs::exists(dir / "out.db"));
  CHECK_THAT(refusal(dir / "good.db", {dir / "good.db"}), Contains("merge into"));

  merge(dir / "out.db", {dir / "good.db"});
  const auto before = contents(dir / "out.db", dir.path());
  CHECK_THAT(refusal(dir / "out.db", {dir / "inputs.db"}),
             Contains("other inputs") && Contains("inputs.db"));
  CHECK_THAT(refusal(dir / "out.db", {dir / "renamed.db"}), Contains("same id of its cell"));
  CHECK(contents(dir / "out.db", dir.path()) == before);
}

TEST_CASE("a shard that a run holds is merged as far as it is, and said so") {
  TempDir dir;
  fill(dir / "1.db", {"x"});
  const auto before = read_file(dir / "1.db", ErrorKind::kData);
  const StoreLock lock(dir / "1.db", "lethe run there");
  const auto reports = merge(dir / "out.db", {dir / "1.db"});
  REQUIRE(reports[0].writer);
  CHECK_THAT(*reports[0].writer, Contains("lethe run there"));
  CHECK(read_file(dir / "1.db", ErrorKind::kData) == before);
}
