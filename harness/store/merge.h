// SPDX-License-Identifier: Apache-2.0
// Joining result databases: what `lethe merge` and `lethe import` do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/store/records.h"

namespace lethe::store {

/// Two results under one sample key. What was stored first stays.
struct MergeConflict {
  CellRecord cell;  ///< as in the database merged into
  std::string sample_key;
  std::string sample_id;
  std::optional<double> nll_sum_kept, nll_sum_refused;  ///< nats
  std::optional<double> score_kept, score_refused;
  std::int64_t tokens_scored = 0;
  bool output_differs = false;
  bool trace_differs = false;
  double largest_trace_difference = 0;  ///< nats; infinite for traces of unequal length

  /// Rounding, not another result: mean NLL and score within 1e-6 and the same output.
  bool within_rounding() const;
};

/// Two results under one key of a training run, both done. What was stored first stays.
struct TrainingConflict {
  std::string key, kind, name;
  std::int64_t seed = 0;
  std::string checkpoint_kept, checkpoint_refused;  ///< SHA-256
};

/// What one database brought.
struct ShardReport {
  std::filesystem::path path;
  std::int64_t cells = 0, cells_new = 0;
  std::int64_t samples = 0, samples_new = 0;
  std::int64_t origins_new = 0;
  std::int64_t suite_members_new = 0;
  std::int64_t trainings = 0;
  std::int64_t trainings_new = 0;  ///< not there before, or further on than what was
  std::vector<MergeConflict> conflicts;
  std::vector<TrainingConflict> training_conflicts;
  std::optional<std::string> writer;  ///< the run that still writes it, if one does
};

/// Copies what `out` does not have from every shard, one transaction each; shards are only read
/// (one of an older schema as a migrated copy in memory).
///
/// Cells are the same when their keys are, samples when their sample keys are, rows about where
/// results come from when all their columns are. A sample that is there already is never changed;
/// another result under its key is a conflict. A cell is `done` when all its samples are there;
/// else the better informed status counts (an outcome before `skipped` before `pending`; of two
/// outcomes the later). Merging the same shard again changes nothing.
///
/// Training runs are the same when their keys are. The one that is further on stays, whole with its
/// curve: done before not done, then the larger last step, then an outcome before none; else the
/// one that was there. One that was `running` in the shard is `interrupted` here. Two that are done
/// and gave different checkpoints are a conflict.
///
/// For the holder of `out`'s StoreLock. Creates `out` where it is missing, after every shard was
/// found to be usable. Throws Error(kStore): a shard that is missing, damaged, of a newer schema,
/// or `out` itself; a cell with the same key and other inputs, a training run with the same key and
/// another recipe; another sample under the same id of
/// a cell. The transaction of the shard at hand is undone then.
std::vector<ShardReport> merge_databases(const std::filesystem::path& out,
                                         std::span<const std::filesystem::path> shards,
                                         const Clock& clock = system_clock());

}  // namespace lethe::store
