// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/coordinator.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "harness/base/error.h"
#include "harness/base/shared_memory.h"
#include "harness/runner/interrupts.h"
#include "harness/runner/ledger.h"
#include "harness/runner/recorder.h"
#include "harness/runner/supervisor.h"
#include "harness/runner/wire.h"
#include "harness/runner/worker_process.h"
#include "harness/store/store_lock.h"

namespace lethe::runner {
namespace {

using Result = JobOutcome::Result;

constexpr int kTickMs = 250;           // observers and limits are looked after this often
constexpr double kGoodbyeSeconds = 5;  // for a worker to end after "stop"
constexpr double kLingerSeconds = 1;   // for a process to end after its connection
constexpr int kReapMs = 5;             // how often such a process is looked after
constexpr int kMaxFailedStarts = 3;

// A place for a worker process; the process in it may be replaced.
struct Slot {
  int index = 0;
  std::unique_ptr<WorkerProcess> process;
  bool ready = false;  ///< has said hello
  bool said_stop = false;
  int failed_starts = 0;
  JobWatch watch;
  std::optional<double> lost_at;  ///< when its connection ended; the process should follow
  std::optional<Ending> verdict;  ///< why its process was killed
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
        recorder_(store, options, report_),
        ledger_(store, options, recorder_, report_) {}

  RunReport run(const std::vector<grid::Cell>& cells) {
    ledger_.open(cells);
    if (ledger_.waiting()) {
      if (options_.worker_command.front().find('/') != std::string::npos) {
        program_.emplace(options_.worker_command.front());
      }
      Interrupts interrupts(options_.handle_signals);
      start_slots();
      while (!finished()) {
        dispatch();
        wait(interrupts);
        recorder_.commit_if_due(quiet_);
        supervise();
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

  void start_slots() {
    log_dir_ = options_.log_dir.empty() ? std::filesystem::path(store_.path().string() + ".logs")
                                        : options_.log_dir;
    std::error_code ec;
    std::filesystem::create_directories(log_dir_, ec);
    if (ec) {
      throw Error(ErrorKind::kStore,
                  "cannot create the folder of logs " + log_dir_.string() + ": " + ec.message());
    }
    const auto devices = std::max<std::size_t>(1, options_.devices.size());
    const std::size_t wanted = devices * static_cast<std::size_t>(options_.workers);
    slots_.resize(std::min(wanted, ledger_.cells_to_run()));
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].index = static_cast<int>(i);
    const auto on_cpu = std::count_if(slots_.begin(), slots_.end(),
                                      [&](const Slot& slot) { return uses_cpu(slot); });
    if (options_.share_memory && on_cpu > 1) memory_ = SharedMemory::create();
  }

  const std::string* device_of(const Slot& slot) const {
    if (options_.devices.empty()) return nullptr;
    return &options_.devices[static_cast<std::size_t>(slot.index) % options_.devices.size()];
  }

  bool uses_cpu(const Slot& slot) const {
    const auto* device = device_of(slot);
    return !device || *device == "cpu";
  }

  void start_process(Slot& slot) {
    std::vector<std::string> command = options_.worker_command;
    if (const auto* device = device_of(slot)) {
      command.insert(command.end(), {"--device", *device});
    }
    slot.process = std::make_unique<WorkerProcess>(
        command, log_dir_ / ("worker-" + std::to_string(slot.index) + ".log"),
        program_ ? &*program_ : nullptr, uses_cpu(slot) ? memory_.get() : nullptr);
    slot.ready = false;
    slot.watch.start(clock_.steady_seconds(), options_.limits);
  }

  // The main loop.

  bool busy() const {
    for (const auto& slot : slots_) {
      if (slot.job) return true;
    }
    return false;
  }

  bool finished() const {
    return stop_now_ || (!busy() && (!ledger_.waiting() || report_.interrupted));
  }

  void dispatch() {
    if (report_.interrupted) return;
    for (auto& slot : slots_) {
      if (!ledger_.waiting()) return;
      // One that is under a verdict may take a while to die.
      if (slot.job || slot.verdict || slot.lost_at || slot.failed_starts >= kMaxFailedStarts)
        continue;
      if (!slot.process) start_process(slot);
      if (slot.ready) give_job(slot);
    }
  }

  void give_job(Slot& slot) {
    slot.job = &ledger_.take(slot.index);
    slot.watch.start(clock_.steady_seconds(), options_.limits);
    Job job = Ledger::remaining(*slot.job);
    if (options_.state_seconds > 0) {
      job.state_dir = std::filesystem::absolute(recorder_.state_dir()).string();
      job.state_seconds = options_.state_seconds;
    }
    slot.process->send(job_frame(job));
  }

  void wait(Interrupts& interrupts) {
    // With samples in hand: look whether more is waiting, store them if not.
    int timeout = recorder_.empty() ? kTickMs : 0;
    std::vector<pollfd> entries{{interrupts.fd(), POLLIN, 0}};
    std::vector<Slot*> owners{nullptr};
    for (auto& slot : slots_) {
      if (!slot.process) continue;
      if (slot.lost_at) {
        timeout = std::min(timeout, kReapMs);
        continue;
      }
      const int write = slot.process->wants_to_write() ? POLLOUT : 0;
      entries.push_back({slot.process->fd(), static_cast<short>(POLLIN | write), 0});
      owners.push_back(&slot);
    }
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
    if (slot.process && result == ReadResult::kEnd) slot.lost_at = clock_.steady_seconds();
  }

  void take_messages(Slot& slot) {
    try {
      while (const auto frame = slot.process->next()) on_message(slot, *frame);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInternal) throw;
      slot.process->kill();
      on_death(slot, {EndCause::kCrash, std::string("it sent nonsense: ") + error.what()});
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
      const std::int64_t tokens = read_progress(frame);
      slot.watch.advanced(tokens, clock_.steady_seconds());
      recorder_.emit({.type = EventType::kProgress,
                      .worker = slot.index,
                      .cell_key = slot.job->planned.job.cell_key,
                      .label = slot.job->planned.job.label,
                      .tokens = tokens});
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
    slot.watch.sample_done(clock_.steady_seconds());
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
        return ledger_.done(active, slot.index);
      case Result::kStopped:
        return ledger_.put_aside(active);
      case Result::kFailed:
        return ledger_.failed(active, slot.index, outcome.kind, outcome.message);
      case Result::kOom:
        return ledger_.out_of_memory(active, slot.index, outcome.message);
    }
  }

  // Workers that end unasked.

  void supervise() {
    if (left_behind_) free_unused_memory();
    for (auto& slot : slots_) {
      if (!slot.process || slot.verdict) continue;
      if (slot.lost_at && clock_.steady_seconds() - *slot.lost_at > kLingerSeconds) {
        slot.verdict = Ending{EndCause::kCrash, "it closed its connection and lived on"};
        slot.process->kill();
        continue;
      }
      if (slot.ready && !slot.job) continue;
      WorkerLimits limits = options_.limits;
      if (!slot.ready) limits.cell_seconds = 0;  // it has no cell yet, but may hang all the same
      slot.verdict = slot.watch.over_limit(clock_.steady_seconds(), slot.process->pid(), limits,
                                           memory_.get());
      if (slot.verdict) slot.process->kill();
    }
  }

  // What a killed worker alone has used is in no process's memory: no other kill would free it.
  void free_unused_memory() { left_behind_ = memory_ && !memory_->free_unused(); }

  // A process may end while something it started keeps its socket open.
  void reap() {
    for (auto& slot : slots_) {
      if (!slot.process || !slot.process->ended()) continue;
      while (slot.process->read() == ReadResult::kData) {
      }
      take_messages(slot);
      if (slot.process) on_end(slot);
    }
  }

  // The process of a slot has ended: by our verdict, by the kernel's, or of itself.
  void on_end(Slot& slot) {
    Ending ending{EndCause::kCrash, slot.process->describe_end()};
    if (slot.verdict) {
      ending = *slot.verdict;
    } else if (slot.job && slot.process->ended_by_sigkill() &&
               slot.watch.kernel_ran_out_of_memory(options_.limits)) {
      ending = {EndCause::kKernelMemory, "killed by the kernel, which had run out of memory"};
    }
    on_death(slot, ending);
  }

  void on_death(Slot& slot, const Ending& ending) {
    const std::string& how = ending.how;
    const bool was_ready = slot.ready;
    slot.process.reset();
    free_unused_memory();
    slot.verdict.reset();
    slot.lost_at.reset();
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
      ledger_.lost(*active, slot.index, ending);
    } else if (!was_ready && !report_.interrupted) {
      on_failed_start(slot, how);
    }
  }

  void on_failed_start(Slot& slot, const std::string& how) {
    if (++slot.failed_starts < kMaxFailedStarts) return;
    const auto* device = device_of(slot);
    report_.workers_given_up.push_back("worker " + std::to_string(slot.index) +
                                       (device ? " (" + *device + "): " : ": ") + how);
    for (const auto& other : slots_) {
      if (other.failed_starts < kMaxFailedStarts) return;  // the others go on
    }
    recorder_.commit();
    throw Error(ErrorKind::kCrash, "workers die before they are ready (" + how +
                                       "); see the logs in " + log_dir_.string());
  }

  // Ending.

  // What the user's stop left over.
  void put_back_unfinished() {
    for (auto& slot : slots_) {
      if (slot.job) ledger_.put_aside(*slot.job);
    }
    ledger_.close();
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
  std::optional<FrozenProgram> program_;  ///< what workers run, whatever happens to its file
  std::unique_ptr<SharedMemory> memory_;  ///< of the workers that use the CPU; may be absent
  bool left_behind_ = false;              ///< memory_ may hold what a killed worker has used
  std::vector<Slot> slots_;
  bool quiet_ = false;  ///< the last look found no message waiting
  bool stop_now_ = false;
  RunReport report_;
  Recorder recorder_;
  Ledger ledger_;
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
