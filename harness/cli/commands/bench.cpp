// SPDX-License-Identifier: Apache-2.0
#include "harness/base/error.h"
#include "harness/base/names.h"
#include "harness/cli/commands/commands.h"
#include "harness/cli/commands/engine_benches.h"

namespace lethe::cli {

int run_bench(const Options& options) {
  const std::string what = options.text("WHAT");
  if (what == "exact") return bench_exact(options);
  if (what == "generate") return bench_generate(options);
  const std::vector<std::string> known{"exact", "generate", "harness", "scorers"};
  throw unknown_name(ErrorKind::kUsage, "benchmark", what, known);
}

}  // namespace lethe::cli
