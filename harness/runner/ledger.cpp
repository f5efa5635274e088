// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/ledger.h"

#include <filesystem>
#include <utility>

namespace lethe::runner {

using store::CellStatus;

namespace {

const MemoryLine& line_of(ActiveJob& active) {
  if (!active.line) active.line = memory_line(active.planned.job.inputs.object());
  return *active.line;
}

}  // namespace

Ledger::Ledger(store::RunStore& store, const RunOptions& options, Recorder& recorder,
               RunReport& report)
    : store_(store), options_(options), recorder_(recorder), report_(report) {}

void Ledger::open(const std::vector<grid::Cell>& cells) {
  std::vector<store::CellRecord> records;
  records.reserve(cells.size());
  for (const auto& cell : cells) records.push_back(cell_record(cell));
  store_.add_cells(records);
  store_.reset_running_cells();
  Plan plan = plan_jobs(cells, &store_);
  for (const auto& key : plan.cached) {
    // A coordinator may have died after the last sample and before the status.
    const auto stored = store_.cell(key);
    if (stored && stored->status != CellStatus::kDone) {
      store_.set_cell_status(key, CellStatus::kDone);
    }
  }
  report_.cells_total = plan.cells_total;
  report_.cells_cached = static_cast<std::int64_t>(plan.cached.size());
  report_.samples_cached = plan.samples_cached;
  for (auto& planned : plan.jobs) {
    auto job = std::make_unique<ActiveJob>();
    for (const auto& sample : planned.job.samples) job->missing.insert(sample.key);
    job->planned = std::move(planned);
    queue_.push_back(job.get());
    jobs_.push_back(std::move(job));
  }
  if (std::error_code ec; std::filesystem::exists(recorder_.state_dir(), ec)) {
    std::set<std::filesystem::path> wanted;
    for (const auto& job : jobs_) {
      for (const auto& key : job->missing) wanted.insert(state_path(recorder_.state_dir(), key));
    }
    recorder_.drop_states(&wanted);
  }
  recorder_.emit({.type = EventType::kRunStarted,
                  .cells = static_cast<std::int64_t>(jobs_.size()),
                  .cells_cached = report_.cells_cached,
                  .samples = plan.samples_missing,
                  .tokens_total = plan.tokens_missing});
}

ActiveJob& Ledger::take(int worker) {
  ActiveJob& active = *queue_.front();
  queue_.pop_front();
  active.given = true;
  const JobDraft& job = active.planned.job;
  store_.set_cell_status(job.cell_key, CellStatus::kRunning);
  recorder_.emit({.type = EventType::kCellStarted,
                  .worker = worker,
                  .cell_key = job.cell_key,
                  .label = job.label,
                  .attempt = active.deaths + 1,
                  .samples = static_cast<std::int64_t>(active.missing.size())});
  return active;
}

Job Ledger::remaining(const ActiveJob& active) {
  Job job = active.planned.job;
  std::erase_if(job.samples,
                [&](const JobSample& sample) { return !active.missing.contains(sample.key); });
  return job;
}

void Ledger::done(ActiveJob& active, int worker) {
  if (active.missing.empty()) {
    end(active, worker, CellStatus::kDone, std::nullopt, "");
  } else {
    failed(active, worker, ErrorKind::kInternal,
           std::to_string(active.missing.size()) + " samples are missing at the end");
  }
}

void Ledger::failed(const ActiveJob& active, int worker, ErrorKind kind,
                    const std::string& reason) {
  end(active, worker, CellStatus::kFailed, kind, reason);
}

void Ledger::out_of_memory(ActiveJob& active, int worker, const std::string& reason) {
  end(active, worker, CellStatus::kOom, ErrorKind::kResource, reason);
  if (options_.after_oom == AfterOom::kTry) return;
  const MemoryLine& line = line_of(active);
  std::vector<const ActiveJob*> larger;
  std::erase_if(queue_, [&](ActiveJob* other) {
    const bool skip = line_of(*other).at_least(line);
    if (skip) larger.push_back(other);
    return skip;
  });
  for (const auto* other : larger) {
    end(*other, worker, CellStatus::kSkipped, ErrorKind::kResource,
        "needs at least the memory of " + active.planned.job.label +
            ", which ran out of it (--after-oom try runs it all the same)");
  }
}

void Ledger::lost(ActiveJob& active, int worker, const Ending& ending) {
  if (active.missing.empty()) return end(active, worker, CellStatus::kDone, std::nullopt, "");
  if (ending.cause == EndCause::kTimeout) {
    return end(active, worker, CellStatus::kTimeout, ErrorKind::kTimeout, ending.how);
  }
  if (ending.cause == EndCause::kMemory) return out_of_memory(active, worker, ending.how);
  // Other programs may have caused the rest, so it is worth another try.
  if (++active.deaths <= options_.max_retries) {
    queue_.push_front(&active);
    return;
  }
  const std::string reason =
      "the worker died " + std::to_string(active.deaths) + " times in a row: " + ending.how;
  if (ending.cause == EndCause::kKernelMemory) return out_of_memory(active, worker, reason);
  end(active, worker, CellStatus::kCrashed, ErrorKind::kCrash, reason);
}

void Ledger::end(const ActiveJob& active, int worker, CellStatus status,
                 std::optional<ErrorKind> kind, const std::string& reason) {
  recorder_.commit();  // a status never runs ahead of its samples
  const JobDraft& job = active.planned.job;
  store_.set_cell_status(job.cell_key, status, reason, kind);
  if (status == CellStatus::kDone) {
    ++report_.cells_done;
  } else {
    report_.failures.push_back({job.cell_key, job.label, status, reason});
  }
  recorder_.emit(
      {.type = EventType::kCellDone,
       .worker = worker,
       .cell_key = job.cell_key,
       .label = job.label,
       .tokens = static_cast<std::int64_t>(active.missing.size()) * active.planned.length,
       .status = to_string(status),
       .reason = reason});
}

void Ledger::close() {
  unfinished_.insert(unfinished_.end(), queue_.begin(), queue_.end());
  for (const auto* active : unfinished_) {
    if (active->given) {
      store_.set_cell_status(active->planned.job.cell_key, CellStatus::kPending);
    }
  }
  if (unfinished_.empty()) recorder_.drop_states(nullptr);
  report_.cells_left = static_cast<std::int64_t>(unfinished_.size());
}

}  // namespace lethe::runner
