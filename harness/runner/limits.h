// SPDX-License-Identifier: Apache-2.0
// What a cell and a worker may take before they are stopped.
#pragma once

#include <cstdint>
#include <filesystem>

namespace lethe::runner {

/// 0 means no limit. A cell over one of them loses the sample in flight.
struct WorkerLimits {
  double cell_seconds = 0;    ///< a cell in one worker; over it: `timeout`, not tried again
  double hang_seconds = 600;  ///< without any progress; over it: tried again, then `crashed`
  /// Memory that a worker holds for itself; over it: `oom`, not tried again. What the workers of a
  /// run share (RunOptions::share_memory) is charged to none of them.
  std::int64_t memory_bytes = 0;
  /// Where the kernel counts the processes it killed for want of memory.
  std::filesystem::path kernel_counters = "/proc/vmstat";
};

/// After a cell ended `oom`: what to do with waiting cells of the same line (equal but for budget
/// and length) that are at least as large in both.
enum class AfterOom {
  kSkip,  ///< they end `skipped`
  kTry,
};

}  // namespace lethe::runner
