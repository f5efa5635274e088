// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/prctl.h>

#include <cmath>
#include <csignal>
#include <exception>
#include <map>
#include <new>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/runner/framing.h"
#include "harness/runner/job.h"
#include "harness/runner/wire.h"
#include "harness/store/provenance.h"

namespace lethe::runner {
namespace {

using Result = JobOutcome::Result;

constexpr double kProgressInterval = 0.25;

// Unwinds the worker when the coordinator has gone: nobody is left to tell. Not a std::exception,
// so that an executor that handles those does not handle this one.
struct CoordinatorGone {};

// The worker's end of the socket.
class Link {
 public:
  explicit Link(int fd) : fd_(fd) {}

  void send(const Frame& frame) {
    if (!send_all(fd_, encode_frame(frame))) throw CoordinatorGone();
  }

  // Waits for the next message.
  Frame receive() {
    while (true) {
      if (auto frame = decoder_.next()) return std::move(*frame);
      if (read_some(fd_, decoder_) == ReadResult::kEnd) throw CoordinatorGone();
    }
  }

  // While a job runs the only message is "stop".
  bool stop_requested() {
    pollfd entry{fd_, POLLIN, 0};
    while (true) {
      // It may have come together with the job.
      while (const auto frame = decoder_.next()) stop_ = stop_ || frame_type(*frame) == "stop";
      if (stop_ || poll(&entry, 1, 0) != 1) return stop_;
      if (read_some(fd_, decoder_) == ReadResult::kEnd) throw CoordinatorGone();
    }
  }

  // Without looking: between two jobs the next message may be a job, which receive() has to see.
  bool stopped() const { return stop_; }

 private:
  int fd_;
  FrameDecoder decoder_;
  bool stop_ = false;
};

class Sink final : public JobSink {
 public:
  Sink(Link& link, const Job& job) : link_(link), job_(job) {
    for (const auto& sample : job.samples) missing_.emplace(sample.key, sample.id);
    const auto* budget = job.inputs.if_contains("budget");
    if (budget && budget->is_int64()) budget_ = budget->get_int64();
    const auto* schedule = job.inputs.if_contains("schedule");
    exact_ = schedule && schedule->is_string() && schedule->get_string() == "exact";
    if (const auto* task = job.inputs.if_contains("task"); task && task->is_object()) {
      const auto* identity = task->get_object().if_contains("identity");
      const auto* object = identity ? identity->if_object() : nullptr;
      const auto* asked = object ? object->if_contains("ask_after_cut") : nullptr;
      ask_after_cut_ = asked && asked->is_bool() && asked->get_bool();
    }
  }

  void sample_done(const store::SampleRecord& record) override {
    check(record);
    missing_.erase(record.sample_key);
    link_.send(sample_frame(job_.cell_key, record));
  }

  void progress(std::int64_t tokens) override {
    const double now = system_clock().steady_seconds();
    if (now - last_progress_ < kProgressInterval) return;
    last_progress_ = now;
    link_.send(progress_frame(tokens));
  }

  bool stop_requested() const override { return link_.stop_requested(); }

  const std::map<std::string, std::string>& missing() const { return missing_; }

 private:
  // A record that cannot be right fails its cell instead of entering a table.
  void check(const store::SampleRecord& record) const {
    const auto fail = [&](const std::string& why) {
      throw Error(ErrorKind::kInternal, "sample " + record.sample_id + ": " + why);
    };
    if (!missing_.contains(record.sample_key)) fail("reported twice or never asked for");
    for (const auto& value : {record.nll_sum, record.score, record.ttft_ms,
                              record.prefill_tokens_per_s, record.decode_tokens_per_s}) {
      if (value && !std::isfinite(*value)) fail("a measured value is not a finite number");
    }
    if (!std::isfinite(record.seconds)) fail("its duration is not a finite number");
    json::error_code ec;
    if (!record.layers.empty()) json::parse(record.layers, ec);
    if (ec) fail("its layers are not valid JSON");
    // One token of slack: the last one may be seen without an eviction after it. A model with a
    // sliding window may lose so many by itself that the policy has nothing to do. Schedules that
    // cut after the prompt alone need not cut one that is within the budget; of a prompt that is
    // cut before its question, nobody here knows how much came before.
    if (budget_ && record.tokens_seen > *budget_ + 1 && record.tokens_evicted == 0 &&
        record.kept_max > *budget_ &&
        (exact_ || (record.tokens_in > *budget_ && !ask_after_cut_))) {
      fail("budget " + std::to_string(*budget_) + " is below the " +
           std::to_string(record.tokens_seen) + " tokens seen, but nothing was evicted");
    }
    // Other schedules let the cache grow between their cuts; the engine knows how far.
    if (budget_ && exact_ && record.kept_max > *budget_) {
      fail("budget " + std::to_string(*budget_) + ", but " + std::to_string(record.kept_max) +
           " tokens were kept");
    }
  }

  Link& link_;
  const Job& job_;
  std::map<std::string, std::string> missing_;  ///< key -> id
  std::optional<std::int64_t> budget_;
  bool exact_ = false;
  bool ask_after_cut_ = false;
  double last_progress_ = -1;
};

// LibTorch reports exhausted memory as an ordinary exception with one of these texts, and appends a
// backtrace to every message.
bool tells_out_of_memory(std::string_view text) {
  return text.find("can't allocate memory") != std::string_view::npos ||
         text.find("out of memory") != std::string_view::npos;
}

std::string without_backtrace(std::string_view text) {
  return std::string(text.substr(0, text.find("\nException raised from")));
}

JobOutcome run_job(const Job& job, JobExecutor& executor, Link& link) {
  JobOutcome outcome{job.cell_key, Result::kFailed, ErrorKind::kInternal, {}};
  try {
    Sink sink(link, job);
    executor.run(job, sink);
    if (sink.missing().empty()) {
      outcome.result = Result::kDone;
    } else if (link.stop_requested()) {
      outcome.result = Result::kStopped;
    } else {
      outcome.message = "the job ended without a result for sample " +
                        sink.missing().begin()->second + " (this is a bug in Lethe)";
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kResource) outcome.result = Result::kOom;
    outcome.kind = error.kind();
    outcome.message = error.what();
  } catch (const std::bad_alloc&) {
    outcome = {job.cell_key, Result::kOom, ErrorKind::kResource, "out of memory"};
  } catch (const std::exception& error) {
    outcome.message = without_backtrace(error.what());
    if (tells_out_of_memory(outcome.message)) {
      outcome.result = Result::kOom;
      outcome.kind = ErrorKind::kResource;
    }
  } catch (const CoordinatorGone&) {
    throw;
  } catch (...) {
    outcome.message = "an exception of unknown type";
  }
  return outcome;
}

store::ProvenanceRecord facts(const JobExecutor& executor) {
  store::ProvenanceRecord record = executor.provenance();
  store::name_program(record);
  return record;
}

}  // namespace

int run_worker(int fd, JobExecutor& executor) {
  // The coordinator decides when to stop; a worker must not outlive it, not even inside a sample.
  std::signal(SIGINT, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "lethe-worker");  // the file it runs may be known by a descriptor's number
  Link link(fd);
  try {
    link.send(hello_frame(facts(executor)));
    while (true) {
      const Frame frame = link.receive();
      if (frame_type(frame) == "stop") return kExitOk;
      const Job job = read_job(frame);
      link.send(outcome_frame(run_job(job, executor, link)));
      if (link.stopped()) return kExitOk;
    }
  } catch (const CoordinatorGone&) {
    return kExitInterrupted;
  }
}

}  // namespace lethe::runner
