// SPDX-License-Identifier: Apache-2.0
// Watches a worker at its job: time, progress, memory. Internal to this room.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/shared_memory.h"
#include "harness/runner/limits.h"

namespace lethe::runner {

/// Why a worker process ended, or is about to.
enum class EndCause { kCrash, kHang, kTimeout, kMemory, kKernelMemory };

struct Ending {
  EndCause cause = EndCause::kCrash;
  std::string how;
};

/// Times are those of Clock::steady_seconds().
class JobWatch {
 public:
  /// A job has been given to a worker.
  void start(double now, const WorkerLimits& limits);
  /// The running sample is at `tokens`; only another number is progress.
  void advanced(std::int64_t tokens, double now);
  /// A sample is complete.
  void sample_done(double now);

  /// The limit that the job in process `pid` is over. `shared`: what the workers share, or null.
  std::optional<Ending> over_limit(double now, pid_t pid, const WorkerLimits& limits,
                                   const SharedMemory* shared) const;
  /// Whether the kernel has killed some process for want of memory since start().
  bool kernel_ran_out_of_memory(const WorkerLimits& limits) const;

 private:
  double started_ = 0;
  double last_progress_ = 0;
  std::int64_t tokens_ = -1;
  std::int64_t kernel_kills_ = 0;
};

/// Memory in RAM that a process holds for itself, bytes; 0 when it is gone. Neither the files it
/// has mapped (the kernel takes those back when it needs to), nor what `shared` holds: that is
/// there once, and charged to every worker it would count as many times.
std::int64_t memory_of(pid_t pid, const SharedMemory* shared = nullptr);

}  // namespace lethe::runner
