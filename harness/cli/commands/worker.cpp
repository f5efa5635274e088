// SPDX-License-Identifier: Apache-2.0
#include "harness/base/error.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/executor.h"
#include "harness/runner/job.h"
#include "models/engine/evaluate.h"

namespace lethe::cli {

int run_worker_process(const Options& options) {
  if (options.has("threads")) {
    models::set_compute_threads(static_cast<int>(options.integer("threads", 1, 1, 1024)));
  }
  if (const auto device = options.text("device", "cpu"); device != "cpu") {
    throw Error(ErrorKind::kConfig,
                "device " + device + ": this version evaluates on the CPU; leave --device out");
  }
  const auto fd = options.integer("FD", 0, 0, 1 << 20);
  TaskExecutor executor;
  return runner::run_worker(static_cast<int>(fd), executor);
}

}  // namespace lethe::cli
