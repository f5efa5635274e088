// SPDX-License-Identifier: Apache-2.0
// The seam between the runner and what a worker process does: a job in, sample records out.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/json.h"
#include "harness/store/records.h"

namespace lethe::runner {

struct JobSample {
  std::string id;
  std::string key;
  std::string hash;
  std::string cluster;
};

/// One cell with the samples that are still missing.
struct Job {
  std::string cell_key;
  std::string label;
  std::string model_path;
  json::object inputs;        ///< the cell's canonical inputs (layout: harness/grid/suite.h, Cell)
  json::object task_options;  ///< as the suite gives them: how to build the task again
  std::vector<JobSample> samples;
  std::string state_dir = {};  ///< where unfinished samples leave their state; "" for nowhere
  double state_seconds = 0;    ///< how often
};

/// Where the unfinished sample `sample_key` leaves its state.
inline std::filesystem::path state_path(const std::filesystem::path& state_dir,
                                        const std::string& sample_key) {
  return state_dir / (sample_key + ".state");
}

/// Where an executor reports. Both calls may block briefly; they come from one thread.
class JobSink {
 public:
  virtual ~JobSink() = default;
  virtual void sample_done(const store::SampleRecord& record) = 0;
  /// Tokens processed so far in the running sample; doubles as heartbeat. Cheap: call it often.
  virtual void progress(std::int64_t tokens) = 0;
  /// True when the user asked to stop: finish the sample at hand and return.
  virtual bool stop_requested() const = 0;
};

/// Does the work of one job inside a worker process. Throws Error; the worker turns it into an
/// outcome.
class JobExecutor {
 public:
  virtual ~JobExecutor() = default;
  /// Runs the samples in order and reports each. Returns early only after sink.stop_requested().
  virtual void run(const Job& job, JobSink& sink) = 0;
  /// Facts about this process for the provenance row: torch_version, cpu, device, threads.
  virtual store::ProvenanceRecord provenance() const = 0;
};

/// Body of a worker process: reads framed jobs from `fd`, runs them, answers with framed records,
/// until the coordinator says stop or closes the socket. Returns the process exit code.
int run_worker(int fd, JobExecutor& executor);

}  // namespace lethe::runner
