// SPDX-License-Identifier: Apache-2.0
#include "harness/runner/job_pool.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/shared_memory.h"
#include "harness/runner/supervisor.h"
#include "harness/runner/wire.h"
#include "harness/runner/worker_process.h"

namespace lethe::runner {
namespace {

constexpr int kTickMs = 100;
constexpr double kGoodbyeSeconds = 5;
constexpr std::size_t kNoJob = static_cast<std::size_t>(-1);

struct Worker {
  std::unique_ptr<WorkerProcess> process;
  bool ready = false;  ///< has said hello
  std::size_t job = kNoJob;
  std::int64_t group = -1;  ///< of its last job
  JobWatch watch;
};

/// One batch on its way.
struct Batch {
  explicit Batch(const std::vector<PoolJob>& all)
      : jobs(all), state(all.size(), State::kWaiting), deaths(all.size()), records(all.size()) {}

  enum class State { kWaiting, kRunning, kDone };
  const std::vector<PoolJob>& jobs;
  std::vector<State> state;
  std::vector<int> deaths;
  std::vector<std::map<std::string, store::SampleRecord>> records;  ///< by sample key
  std::map<std::int64_t, int> at_work;                              ///< workers in a group
  std::size_t done = 0;

  /// Of the group at hand; else of one that nobody is at; else any. kNoJob: none waits.
  std::size_t next(std::int64_t group) const {
    std::size_t any = kNoJob;
    bool any_is_new = false;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (state[i] != State::kWaiting) continue;
      if (jobs[i].group == group) return i;
      const auto busy = at_work.find(jobs[i].group);
      const bool is_new = busy == at_work.end() || busy->second == 0;
      if (any == kNoJob || (is_new && !any_is_new)) {
        any = i;
        any_is_new = is_new;
      }
    }
    return any;
  }
};

}  // namespace

class JobPool::Workers {
 public:
  explicit Workers(PoolOptions options)
      : options_(std::move(options)),
        workers_(std::max<std::size_t>(1, options_.devices.size()) *
                 static_cast<std::size_t>(std::max(1, options_.workers))) {
    if (options_.share_memory && workers_.size() > 1) memory_ = SharedMemory::create();
  }

  ~Workers() {
    for (Worker& worker : workers_) {
      if (worker.process && worker.ready && worker.job == kNoJob)
        worker.process->send(stop_frame());
    }
    for (Worker& worker : workers_) {
      if (!worker.process) continue;
      worker.process->wait_or_kill(worker.ready && worker.job == kNoJob ? kGoodbyeSeconds : 0);
    }
  }

  std::vector<std::vector<store::SampleRecord>> run(
      const std::vector<PoolJob>& jobs, const std::function<bool(std::size_t)>& keep_going) {
    Batch batch(jobs);
    try {
      while (batch.done < jobs.size()) {
        if (!keep_going(batch.done)) {
          throw Error(ErrorKind::kInterrupted, "stopped with " + std::to_string(batch.done) +
                                                   " of " + std::to_string(jobs.size()) +
                                                   " evaluations done");
        }
        dispatch(batch);
        wait(batch);
        supervise(batch);
      }
    } catch (...) {
      abandon();
      throw;
    }
    std::vector<std::vector<store::SampleRecord>> all(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      for (const JobSample& sample : jobs[i].job.samples) {
        all[i].push_back(std::move(batch.records[i].at(sample.key)));
      }
    }
    return all;
  }

  std::int64_t died() const { return died_; }
  const store::ProvenanceRecord& provenance() const { return provenance_; }

 private:
  void start(std::size_t index) {
    std::vector<std::string> command = options_.worker_command;
    bool on_cpu = true;
    if (!options_.devices.empty()) {
      const std::string& device = options_.devices[index % options_.devices.size()];
      command.insert(command.end(), {"--device", device});
      on_cpu = device == "cpu";
    }
    std::error_code ec;
    std::filesystem::create_directories(options_.log_dir, ec);
    Worker& worker = workers_[index];
    worker = {};
    worker.process = std::make_unique<WorkerProcess>(
        command, options_.log_dir / ("worker-" + std::to_string(index) + ".log"), nullptr,
        on_cpu ? memory_.get() : nullptr);
    worker.watch.start(system_clock().steady_seconds(), options_.limits);
  }

  void dispatch(Batch& batch) {
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      Worker& worker = workers_[w];
      if (worker.job != kNoJob) continue;
      const std::size_t job = batch.next(worker.group);
      if (job == kNoJob) return;
      if (!worker.process) start(w);
      if (!worker.ready) continue;
      worker.job = job;
      worker.group = batch.jobs[job].group;
      batch.state[job] = Batch::State::kRunning;
      ++batch.at_work[worker.group];
      worker.watch.start(system_clock().steady_seconds(), options_.limits);
      worker.process->send(job_frame(batch.jobs[job].job));
    }
  }

  void wait(Batch& batch) {
    std::vector<pollfd> entries;
    std::vector<std::size_t> owners;
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      const auto& process = workers_[w].process;
      if (!process) continue;
      const int write = process->wants_to_write() ? POLLOUT : 0;
      entries.push_back({process->fd(), static_cast<short>(POLLIN | write), 0});
      owners.push_back(w);
    }
    if (poll(entries.data(), entries.size(), kTickMs) <= 0) return;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Worker& worker = workers_[owners[i]];
      if (entries[i].revents & POLLOUT) worker.process->flush();
      if (!(entries[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      const bool ended = worker.process->read() == ReadResult::kEnd;
      try {
        while (const auto frame = worker.process->next()) on_message(batch, worker, *frame);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInternal) throw;
        lost(batch, worker, std::string("it sent nonsense: ") + error.what());
        continue;
      }
      if (ended) {
        worker.process->wait_or_kill(1);
        lost(batch, worker, worker.process->describe_end());
      }
    }
  }

  void on_message(Batch& batch, Worker& worker, const Frame& frame) {
    const std::string type = frame_type(frame);
    const double now = system_clock().steady_seconds();
    if (type == "hello") {
      provenance_ = read_hello(frame);
      worker.ready = true;
      failed_starts_ = 0;
    } else if (type == "progress") {
      worker.watch.advanced(read_progress(frame), now);
    } else if (type == "sample" && worker.job != kNoJob) {
      SampleMessage message = read_sample(frame);
      worker.watch.sample_done(now);
      batch.records[worker.job][message.record.sample_key] = std::move(message.record);
    } else if (type == "finished" && worker.job != kNoJob) {
      const JobOutcome outcome = read_outcome(frame);
      if (outcome.result != JobOutcome::Result::kDone) {
        failure_.emplace(outcome.kind, batch.jobs[worker.job].job.label + ": " + outcome.message);
      }
      batch.state[worker.job] = Batch::State::kDone;
      ++batch.done;
      --batch.at_work[worker.group];
      worker.job = kNoJob;
    }
  }

  void supervise(Batch& batch) {
    if (failure_) throw Error(*std::exchange(failure_, std::nullopt));
    for (Worker& worker : workers_) {
      if (!worker.process || (worker.ready && worker.job == kNoJob)) continue;
      const auto verdict = worker.watch.over_limit(
          system_clock().steady_seconds(), worker.process->pid(), options_.limits, memory_.get());
      if (verdict) lost(batch, worker, verdict->how);
    }
  }

  // The process goes, its job begins anew: none of its records counts.
  void lost(Batch& batch, Worker& worker, const std::string& how) {
    ++died_;
    const std::size_t job = std::exchange(worker.job, kNoJob);
    const bool was_ready = worker.ready;
    worker.process.reset();
    worker.ready = false;
    if (memory_) memory_->free_unused();
    if (job == kNoJob) {
      if (!was_ready && ++failed_starts_ > options_.max_retries) {
        throw Error(ErrorKind::kCrash, "workers die before they are ready (" + how +
                                           "); see the logs in " + options_.log_dir.string());
      }
      return;
    }
    --batch.at_work[worker.group];
    batch.state[job] = Batch::State::kWaiting;
    batch.records[job].clear();
    if (++batch.deaths[job] > options_.max_retries) {
      throw Error(ErrorKind::kCrash, batch.jobs[job].job.label + ": its worker died " +
                                         std::to_string(batch.deaths[job]) + " times (" + how +
                                         "); see the logs in " + options_.log_dir.string());
    }
  }

  // What runs belongs to no batch any more, nor does what was counted for one.
  void abandon() {
    for (Worker& worker : workers_) {
      if (worker.job != kNoJob) worker = {};
    }
    if (memory_) memory_->free_unused();
    failure_.reset();
    failed_starts_ = 0;
  }

  PoolOptions options_;
  std::vector<Worker> workers_;
  std::unique_ptr<SharedMemory> memory_;
  store::ProvenanceRecord provenance_;
  std::optional<Error> failure_;
  std::int64_t died_ = 0;
  int failed_starts_ = 0;
};

JobPool::JobPool(PoolOptions options) : workers_(std::make_unique<Workers>(std::move(options))) {}
JobPool::~JobPool() = default;

std::vector<std::vector<store::SampleRecord>> JobPool::run(
    const std::vector<PoolJob>& jobs, const std::function<bool(std::size_t done)>& keep_going) {
  return workers_->run(jobs, keep_going);
}

std::int64_t JobPool::workers_died() const {
  return workers_->died();
}

const store::ProvenanceRecord& JobPool::provenance() const {
  return workers_->provenance();
}

}  // namespace lethe::runner
