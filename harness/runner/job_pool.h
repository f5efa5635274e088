// SPDX-License-Identifier: Apache-2.0
// Worker processes that stay: one batch of jobs after another, answered to the caller instead of to
// a database. For trainers that evaluate a population again and again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/runner/job.h"
#include "harness/runner/limits.h"
#include "harness/store/records.h"

namespace lethe::runner {

struct PoolOptions {
  /// As RunOptions::worker_command.
  std::vector<std::string> worker_command;
  int workers = 1;  ///< per device
  std::vector<std::string> devices;
  bool share_memory = false;
  WorkerLimits limits;
  std::filesystem::path log_dir;  ///< where worker-N.log go
  /// How often a job whose worker died or hung is tried again before the batch fails.
  int max_retries = 2;
};

/// A job and which of the batch belong together: a worker stays with a group while it has jobs
/// left, so that what the group shares (the beginning of a text) is computed once.
struct PoolJob {
  Job job;
  std::int64_t group = 0;
};

class JobPool {
 public:
  /// Starts nothing yet.
  explicit JobPool(PoolOptions options);
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  /// Runs all jobs and returns the records, [jobs][samples of the job, in its order]. All or
  /// nothing: a worker that dies costs its job, which begins anew in another process; whatever ends
  /// the batch leaves no record of it. `keep_going` is asked a few times a second with the jobs
  /// done so far; false ends the batch.
  /// Throws Error(kInterrupted) for that, Error(kCrash) when a job's workers die again and again or
  /// cannot start (with the last words of their logs), and a failed job's own error.
  std::vector<std::vector<store::SampleRecord>> run(
      const std::vector<PoolJob>& jobs, const std::function<bool(std::size_t done)>& keep_going);

  /// Processes that ended unasked so far.
  std::int64_t workers_died() const;
  /// What the first worker said of itself (torch version, CPU, threads); empty before any started.
  const store::ProvenanceRecord& provenance() const;

 private:
  class Workers;
  std::unique_ptr<Workers> workers_;
};

}  // namespace lethe::runner
