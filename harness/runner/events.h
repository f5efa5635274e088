// SPDX-License-Identifier: Apache-2.0
// What a run tells its observers while it goes on.
#pragma once

#include <cstdint>
#include <string>

namespace lethe::runner {

enum class EventType {
  kRunStarted,     ///< totals are known
  kWorkerStarted,  ///< a worker said hello
  kCellStarted,    ///< a cell went to a worker (again, when `attempt` > 1)
  kProgress,       ///< tokens inside the running sample
  kSampleDone,     ///< a sample is in the database
  kCellDone,       ///< a cell ended; see status
  kWorkerDied,     ///< a worker process ended unasked; reason says how
  kStopRequested,  ///< first Ctrl-C: running samples are finished
  kRunDone,
};
/// "run_started", "sample_done", …
std::string to_string(EventType type);

/// One event; members that do not apply are empty, 0 or -1.
struct RunEvent {
  EventType type = EventType::kRunStarted;
  int worker = -1;
  std::string cell_key = {};
  std::string label = {};
  std::string sample_id = {};
  std::int64_t tokens = 0;  ///< kProgress: so far; kSampleDone: of it; kCellDone: that did not run
  double seconds = 0;       ///< kSampleDone: as the worker measured; kRunDone: of the run
  int attempt = 0;          ///< kCellStarted: 1, 2, 3
  std::string status = {};  ///< kCellDone: "done", "failed", …
  std::string reason = {};
  std::int64_t cells = 0;         ///< kRunStarted: to run
  std::int64_t cells_cached = 0;  ///< kRunStarted
  std::int64_t samples = 0;       ///< kRunStarted, kCellStarted: to run
  std::int64_t tokens_total = 0;  ///< kRunStarted: to run
};

/// Receives the events of a run, in order, from the thread of run_grid().
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_event(const RunEvent& event) = 0;
  /// Called a few times per second while nothing else happens.
  virtual void tick() {}
};

}  // namespace lethe::runner
