// SPDX-License-Identifier: Apache-2.0
// Result databases of memory tasks with fixed numbers, in the shape of an RMT run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/run_store.h"

namespace lethe::test {

/// One cell. A sample is right where `right` says so of its number.
struct RmtCellSpec {
  std::string task = "detect";
  std::string fact = "uniform";
  double confusers = 0.0005;
  std::string noise = "words";
  std::string policy = "rmt";
  std::optional<std::int64_t> budget = 10;
  std::string model = {};  ///< "" for rmt-TASK-SEED
  bool recurrent = true;
  std::int64_t seed = 1;
  std::int64_t trained_segments = 7;
  double trained_confusers = 0.008;
  std::string recipe = {};  ///< "" for that of the task
  std::int64_t segments = 4;
  std::int64_t segment = 499;
  std::int64_t samples = 64;
  std::int64_t wanted = 0;  ///< 0: as many as there are
  std::int64_t test_seed = 7;
  std::int64_t resident_bytes = 300 << 20;
  double ms_per_segment = 3;
  std::int64_t state_bytes = 10 * 64 * 4;
  std::int64_t peak_bytes = 6 << 20;
  std::string dtype = "float32";
  store::CellStatus status = store::CellStatus::kDone;
  std::string reason = {};
  std::function<bool(std::int64_t sample, bool fact_in_last_segment)> right;
};

/// Adds the cell to the suite "rmt"; returns its key.
std::string add_rmt_cell(store::RunStore& store, const RmtCellSpec& spec);

/// `count` of the samples right, the first ones.
std::function<bool(std::int64_t, bool)> first_right(std::int64_t count);

/// Everything that a whole reproduction has: three tasks and seeds to 4,096 segments, fact
/// positions, a higher hard-negative rate, controls, stages of the curriculum, an ablation,
/// eviction.
void add_rmt_trial(store::RunStore& store);

}  // namespace lethe::test
