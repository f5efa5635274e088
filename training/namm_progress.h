// SPDX-License-Identifier: Apache-2.0
// How far a run of evolution has come.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/base/state_file.h"
#include "training/namm_records.h"

namespace lethe::training {

/// Everything that a run goes on from, besides the search.
struct NammProgress {
  std::int64_t stage = 0;             ///< in which the next generation lies
  std::int64_t stage_generation = 0;  ///< done of that stage
  bool entered = false;               ///< the stage's first selection is done
  double seconds = 0;
  double best_fitness = 0;
  std::int64_t best_generation = -1;  ///< -1: none yet
  std::vector<double> best_mean;
  NammNormalisation normalisation;  ///< empty until gathered
  NammOutcome selection_base;       ///< the full cache on this stage's selection prompts
  std::vector<NammHistoryEntry> history;
  std::vector<NammEntry> entries;

  void save(StateWriter& state) const;
  /// Throws Error(kData) as StateReader does.
  static NammProgress load(const StateReader& state);
};

}  // namespace lethe::training
