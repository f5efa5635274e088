// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/training_recorder.h"

#include <exception>
#include <utility>

#include "harness/base/clock.h"
#include "harness/base/hash.h"
#include "harness/base/host.h"
#include "harness/cli/results.h"

namespace lethe::cli {

namespace {

constexpr double kFlushSeconds = 1;

}  // namespace

TrainingRecorder::TrainingRecorder(const std::filesystem::path& database,
                                   store::TrainingRecord record, std::string command)
    : record_(std::move(record)),
      command_(std::move(command)),
      store_(open_results(database)),
      training_(store_, command_) {}

void TrainingRecorder::begin(store::ProvenanceRecord provenance) {
  provenance.created_at = utc_text(system_clock().unix_ms());
  provenance.host = host_name();
  provenance.command = command_;
  id_ = training_.begin(record_, store_.begin_run(provenance));
  flushed_ = system_clock().steady_seconds();
}

void TrainingRecorder::resumed(std::int64_t step) {
  training_.drop_points_after(id_, step);
}

void TrainingRecorder::flush_if_due() {
  if (system_clock().steady_seconds() - flushed_ >= kFlushSeconds) flush();
}

void TrainingRecorder::flush() {
  flushed_ = system_clock().steady_seconds();
  if (waiting_.empty()) return;
  training_.add_points(id_, waiting_);
  waiting_.clear();
}

void TrainingRecorder::done(const std::string& sha256) {
  flush();
  training_.finish(id_, store::TrainingStatus::kDone, {}, sha256);
}

void TrainingRecorder::interrupted(std::int64_t step) {
  flush();
  training_.finish(id_, store::TrainingStatus::kInterrupted,
                   "stopped after step " + std::to_string(step));
}

void TrainingRecorder::failed(const std::string& reason) noexcept {
  try {
    flush();
    training_.finish(id_, store::TrainingStatus::kFailed, reason);
  } catch (const std::exception&) {
    // The database may be why the run failed; the next one to open it finds the run `running`.
  }
}

}  // namespace lethe::cli
