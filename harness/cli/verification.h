// SPDX-License-Identifier: Apache-2.0
// Whether a database holds what it says: its rows, and the files behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/cli/stored_cells.h"
#include "harness/store/run_store.h"

namespace lethe::cli {

/// What was looked at and what is wrong with it, one line each.
struct RowCheck {
  std::int64_t cells = 0;
  std::int64_t samples = 0;
  std::int64_t traces = 0;
  std::int64_t scores = 0;
  std::int64_t trainings = 0;
  std::vector<std::string> findings;
};

/// SQLite's own checks; every cell key against its inputs and the axes in its columns; every sample
/// key against cell key and sample hash; tokens_scored against the length of the trace; nll_sum
/// against the sum of the trace within rounding: the trace has float32 values of what was summed in
/// float64, so each may be off by 2^-24 of itself; every score against its stored output
/// (tasks::rescore()); every training run's key against its kind, recipe and seed.
RowCheck check_rows(const store::RunStore& store);

/// One thing that a database names by its hash.
struct FileCheck {
  enum class State { kSame, kDiffers, kNotAtHand };
  std::string name;  ///< "model smollm2-135m", "task pg19, length 96"
  State state = State::kSame;
  std::string detail;  ///< why not
};

/// Weights, tokenizers and data behind the cells, hashed again.
std::vector<FileCheck> check_files(const store::RunStore& store, const AtHand& at_hand);

std::string to_string(FileCheck::State state);

}  // namespace lethe::cli
