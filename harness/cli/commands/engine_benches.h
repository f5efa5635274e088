// SPDX-License-Identifier: Apache-2.0
// The benchmarks that need LibTorch, one file each; `lethe bench WHAT` chooses.
#pragma once

#include "harness/cli/options.h"

namespace lethe::cli {

int bench_exact(const Options& options);
int bench_generate(const Options& options);

}  // namespace lethe::cli
