// SPDX-License-Identifier: Apache-2.0
// Checkpoints that a suite has trained before it runs.
#pragma once

#include <filesystem>

#include "harness/cli/options.h"
#include "harness/grid/suite.h"

namespace lethe::cli {

/// Trains what `suite.train` names and is not there yet, into `out_dir`/checkpoints/RECIPE-SEED (a
/// run that was stopped goes on) with learning curves in `database`, and makes the suite's models
/// "checkpoints/…" these folders. On the first of --device, with --threads. Throws
/// Error(kInterrupted) when the user stops it, Error(kConfig) when the training fails.
void train_missing(grid::Suite& suite, const std::filesystem::path& out_dir,
                   const std::filesystem::path& database, const Options& options);

}  // namespace lethe::cli
