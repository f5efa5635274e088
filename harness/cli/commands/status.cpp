// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/output.h"
#include "harness/store/run_store.h"
#include "harness/store/store_lock.h"

namespace lethe::cli {

namespace {

struct Progress {
  std::int64_t samples_wanted = 0;
  std::int64_t samples_done = 0;
  std::int64_t tokens_missing = 0;
  std::optional<double> tokens_per_s;

  std::optional<double> seconds_left() const {
    if (!tokens_per_s) return std::nullopt;
    return static_cast<double>(tokens_missing) / *tokens_per_s;
  }
};

Progress read_progress(const store::RunStore& store) {
  Progress progress;
  for (const auto& cell : store.cells()) {
    progress.samples_wanted += cell.record.n_samples;
    progress.samples_done += cell.samples_done;
    if (cell.status != store::CellStatus::kPending && cell.status != store::CellStatus::kRunning) {
      continue;
    }
    progress.tokens_missing += (cell.record.n_samples - cell.samples_done) * cell.record.length;
  }
  const auto rate = store
                        .query(
                            "SELECT sum(tokens_in) / nullif((julianday(max(created_at)) - "
                            "julianday(min(created_at))) * 86400 + max(seconds), 0.0) FROM sample "
                            "WHERE provenance_id = (SELECT max(provenance_id) FROM sample)")
                        .rows;
  if (!rate.empty() && rate[0][0].is_double()) progress.tokens_per_s = rate[0][0].as_double();
  return progress;
}

int run(const Options& options) {
  const auto store =
      store::RunStore::open(options.text("db", "lethe.db"), store::OpenMode::kReadOnly);
  const auto counts =
      store.query("SELECT status, count(*) AS cells FROM cells GROUP BY status ORDER BY status");
  const auto failures = store.query(
      "SELECT status, policy, budget, length, reason FROM failures ORDER BY updated_at LIMIT 20");
  const auto progress = read_progress(store);
  const auto holder = store::StoreLock::holder(store.path());
  if (options.has("json")) {
    json::object cells;
    for (const auto& row : counts.rows) cells[row[0].as_string()] = row[1];
    const auto rate = progress.tokens_per_s;
    const auto left = progress.seconds_left();
    print_json({{"run", holder ? json::value(*holder) : json::value(nullptr)},
                {"cells", std::move(cells)},
                {"samples", progress.samples_wanted},
                {"samples_done", progress.samples_done},
                {"tokens_per_s", rate ? json::value(*rate) : json::value(nullptr)},
                {"seconds_left", left ? json::value(*left) : json::value(nullptr)}});
    return kExitOk;
  }
  std::cout << (holder ? "at work: " + *holder : "no run is at work") << "\n\n";
  print_rows(counts, "table");
  const bool left_running =
      std::any_of(counts.rows.begin(), counts.rows.end(),
                  [](const auto& row) { return row[0].as_string() == "running"; });
  if (left_running && !holder) {
    std::cout << "cells marked running were left by a run that was stopped; the same `lethe run` "
                 "goes on with them\n";
  }
  std::cout << "\nsamples: " << with_thousands(progress.samples_done) << " of "
            << with_thousands(progress.samples_wanted) << " done\n";
  if (progress.tokens_per_s) {
    std::cout << "rate: " << fixed(*progress.tokens_per_s, 0)
              << " tokens/s, all workers of the last run together\n";
    if (progress.tokens_missing > 0) {
      std::cout << "left: " << human_duration(*progress.seconds_left()) << ' ' << "at that rate\n";
    }
  }
  if (!failures.rows.empty()) {
    std::cout << "\ncells that did not end well:\n";
    print_rows(failures, "table");
  }
  return kExitOk;
}

}  // namespace

Command status_command() {
  CommandSpec spec;
  spec.name = "status";
  spec.summary = "how far a database is: done, running, failed, rate, time left";
  spec.options = {{"db", "FILE", "result database (default lethe.db)"},
                  {"json", "", "print one JSON object"}};
  spec.examples = {{"how far the grid is", "lethe status --db lethe.db"}};
  return {spec, run, {}};
}

}  // namespace lethe::cli
