// SPDX-License-Identifier: Apache-2.0
// Between the workers' messages and the database: grouped commits and provenance. Internal; `lethe
// bench harness` measures it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/runner/coordinator.h"

namespace lethe::runner {

/// Collects received samples and stores them in groups; tells observers of a sample once it is in
/// the database.
class Recorder {
 public:
  Recorder(store::RunStore& store, const RunOptions& options, RunReport& report);

  /// Row that says where samples of a worker with these facts come from. Workers with equal facts
  /// share it, so a restarted one does not add another.
  std::int64_t provenance_id(const store::ProvenanceRecord& worker);

  void add(store::SampleRow row, RunEvent event);
  bool empty() const { return rows_.empty(); }
  /// Stores what has been added when no message is waiting (`quiet`) or the oldest row is 50 ms
  /// old.
  void commit_if_due(bool quiet);
  void commit();

  /// `<db>.states`. A sample's state goes when the sample is stored.
  std::filesystem::path state_dir() const { return store_.path().string() + ".states"; }
  /// Removes what is in it but not in `wanted` (states of samples that were stored just before a
  /// kill, halves of files), and the folder when it is empty then; without `wanted` only the
  /// latter.
  void drop_states(const std::set<std::filesystem::path>* wanted);

  void emit(const RunEvent& event);
  void tick();

 private:
  store::RunStore& store_;
  const RunOptions& options_;
  RunReport& report_;
  std::vector<store::SampleRow> rows_;
  std::vector<RunEvent> events_;  ///< of rows_, in the same order
  double oldest_ = 0;
  std::map<std::string, std::int64_t> provenance_ids_;  ///< facts as JSON -> row
};

}  // namespace lethe::runner
