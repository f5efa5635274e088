// SPDX-License-Identifier: Apache-2.0
// The account of a run's cells: which wait, which run, how each ends. Internal to this room.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/runner/coordinator.h"
#include "harness/runner/memory_line.h"
#include "harness/runner/planner.h"
#include "harness/runner/recorder.h"
#include "harness/runner/supervisor.h"

namespace lethe::runner {

/// A cell that still has samples to run.
struct ActiveJob {
  PlannedJob planned;
  std::set<std::string> missing;   ///< sample keys not received yet
  int deaths = 0;                  ///< workers lost in a row without a sample in between
  bool given = false;              ///< has been with a worker
  std::optional<MemoryLine> line;  ///< made when first asked for
};

/// Keeps database, report and observers in step with what happens to cells. `worker` is the number
/// of the worker that had the cell.
class Ledger {
 public:
  Ledger(store::RunStore& store, const RunOptions& options, Recorder& recorder, RunReport& report);

  /// Stores the cells and queues those with missing samples.
  void open(const std::vector<grid::Cell>& cells);

  bool waiting() const { return !queue_.empty(); }
  std::size_t cells_to_run() const { return jobs_.size(); }
  /// Takes the next cell; its job holds the samples still missing.
  ActiveJob& take(int worker);
  /// What to send for a cell that has been taken.
  static Job remaining(const ActiveJob& active);

  void done(ActiveJob& active, int worker);
  /// The user stopped it.
  void put_aside(ActiveJob& active) { unfinished_.push_back(&active); }
  void failed(const ActiveJob& active, int worker, ErrorKind kind, const std::string& reason);
  /// Ends it `oom`; waiting cells of its line that are at least as large end `skipped`.
  void out_of_memory(ActiveJob& active, int worker, const std::string& reason);
  /// Its worker has ended: tries the cell again, or ends it.
  void lost(ActiveJob& active, int worker, const Ending& ending);

  /// Cells that are left over become pending again. One that never started keeps its status.
  void close();

 private:
  void end(const ActiveJob& active, int worker, store::CellStatus status,
           std::optional<ErrorKind> kind, const std::string& reason);

  store::RunStore& store_;
  const RunOptions& options_;
  Recorder& recorder_;
  RunReport& report_;
  std::vector<std::unique_ptr<ActiveJob>> jobs_;
  std::deque<ActiveJob*> queue_;
  std::vector<const ActiveJob*> unfinished_;
};

}  // namespace lethe::runner
