// SPDX-License-Identifier: Apache-2.0
// Many processes writing at once.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "harness/store/run_store.h"
#include "tests/store/rows.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

using namespace lethe;
using namespace lethe::store;
using lethe::test::make_cell;
using lethe::test::make_provenance;
using lethe::test::make_sample;
using lethe::test::TempDir;

TEST_CASE("16 processes store 10,000 rows each, none lost and none twice") {
  constexpr int kProcesses = 16;
  constexpr int kRows = 10'000;
  constexpr int kBatch = 5'000;
  TempDir dir;
  const auto path = dir / "r.db";
  const OpenOptions patient{std::chrono::milliseconds(60'000)};
  const auto cell = make_cell("shared", kProcesses * kRows);
  std::vector<pid_t> children;
  for (int child = 0; child < kProcesses; ++child) {
    const pid_t pid = fork();
    if (pid == 0) {
      int code = 1;
      try {
        auto store = RunStore::open(path, OpenMode::kReadWriteCreate, patient);
        store.add_cells(std::array{cell});
        const auto origin = store.begin_run(make_provenance());
        for (int begin = 0; begin < kRows; begin += kBatch) {
          std::vector<SampleRow> rows;
          for (int i = begin; i < begin + kBatch; ++i) {
            const auto id = std::to_string(child) + "/" + std::to_string(i);
            rows.push_back(make_sample(cell, origin, id, "A", i, 1));
          }
          store.add_samples(rows);
        }
        code = 0;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      _exit(code);
    }
    children.push_back(pid);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  const auto store = RunStore::open(path, OpenMode::kReadOnly);
  CHECK(store.query("SELECT samples_done FROM cells").rows[0][0] == kProcesses * kRows);
  const auto origins = store.query("SELECT samples FROM provenance");
  REQUIRE(origins.rows.size() == kProcesses);
  for (const auto& row : origins.rows) CHECK(row[0] == kRows);
  CHECK(store.query("SELECT sum(nll_sum) FROM sample").rows[0][0] ==
        static_cast<double>(kProcesses) * kRows * (kRows - 1) / 2);
  CHECK(store.query("PRAGMA quick_check").rows[0][0] == "ok");
}
