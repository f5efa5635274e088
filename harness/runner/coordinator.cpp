// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/coordinator.h"

#include <poll.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "harness/base/error.h"
#include "harness/runner/interrupts.h"
#include "harness/runner/recorder.h"
#include "harness/runner/wire.h"
#include "harness/runner/worker_process.h"
#include "harness/store/store_lock.h"

namespace lethe::runner {
namespace {

using store::CellStatus;
using Result = JobOutcome::Result;

constexpr int kTickMs = 250;           // observers are called at least this often
constexpr double kGoodbyeSeconds = 5;  // for a worker to end after "stop"
constexpr int kMaxFailedStarts = 3;

// A cell that still has samples to run.
struct ActiveJob {
  PlannedJob planned;
  std::set<std::string> missing;  ///< sample keys not received yet
  int deaths = 0;                 ///< workers lost in a row without a sample in between
  bool given = false;             ///< has been with a worker
};

// A place for a worker process; the process in it may be replaced.
struct Slot {
  int index = 0;
  std::unique_ptr<WorkerProcess> process;
  bool ready = false;  ///< has said hello
  bool said_stop = false;
  int failed_starts = 0;
  std::int64_t provenance_id = 0;
  ActiveJob* job = nullptr;
};

class Coordinator {
 public:
  Coordinator(store::RunStore& store, const RunOptions& options)
      : store_(store),
        options_(options),
        clock_(*options.clock),
        started_(clock_.steady_seconds()),
        recorder_(store, options, report_) {}

  RunReport run(const std::vector<grid::Cell>& cells) {
    prepare(cells);
    if (!queue_.empty()) {
      Interrupts interrupts(options_.handle_signals);
      start_slots();
      while (!finished()) {
        dispatch();
        wait(interrupts);
        recorder_.commit_if_due(quiet_);
        reap();
        recorder_.tick();
      }
      recorder_.commit();
      put_back_unfinished();
      say_goodbye();
    }
    report_.seconds = clock_.steady_seconds() - started_;
    recorder_.emit({.type = EventType::kRunDone,
                    .seconds = report_.seconds,
                    .status = report_.interrupted ? "interrupted" : "done"});
    return std::move(report_);
  }

 private:
  // Setting up.

  void prepare(const std::vector<grid::Cell>& cells) {
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
    recorder_.emit({.type = EventType::kRunStarted,
                    .cells = static_cast<std::int64_t>(jobs_.size()),
                    .cells_cached = report_.cells_cached,
                    .samples = plan.samples_missing,
                    .tokens_total = plan.tokens_missing});
  }

  void start_slots() {
    log_dir_ = options_.log_dir.empty() ? std::filesystem::path(store_.path().string() + ".logs")
                                        : options_.log_dir;
    std::error_code ec;
    std::filesystem::create_directories(log_dir_, ec);
    if (ec) {
      throw Error(ErrorKind::kStore,
                  "cannot create the folder of logs " + log_dir_.string() + ": " + ec.message());
    }
    const auto count =
        std::min<std::size_t>(static_cast<std::size_t>(options_.workers), jobs_.size());
    slots_.resize(count);
    for (std::size_t i = 0; i < count; ++i) slots_[i].index = static_cast<int>(i);
  }

  void start_process(Slot& slot) {
    slot.process = std::make_unique<WorkerProcess>(
        options_.worker_command, options_.worker_environment,
        log_dir_ / ("worker-" + std::to_string(slot.index) + ".log"));
    slot.ready = false;
  }

  // The main loop.

  bool busy() const {
    for (const auto& slot : slots_) {
      if (slot.job) return true;
    }
    return false;
  }

  bool finished() const {
    return stop_now_ || (!busy() && (queue_.empty() || report_.interrupted));
  }

  void dispatch() {
    if (report_.interrupted) return;
    for (auto& slot : slots_) {
      if (queue_.empty()) return;
      if (slot.job || slot.failed_starts >= kMaxFailedStarts) continue;
      if (!slot.process) start_process(slot);
      if (slot.ready) give_job(slot);
    }
  }

  void give_job(Slot& slot) {
    ActiveJob& active = *queue_.front();
    queue_.pop_front();
    Job job = active.planned.job;
    std::erase_if(job.samples,
                  [&](const JobSample& sample) { return !active.missing.contains(sample.key); });
    slot.job = &active;
    active.given = true;
    store_.set_cell_status(job.cell_key, CellStatus::kRunning);
    recorder_.emit({.type = EventType::kCellStarted,
                    .worker = slot.index,
                    .cell_key = job.cell_key,
                    .label = job.label,
                    .attempt = active.deaths + 1,
                    .samples = static_cast<std::int64_t>(job.samples.size())});
    slot.process->send(job_frame(job));
  }

  void wait(Interrupts& interrupts) {
    std::vector<pollfd> entries{{interrupts.fd(), POLLIN, 0}};
    std::vector<Slot*> owners{nullptr};
    for (auto& slot : slots_) {
      if (!slot.process) continue;
      const int write = slot.process->wants_to_write() ? POLLOUT : 0;
      entries.push_back({slot.process->fd(), static_cast<short>(POLLIN | write), 0});
      owners.push_back(&slot);
    }
    // With samples in hand: look whether more is waiting, store them if not.
    const int timeout = recorder_.empty() ? kTickMs : 0;
    const int count = poll(entries.data(), entries.size(), timeout);
    quiet_ = count <= 0;
    if (count <= 0) return;
    if (entries[0].revents) {
      for (int i = interrupts.take(); i > 0; --i) on_interrupt();
    }
    for (std::size_t i = 1; i < entries.size(); ++i) {
      Slot& slot = *owners[i];
      if (entries[i].revents & POLLOUT) slot.process->flush();
      if (entries[i].revents & (POLLIN | POLLHUP | POLLERR)) on_readable(slot);
    }
  }

  void on_interrupt() {
    if (report_.interrupted) {
      stop_now_ = true;
      return;
    }
    report_.interrupted = true;
    recorder_.emit({.type = EventType::kStopRequested});
    for (auto& slot : slots_) {
      if (slot.job) say_stop(slot);
    }
  }

  void say_stop(Slot& slot) {
    if (!std::exchange(slot.said_stop, true)) slot.process->send(stop_frame());
  }

  void on_readable(Slot& slot) {
    const ReadResult result = slot.process->read();
    take_messages(slot);
    if (slot.process && result == ReadResult::kEnd) {
      slot.process->wait_or_kill(1);
      on_death(slot, slot.process->describe_end());
    }
  }

  void take_messages(Slot& slot) {
    try {
      while (const auto frame = slot.process->next()) on_message(slot, *frame);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInternal) throw;
      slot.process->kill();
      on_death(slot, std::string("it sent nonsense: ") + error.what());
    }
  }

  void on_message(Slot& slot, const Frame& frame) {
    const std::string type = frame_type(frame);
    if (type == "hello") {
      slot.provenance_id = recorder_.provenance_id(read_hello(frame));
      slot.ready = true;
      slot.failed_starts = 0;
      recorder_.emit({.type = EventType::kWorkerStarted, .worker = slot.index});
    } else if (type == "progress") {
      if (!slot.job) return;
      recorder_.emit({.type = EventType::kProgress,
                      .worker = slot.index,
                      .cell_key = slot.job->planned.job.cell_key,
                      .label = slot.job->planned.job.label,
                      .tokens = read_progress(frame)});
    } else if (type == "sample") {
      on_sample(slot, read_sample(frame));
    } else if (type == "finished") {
      on_outcome(slot, read_outcome(frame));
    } else {
      throw Error(ErrorKind::kInternal, "message of unknown type '" + type + "'");
    }
  }

  void on_sample(Slot& slot, SampleMessage message) {
    if (!slot.job || message.cell_key != slot.job->planned.job.cell_key ||
        slot.job->missing.erase(message.record.sample_key) != 1) {
      throw Error(ErrorKind::kInternal, "a sample that was not asked for");
    }
    slot.job->deaths = 0;
    RunEvent event{.type = EventType::kSampleDone,
                   .worker = slot.index,
                   .cell_key = message.cell_key,
                   .label = slot.job->planned.job.label,
                   .sample_id = message.record.sample_id,
                   .tokens = slot.job->planned.length,
                   .seconds = message.record.seconds};
    recorder_.add({message.cell_key, slot.provenance_id, std::move(message.record)},
                  std::move(event));
  }

  void on_outcome(Slot& slot, const JobOutcome& outcome) {
    if (!slot.job || outcome.cell_key != slot.job->planned.job.cell_key) {
      throw Error(ErrorKind::kInternal, "an outcome for a cell that was not running");
    }
    ActiveJob& active = *std::exchange(slot.job, nullptr);
    switch (outcome.result) {
      case Result::kDone:
        if (!active.missing.empty()) {
          end_cell(slot, active, CellStatus::kFailed, ErrorKind::kInternal,
                   std::to_string(active.missing.size()) + " samples are missing at the end");
        } else {
          end_cell(slot, active, CellStatus::kDone, std::nullopt, "");
        }
        break;
      case Result::kStopped:
        unfinished_.push_back(&active);
        break;
      case Result::kFailed:
        end_cell(slot, active, CellStatus::kFailed, outcome.kind, outcome.message);
        break;
      case Result::kOom:
        end_cell(slot, active, CellStatus::kOom, outcome.kind, outcome.message);
        break;
    }
  }

  void end_cell(const Slot& slot, const ActiveJob& active, CellStatus status,
                std::optional<ErrorKind> kind, const std::string& reason) {
    recorder_.commit();  // a status never runs ahead of its samples
    const Job& job = active.planned.job;
    store_.set_cell_status(job.cell_key, status, reason, kind);
    if (status == CellStatus::kDone) {
      ++report_.cells_done;
    } else {
      report_.failures.push_back({job.cell_key, job.label, status, reason});
    }
    recorder_.emit(
        {.type = EventType::kCellDone,
         .worker = slot.index,
         .cell_key = job.cell_key,
         .label = job.label,
         .tokens = static_cast<std::int64_t>(active.missing.size()) * active.planned.length,
         .status = to_string(status),
         .reason = reason});
  }

  // Workers that end unasked.

  // A process may end while something it started keeps its socket open.
  void reap() {
    for (auto& slot : slots_) {
      if (!slot.process || !slot.process->ended()) continue;
      while (slot.process->read() == ReadResult::kData) {
      }
      take_messages(slot);
      if (slot.process) on_death(slot, slot.process->describe_end());
    }
  }

  void on_death(Slot& slot, const std::string& how) {
    const bool was_ready = slot.ready;
    slot.process.reset();
    slot.ready = false;
    ActiveJob* active = std::exchange(slot.job, nullptr);
    if (std::exchange(slot.said_stop, false) && !active) return;  // it was told to go
    ++report_.workers_died;
    recorder_.emit({.type = EventType::kWorkerDied,
                    .worker = slot.index,
                    .cell_key = active ? active->planned.job.cell_key : "",
                    .label = active ? active->planned.job.label : "",
                    .reason = how});
    if (active) {
      if (active->missing.empty()) {
        end_cell(slot, *active, CellStatus::kDone, std::nullopt, "");
      } else if (++active->deaths > options_.max_retries) {
        end_cell(slot, *active, CellStatus::kCrashed, ErrorKind::kCrash,
                 "the worker died " + std::to_string(active->deaths) + " times in a row: " + how);
      } else {
        queue_.push_front(active);
      }
    } else if (!was_ready && !report_.interrupted) {
      on_failed_start(slot, how);
    }
  }

  void on_failed_start(Slot& slot, const std::string& how) {
    if (++slot.failed_starts < kMaxFailedStarts) return;
    for (const auto& other : slots_) {
      if (other.failed_starts < kMaxFailedStarts) return;  // the others go on
    }
    recorder_.commit();
    throw Error(ErrorKind::kCrash, "workers die before they are ready (" + how +
                                       "); see the logs in " + log_dir_.string());
  }

  // Ending.

  // What the user's stop left over. A cell that never started keeps the status it had.
  void put_back_unfinished() {
    for (auto& slot : slots_) {
      if (slot.job) unfinished_.push_back(slot.job);
    }
    unfinished_.insert(unfinished_.end(), queue_.begin(), queue_.end());
    for (const auto* active : unfinished_) {
      if (!active->given) continue;
      store_.set_cell_status(active->planned.job.cell_key, CellStatus::kPending);
    }
    report_.cells_left = static_cast<std::int64_t>(unfinished_.size());
  }

  void say_goodbye() {
    for (auto& slot : slots_) {
      if (slot.process && slot.ready && !stop_now_) say_stop(slot);
    }
    for (auto& slot : slots_) {
      if (!slot.process) continue;
      slot.process->wait_or_kill(slot.ready && !stop_now_ ? kGoodbyeSeconds : 0);
      slot.process.reset();
    }
  }

  store::RunStore& store_;
  const RunOptions& options_;
  const Clock& clock_;
  const double started_;
  std::filesystem::path log_dir_;
  std::vector<std::unique_ptr<ActiveJob>> jobs_;
  std::deque<ActiveJob*> queue_;
  std::vector<ActiveJob*> unfinished_;  ///< stopped by the user
  std::vector<Slot> slots_;
  bool quiet_ = false;  ///< the last look found no message waiting
  bool stop_now_ = false;
  RunReport report_;
  Recorder recorder_;
};

}  // namespace

int RunReport::exit_code() const {
  if (interrupted) return kExitInterrupted;
  return failures.empty() ? kExitOk : kExitSomeCellsFailed;
}

RunReport run_grid(const std::vector<grid::Cell>& cells, store::RunStore& store,
                   const RunOptions& options) {
  if (options.worker_command.empty() || options.workers < 1) {
    throw Error(ErrorKind::kConfig,
                "a run needs the command of its workers and at least one worker, "
                "found " +
                    std::to_string(options.workers) + " workers");
  }
  const store::StoreLock lock(store.path(), options.provenance.command, *options.clock);
  return Coordinator(store, options).run(cells);
}

}  // namespace lethe::runner
