// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>

#include "harness/base/error.h"
#include "harness/base/shared_memory.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/executor.h"
#include "harness/runner/job.h"
#include "models/engine/evaluate.h"

namespace lethe::cli {

int run_worker_process(const Options& options) {
  const std::string device = options.text("device", "cpu");
  models::require_device(device);
  if (options.has("threads")) {
    models::set_compute_threads(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  }
  const auto fd = options.integer("FD", 0, 0, 1 << 20);
  std::unique_ptr<SharedBlobs> shared;
  if (options.has("shared-memory")) {
    try {
      shared = std::make_unique<SharedBlobs>(
          static_cast<int>(options.integer("shared-memory", 0, 0, 1 << 20)));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kResource) throw;
      std::cerr << "weights are not shared: " << error.what() << "\n";
    }
  }
  TaskExecutor executor(device, shared.get());
  return runner::run_worker(static_cast<int>(fd), executor);
}

}  // namespace lethe::cli
