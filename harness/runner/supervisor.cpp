// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/supervisor.h"

#include <algorithm>
#include <fstream>

#include "harness/base/text.h"

namespace lethe::runner {
namespace {

// The number after `name` in a file of lines "name number …"; 0 without one.
std::int64_t number_after(const std::filesystem::path& file, std::string_view name) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    if (word != name) continue;
    std::int64_t value = 0;
    in >> value;
    return value;
  }
  return 0;
}

std::int64_t kernel_kills(const WorkerLimits& limits) {
  return number_after(limits.kernel_counters, "oom_kill");
}

}  // namespace

void JobWatch::start(double now, const WorkerLimits& limits) {
  started_ = last_progress_ = now;
  tokens_ = -1;
  kernel_kills_ = kernel_kills(limits);
}

void JobWatch::advanced(std::int64_t tokens, double now) {
  if (tokens == tokens_) return;
  tokens_ = tokens;
  last_progress_ = now;
}

void JobWatch::sample_done(double now) {
  tokens_ = -1;
  last_progress_ = now;
}

std::optional<Ending> JobWatch::over_limit(double now, pid_t pid, const WorkerLimits& limits,
                                           const SharedMemory* shared) const {
  if (limits.cell_seconds > 0 && now - started_ > limits.cell_seconds) {
    return Ending{EndCause::kTimeout,
                  "over the limit of " + human_duration(limits.cell_seconds) + " per cell"};
  }
  if (limits.hang_seconds > 0 && now - last_progress_ > limits.hang_seconds) {
    return Ending{EndCause::kHang,
                  "it hung: no progress for " + human_duration(limits.hang_seconds)};
  }
  if (limits.memory_bytes > 0) {
    const std::int64_t used = memory_of(pid, shared);
    if (used > limits.memory_bytes) {
      return Ending{EndCause::kMemory, "the worker held " + human_bytes(static_cast<double>(used)) +
                                           ", over the limit of " +
                                           human_bytes(static_cast<double>(limits.memory_bytes))};
    }
  }
  return std::nullopt;
}

bool JobWatch::kernel_ran_out_of_memory(const WorkerLimits& limits) const {
  return kernel_kills(limits) > kernel_kills_;
}

std::int64_t memory_of(pid_t pid, const SharedMemory* shared) {
  const auto status = std::filesystem::path("/proc") / std::to_string(pid) / "status";
  // It may grow or shrink while we look.
  const std::int64_t before = shared ? shared->held_bytes() : 0;
  const std::int64_t own = 1024 * number_after(status, "RssAnon:");
  const std::int64_t of_all = 1024 * number_after(status, "RssShmem:");
  const std::int64_t after = shared ? shared->held_bytes() : 0;
  return own + std::max<std::int64_t>(0, of_all - std::max(before, after));
}

}  // namespace lethe::runner
