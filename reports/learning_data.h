// SPDX-License-Identifier: Apache-2.0
// Training runs and their learning curves as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/records.h"
#include "harness/store/run_store.h"

namespace lethe::reports {

/// One value of a curve.
struct CurvePoint {
  double step = 0;
  double value = 0;
};

/// The finite values of one metric in order of steps.
struct Curve {
  std::vector<CurvePoint> points;
  std::int64_t not_finite = 0;  ///< NaN and infinite values, which no line can show
};

/// Where a stage of the curriculum begins.
struct StageStart {
  double step = 0;
  std::string stage;
  bool operator==(const StageStart&) const = default;
};

/// One training run.
struct TrainingRun {
  std::string key;
  std::int64_t seed = 0;
  store::TrainingStatus status = store::TrainingStatus::kPending;
  std::string reason;
  std::optional<std::int64_t> last_step;
  std::string checkpoint;                             ///< SHA-256; empty for none
  std::map<std::string, Curve> curves;                ///< by metric
  std::map<std::string, std::optional<double>> last;  ///< by metric; nothing for NaN
  std::vector<StageStart> stages;                     ///< in order of steps, those with a name
};

/// Runs of one kind and name: the same recipe with several seeds, or with changes that its maker
/// did not name.
struct TrainingGroup {
  std::string kind;
  std::string name;
  std::vector<TrainingRun> runs;  ///< by seed

  /// "seed 1"; where runs share a seed, with the beginning of the run's key.
  std::string label(const TrainingRun& run) const;
  /// Every metric that a run has, related ones side by side: by name, then by what follows ':', a
  /// number in its order.
  std::vector<std::string> metrics() const;
};

/// Every training run of a database. Throws Error(kStore).
std::vector<TrainingGroup> read_trainings(const store::RunStore& store);

/// The last value of every metric of the runs of a group, one row each: name, seed, status,
/// last_step, checkpoint_sha256, key, metric, step, value. A run without points has one row.
std::string last_values_sql(const TrainingGroup& group);

/// Where the training runs come from; columns as of provenance_sql().
std::string training_origins_sql();

/// Means of `neighbours` (at least 1) successive points each, at the mean of their steps; the last
/// of what is left.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, std::size_t neighbours);

}  // namespace lethe::reports
