// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/recorder.h"

#include <filesystem>
#include <utility>

#include "harness/base/host.h"
#include "harness/runner/wire.h"

namespace lethe::runner {
namespace {

constexpr double kCommitSeconds = 0.05;

}  // namespace

Recorder::Recorder(store::RunStore& store, const RunOptions& options, RunReport& report)
    : store_(store), options_(options), report_(report) {}

std::int64_t Recorder::provenance_id(const store::ProvenanceRecord& worker) {
  const std::string facts = json::serialize(hello_frame(worker).message);
  const auto found = provenance_ids_.find(facts);
  if (found != provenance_ids_.end()) return found->second;
  // The worker's program makes the numbers, so its build counts where it differs from ours.
  store::ProvenanceRecord row = options_.provenance;
  const auto prefer = [](std::string& to, const std::string& from) {
    if (!from.empty()) to = from;
  };
  prefer(row.version, worker.version);
  prefer(row.git_commit, worker.git_commit);
  prefer(row.compiler, worker.compiler);
  prefer(row.flags, worker.flags);
  prefer(row.build_type, worker.build_type);
  prefer(row.torch_version, worker.torch_version);
  prefer(row.cpu, worker.cpu);
  prefer(row.device, worker.device);
  prefer(row.kernel, worker.kernel);
  row.git_dirty = worker.git_dirty;
  row.threads = worker.threads;
  if (row.created_at.empty()) row.created_at = utc_text(options_.clock->unix_ms());
  if (row.host.empty()) row.host = host_name();
  return provenance_ids_[facts] = store_.begin_run(row);
}

void Recorder::add(store::SampleRow row, RunEvent event) {
  if (rows_.empty()) oldest_ = options_.clock->steady_seconds();
  rows_.push_back(std::move(row));
  events_.push_back(std::move(event));
}

void Recorder::commit_if_due(bool quiet) {
  if (rows_.empty()) return;
  if (quiet || options_.clock->steady_seconds() - oldest_ >= kCommitSeconds) commit();
}

void Recorder::commit() {
  if (rows_.empty()) return;
  report_.samples_done += static_cast<std::int64_t>(store_.add_samples(rows_));
  std::error_code ec;
  if (std::filesystem::exists(state_dir(), ec)) {  // asked once a group, not once a row
    for (const auto& row : rows_) {
      std::filesystem::remove(state_path(state_dir(), row.record.sample_key), ec);
    }
  }
  rows_.clear();
  for (const auto& event : std::exchange(events_, {})) {
    report_.tokens_done += event.tokens;
    emit(event);
  }
}

void Recorder::drop_states(const std::set<std::filesystem::path>* wanted) {
  std::error_code ec;
  if (wanted) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(state_dir(), ec)) {
      found.push_back(entry.path());
    }
    for (const auto& path : found) {
      if (!wanted->contains(path)) std::filesystem::remove(path, ec);
    }
  }
  std::filesystem::remove(state_dir(), ec);  // fails while something is in it
}

void Recorder::emit(const RunEvent& event) {
  for (auto* observer : options_.observers) observer->on_event(event);
}

void Recorder::tick() {
  for (auto* observer : options_.observers) observer->tick();
}

}  // namespace lethe::runner
