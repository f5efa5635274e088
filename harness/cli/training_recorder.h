// SPDX-License-Identifier: Apache-2.0
// A training run on its way into the result database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/store/training_curves.h"

namespace lethe::cli {

/// Stores one training run and its learning curves. Points are written in batches, about once a
/// second and whenever the trainer saves its state, so that a run that is killed and goes on has
/// neither a gap nor a point twice. Has the lock of the database for as long as it lives. Every
/// function throws as store::TrainingStore's do.
class TrainingRecorder {
 public:
  /// Creates the database, and its folder, where they are missing. `command` is for provenance and
  /// for those who find the database locked.
  TrainingRecorder(const std::filesystem::path& database, store::TrainingRecord record,
                   std::string command);

  /// How the run stands in the database; nothing where it is not there.
  std::optional<store::StoredTraining> find() const { return training_.find(record_); }

  /// Notes that the run begins or goes on, in this program. What follows is about it.
  void begin(store::ProvenanceRecord provenance);
  /// Drops what an earlier run stored of later steps.
  void resumed(std::int64_t step);
  void point(store::TrainingPoint point) { waiting_.push_back(std::move(point)); }
  /// Writes what waits, if the last time is a second ago.
  void flush_if_due();
  /// Writes what waits.
  void flush();
  /// `sha256`: of the result, as cells that use it have it in their key.
  void done(const std::string& sha256);
  void interrupted(std::int64_t step);
  /// Notes that the run failed. Throws nothing: `reason` is what the user has to see.
  void failed(const std::string& reason) noexcept;

 private:
  store::TrainingRecord record_;
  std::string command_;
  store::RunStore store_;
  store::TrainingStore training_;
  std::int64_t id_ = 0;
  std::vector<store::TrainingPoint> waiting_;
  double flushed_ = 0;  ///< steady seconds
};

}  // namespace lethe::cli
