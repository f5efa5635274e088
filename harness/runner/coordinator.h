// SPDX-License-Identifier: Apache-2.0
// Runs a grid: worker processes do the samples, this process alone writes the database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/grid/suite.h"
#include "harness/runner/events.h"
#include "harness/runner/limits.h"
#include "harness/runner/planner.h"
#include "harness/store/records.h"
#include "harness/store/run_store.h"

namespace lethe::runner {

struct RunOptions {
  /// Program (a path, or a name looked up in PATH) and arguments of a worker. The number of the
  /// file descriptor with its socket is appended as the last argument; the program passes it to
  /// run_worker().
  std::vector<std::string> worker_command;
  int workers = 1;  ///< per device
  /// Devices for the workers, in turn: each is told one by "--device NAME" after its command.
  /// Empty: one place without that option.
  std::vector<std::string> devices;
  /// Where several workers use the CPU: gives them an anonymous file, for SharedBlobs, whose
  /// descriptor each is told by "--shared-memory FD". The program must know the option.
  bool share_memory = false;
  WorkerLimits limits;
  /// How often a long sample leaves its state in `<db>.states`, to go on from there after a kill;
  /// 0: never.
  double state_seconds = 60;
  AfterOom after_oom = AfterOom::kSkip;
  /// Where worker-N.log go (stdout and stderr of a worker, appended); empty: `<db>.logs`.
  std::filesystem::path log_dir;
  /// What the coordinator knows of the provenance (version, commit, command, suite_sha256 …; empty
  /// members are filled in from this process). The worker's hello adds torch_version, cpu, device,
  /// threads, and its own build where it is another program.
  store::ProvenanceRecord provenance;
  /// How often a cell whose worker died or hung is tried again before it ends `crashed` (`oom` when
  /// the kernel killed it). A sample finished in between starts the count anew.
  int max_retries = 2;
  /// SIGINT and SIGTERM: once = finish the running samples and stop; twice = stop now.
  bool handle_signals = true;
  std::vector<RunObserver*> observers;  ///< not owned
  const Clock* clock = &system_clock();
};

/// A cell that did not end well.
struct CellFailure {
  std::string cell_key;
  std::string label;
  store::CellStatus status = store::CellStatus::kFailed;
  std::string reason;
};

struct RunReport {
  std::int64_t cells_total = 0;
  std::int64_t cells_cached = 0;  ///< complete before the run
  std::int64_t cells_done = 0;    ///< completed by the run
  std::int64_t cells_left = 0;    ///< not finished because the run was interrupted
  std::int64_t samples_cached = 0;
  std::int64_t samples_done = 0;  ///< rows written by the run
  std::int64_t tokens_done = 0;
  std::int64_t workers_died = 0;
  std::vector<std::string> workers_given_up;  ///< could not start; the others did the work
  std::vector<CellFailure> failures;
  bool interrupted = false;
  double seconds = 0;

  /// kExitOk, kExitSomeCellsFailed or kExitInterrupted.
  int exit_code() const;
};

/// Plans `cells` against `store`, runs what is missing and returns how it went. Holds the StoreLock
/// of the database meanwhile. No worker starts when nothing is missing.
///
/// A worker that dies costs its running sample; it is restarted, from the program file as it was
/// when the run began. A cell ends done, failed, oom, timeout, crashed or skipped with its reason
/// in the database, and the others go on. Commits are grouped: when no message is waiting, at the
/// latest after 50 ms.
///
/// Throws Error(kStore) when the database is locked or cannot be written (workers are stopped, what
/// was committed stays), Error(kConfig) for unusable options, Error(kCrash) when workers die before
/// they are ready three times in a row. Call it from the main thread: workers end with the thread
/// that started them.
RunReport run_grid(const std::vector<grid::Cell>& cells, store::RunStore& store,
                   const RunOptions& options);

}  // namespace lethe::runner
