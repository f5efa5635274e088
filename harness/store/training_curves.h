// SPDX-License-Identifier: Apache-2.0
// Training runs and their learning curves in the result database: what a trainer writes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/base/clock.h"
#include "harness/store/records.h"
#include "harness/store/run_store.h"
#include "harness/store/store_lock.h"

namespace lethe::store {

/// A training run as stored, with how it stands.
struct StoredTraining {
  std::int64_t id = 0;
  std::string key;
  TrainingRecord record;
  TrainingStatus status = TrainingStatus::kPending;
  std::string reason;                            ///< why it is not done; empty where none is known
  std::optional<std::string> checkpoint_sha256;  ///< of the file that it gave
  std::optional<std::int64_t> last_step;         ///< of its points; none without points
  std::int64_t points = 0;
};

/// The one writer of training runs: holds the StoreLock for as long as it lives, so that neither a
/// run of a grid nor another trainer writes at the same time. Writes through the connection of a
/// RunStore, which outlives it and stays where it is, as the clock does. Use from one thread at a
/// time.
///
/// Every function throws as RunStore's do: Error(kStore) for a database that is locked by another
/// program, or a full disk, …; Error(kInternal) for an unknown id or a value that breaks a rule of
/// the schema. A call that throws leaves the database as it was.
class TrainingStore {
 public:
  /// `command` tells others who holds the lock. Runs that a killed trainer left `running` become
  /// `interrupted`. Throws Error(kStore) that names the holder when another process has the lock,
  /// Error(kInternal) when `store` is open to read only.
  TrainingStore(RunStore& store, const std::string& command, const Clock& clock = system_clock());

  /// Notes runs to come as `pending`; those that are there stay as they are.
  void plan(std::span<const TrainingRecord> records);

  /// Notes that a run begins, or goes on, and returns the id that its points take. A run of the
  /// same key, whatever its status, keeps its points and takes this name and provenance (an id of
  /// RunStore::begin_run()); reason and checkpoint of the time before are forgotten.
  std::int64_t begin(const TrainingRecord& record, std::int64_t provenance_id);

  /// Stores points in one transaction. One that is there already (same step and metric) takes the
  /// new value: a run that went on from its last state repeats the steps since.
  void add_points(std::int64_t id, std::span<const TrainingPoint> points);

  /// Drops the points of later steps than `step` (-1: all), for a run that goes on from an earlier
  /// state and may take another path. Returns how many there were.
  std::int64_t drop_points_after(std::int64_t id, std::int64_t step);

  /// Notes how a run ended: done, failed or interrupted. `reason` says why it is not done;
  /// `checkpoint_sha256` (64 hex digits) is the hash of the file that holds the result.
  void finish(std::int64_t id, TrainingStatus status, std::string_view reason = {},
              const std::optional<std::string>& checkpoint_sha256 = std::nullopt);

  /// The run of this recipe and seed, or nothing.
  std::optional<StoredTraining> find(const TrainingRecord& record) const;

 private:
  std::string now() const;

  RunStore& store_;
  StoreLock lock_;
  const Clock& clock_;
};

}  // namespace lethe::store
