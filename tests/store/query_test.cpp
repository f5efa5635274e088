// SPDX-License-Identifier: Apache-2.0
// Saved queries, the time limit, and what the planner asks.
#include <algorithm>
#include <array>
#include <set>
#include <chrono>

#include "harness/base/text.h"
#include "harness/store/run_store.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using Catch::Matchers::Contains;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

namespace {

constexpr const char* kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

}  // namespace

TEST_CASE("every saved query says what it tells and runs") {
  TempDir dir;
  fs::copy_file(test::golden("store/v1.db"), dir / "r.db");
  const auto store = RunStore::open(dir / "r.db", OpenMode::kReadOnly);
  int queries = 0;
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "data/queries")) {
    INFO(entry.path());
    CHECK(entry.path().extension() == ".sql");
    const auto sql = read_text_file(entry.path());
    CHECK_THAT(sql, Catch::Matchers::StartsWith("-- "));
    CHECK(sql.find('\n') > 20);
    const auto result = store.query(sql);
    CHECK(result.columns.size() > 3);
    // The fixture has neither failures nor answers (tests/reports has) nor training runs
    // (training_test.cpp has) to list, but all else.
    const std::set<std::string> nothing{"failures", "answers", "scores-by-task", "generated-length",
                                        "learning-curves"};
    CHECK(result.rows.empty() == nothing.contains(entry.path().stem().string()));
    ++queries;
  }
  CHECK(queries == 11);
}

TEST_CASE("the saved query of losses pairs samples") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  auto full = make_cell("full");
  full.policy = "full";
  full.budget.reset();
  const auto tova = make_cell("tova");
  store.add_cells(std::array{full, tova});
  const auto p = store.begin_run(make_provenance());
  // Mean losses per token 2 -> 3 and 1 -> 1.5; the third sample has no partner.
  store.add_samples(
      std::array{make_sample(full, p, "a", "A", 4, 2), make_sample(tova, p, "a", "A", 6, 2),
                 make_sample(full, p, "b", "B", 2, 2), make_sample(tova, p, "b", "B", 3, 2),
                 make_sample(tova, p, "c", "C", 9, 1)});
  const auto result =
      store.query(read_text_file(test::source_dir() / "data/queries/loss-against-full.sql"));
  REQUIRE(result.rows.size() == 1);
  const auto value = [&](const std::string& column) {
    const auto at = std::find(result.columns.begin(), result.columns.end(), column);
    REQUIRE(at != result.columns.end());
    return result.rows[0][static_cast<std::size_t>(at - result.columns.begin())];
  };
  CHECK(value("policy") == "tova");
  CHECK(value("loss") == 0.75);
  CHECK(value("least") == 0.5);
  CHECK(value("n") == 2);
  CHECK(value("clusters") == 2);
}

TEST_CASE("a query ends at its time limit and leaves the connection usable") {
  TempDir dir;
  const auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  const auto start = std::chrono::steady_clock::now();
  try {
    store.query(kEndless, {}, milliseconds(100));
    FAIL_CHECK("was not stopped");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kUsage);
    CHECK_THAT(error.what(),
               Contains("time limit of 0.1 s") && Contains("--time-limit") && Contains(kEndless));
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  CHECK(store.query("SELECT 1", {}, milliseconds(1000)).rows.size() == 1);
  CHECK(store.query("SELECT count(*) FROM cell").rows.size() == 1);
}

TEST_CASE("the store tells which samples it has, few asked or many") {
  TempDir dir;
  auto store = RunStore::open(dir / "r.db", OpenMode::kReadWriteCreate);
  CHECK(store.have_samples({}).empty());
  const auto cell = make_cell("a", 300);
  store.add_cells(std::array{cell});
  const auto p = store.begin_run(make_provenance());
  std::vector<SampleRow> rows;
  std::vector<std::string> keys;
  std::vector<bool> expected;
  for (int i = 0; i < 300; ++i) {
    const auto row = make_sample(cell, p, std::to_string(i), "A", 1, 1);
    keys.push_back(row.record.sample_key);
    expected.push_back(i % 3 != 0);
    if (i % 3 != 0) rows.push_back(row);
  }
  CHECK(store.have_samples(keys) == std::vector<bool>(300, false));
  store.add_samples(rows);
  CHECK(store.have_samples(keys) == expected);
  keys.push_back(keys[1]);  // asked twice, and out of order
  expected.push_back(true);
  std::reverse(keys.begin(), keys.end());
  std::reverse(expected.begin(), expected.end());
  CHECK(store.have_samples(keys) == expected);
  // 200 rows and 3 keys: look-ups instead of a pass.
  CHECK(store.have_samples(std::array{keys[0], keys[1], std::string("no key")}) ==
        std::vector<bool>{expected[0], expected[1], false});
}
