// SPDX-License-Identifier: Apache-2.0
// Plan = wanted minus done: which samples of which cells still have to run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/grid/suite.h"
#include "harness/runner/job.h"
#include "harness/store/records.h"
#include "harness/store/run_store.h"

namespace lethe::runner {

/// A Job before it is sent: what neighbouring cells have in common is held once, so that a plan of
/// 100,000 cells stays small.
struct JobDraft {
  std::string cell_key;
  std::string label;
  grid::Shared<std::string> model_path;
  grid::CellInputs inputs;
  grid::Shared<json::object> task_options;
  std::vector<JobSample> samples;

  operator Job() const {
    return {cell_key, label, model_path.get(), inputs.object(), task_options.get(), samples};
  }
};

/// A cell with missing samples.
struct PlannedJob {
  JobDraft job;
  std::int64_t length = 0;          ///< tokens per sample, for progress
  std::int64_t samples_cached = 0;  ///< already in the database
};

/// What a run would do. Frozen: nothing in it changes while it is carried out.
struct Plan {
  std::vector<PlannedJob> jobs;     ///< in the order of the cells
  std::vector<std::string> cached;  ///< keys of cells with nothing missing
  std::int64_t cells_total = 0;
  std::int64_t samples_total = 0;
  std::int64_t samples_cached = 0;
  std::int64_t samples_missing = 0;
  std::int64_t tokens_missing = 0;  ///< sum of length over missing samples
};

/// Compares `cells` with the database; a null `store` means nothing is done yet (`run --dry-run`
/// before the first run). A cell that ended failed, oom or crashed is wanted again for its missing
/// samples. The database is asked once for all cells. Throws Error(kStore) when the database cannot
/// be read.
Plan plan_jobs(std::span<const grid::Cell> cells, const store::RunStore* store);

/// The row of a cell in the database.
store::CellRecord cell_record(const grid::Cell& cell);

}  // namespace lethe::runner
