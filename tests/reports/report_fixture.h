// SPDX-License-Identifier: Apache-2.0
// A small result database with fixed numbers in the shape of a quick run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/store/run_store.h"
#include "reports/perplexity_report.h"

namespace lethe::test {

/// Stands still on 2026-11-25T18:00:00Z.
class FixedClock : public Clock {
 public:
  double steady_seconds() const override { return 0; }
  std::int64_t unix_ms() const override { return 1795629600000; }
};

/// What a fixture database holds. The default: six books, full and four policies, five budgets.
struct Grid {
  std::string suite = "quick";
  std::vector<std::string> books{"860", "2544", "3754", "10146", "12204", "26618"};
  std::vector<std::string> policies{"window", "window:sinks=4", "h2o", "tova"};
  std::vector<std::int64_t> budgets{128, 256, 512, 1024, 2048};
  std::int64_t length = 2048;
  std::string schedule = "exact";
  std::string dtype = "float32";
  bool with_full = true;
  /// Mean NLL of a book under a policy; the default gives numbers like SmolLM2's.
  std::function<double(const std::string& policy, std::optional<std::int64_t> budget,
                       std::size_t book)>
      mean_nll;
};

/// Text stored as the cell's key.
std::string cell_key(const Grid& grid, const std::string& policy,
                     std::optional<std::int64_t> budget);

/// Stores where rows come from: always the same program and machine.
std::int64_t begin_run(store::RunStore& store);

/// Adds cells and samples of `grid`; every cell is done.
void add_grid(store::RunStore& store, const Grid& grid);

/// One cell of any task with its samples. Of a sample only what a test is about is given: hash, key
/// and provenance are made here.
struct CellSpec {
  std::string task = "pg19";
  std::string policy = "full";
  std::optional<std::int64_t> budget = {};
  std::string positions = "original";
  std::int64_t length = 64;
  json::object identity = {};  ///< of the task
  std::vector<store::SampleRecord> samples = {};
  std::int64_t wanted = 0;  ///< 0: as many as there are
  store::CellStatus status = store::CellStatus::kDone;
  std::string reason = {};
};

/// Adds the cell to the suite "quick".
void add_cell(store::RunStore& store, const CellSpec& spec);

/// Makes a database file.
store::RunStore make_store(const std::filesystem::path& path);

/// What differs from build to build taken out: our own version, and gnuplot's drawing.
std::string normalised(std::string text);

/// Compares with tests/golden/reports/<name>; a mismatch leaves <name>.unapproved beside it.
void check_approved(const std::string& name, const std::string& text);

/// A request for everything, into `out`.
reports::ReportRequest request_for(const std::filesystem::path& out);

}  // namespace lethe::test
