// SPDX-License-Identifier: Apache-2.0
// What `lethe bench` measures without the engine: metrics, tokenizers, what a run adds to its
// evaluations, and how busy a queue keeps its devices.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/cli/options.h"
#include "harness/grid/cell.h"

namespace lethe::cli {

/// What a run of real cells of 1,024 tokens (full cache, default model, one worker) takes beyond
/// the evaluations themselves, as a share of them: messages, storing, tokens of the next sample.
/// From the end of the first cell, which loads the model, to that of the last.
double run_overhead(const std::filesystem::path& folder, std::int64_t cells);

/// Share of the time of `devices` simulated devices in which they have a cell, from the first start
/// to the last end. Each cell takes `ms` milliseconds.
double busy_share(const std::filesystem::path& folder, const std::vector<grid::Cell>& cells,
                  int devices, int ms);

/// `bench scorers`.
int bench_scorers(const Options& options);

/// `bench tokenizers`.
int bench_tokenizers(const Options& options);

/// The worker of busy_share(): waits instead of evaluating. `words`: MS --device NAME FD.
int run_simulated_worker(const std::vector<std::string>& words);

}  // namespace lethe::cli
