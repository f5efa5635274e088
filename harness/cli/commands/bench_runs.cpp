// SPDX-License-Identifier: Apache-2.0
#include "harness/cli/commands/bench_runs.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "harness/base/clock.h"
#include "harness/base/error.h"
#include "harness/base/text.h"
#include "harness/cli/root.h"
#include "harness/cli/suites.h"
#include "harness/runner/coordinator.h"
#include "harness/runner/job.h"

namespace lethe::cli {

namespace {

namespace fs = std::filesystem;

/// When cells began and ended, and what their evaluations took.
class Times final : public runner::RunObserver {
 public:
  void on_event(const runner::RunEvent& event) override {
    const double now = system_clock().steady_seconds();
    if (event.type == runner::EventType::kCellStarted && starts.empty()) starts.push_back(now);
    if (event.type == runner::EventType::kSampleDone) evaluations.push_back(event.seconds);
    if (event.type == runner::EventType::kCellDone) ends.push_back(now);
  }
  std::vector<double> starts, ends, evaluations;
};

runner::RunReport timed_run(const std::vector<grid::Cell>& cells, const fs::path& database,
                            runner::RunOptions options, Times& times) {
  auto store = store::RunStore::open(database, store::OpenMode::kReadWriteCreate);
  options.observers.push_back(&times);
  auto report = runner::run_grid(cells, store, options);
  for (const auto& failure : report.failures) throw Error(ErrorKind::kCrash, failure.reason);
  if (report.interrupted) throw Error(ErrorKind::kInterrupted, "stopped");
  return report;
}

/// Waits for as long as a cell takes.
class Waiter final : public runner::JobExecutor {
 public:
  explicit Waiter(int ms) : ms_(ms) {}

  void run(const runner::Job& job, runner::JobSink& sink) override {
    for (const auto& sample : job.samples) {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms_));
      store::SampleRecord record;
      record.sample_key = sample.key;
      record.sample_id = sample.id;
      record.sample_hash = sample.hash;
      record.cluster = sample.cluster;
      record.seconds = ms_ / 1000.0;
      sink.sample_done(record);
    }
  }

  store::ProvenanceRecord provenance() const override {
    store::ProvenanceRecord record;
    record.device = "simulated";
    return record;
  }

 private:
  int ms_;
};

}  // namespace

double run_overhead(const fs::path& folder, std::int64_t cells) {
  // Seeds make cells of equal work; the full cache shares nothing with the cells before it.
  write_file_atomically(folder / "overhead.json", R"({
    "name": "overhead", "models": ["smollm2-135m"], "policies": ["full"], "lengths": [1024],
    "tasks": [{"name": "pg19", "books": ["860"], "windows": 1}],
    "seeds": ["0..)" + std::to_string(cells) + R"("]})");
  const auto loaded = load_suite(read_suite((folder / "overhead.json").string(), {}));
  runner::RunOptions options;
  options.worker_command = {engine_program().string(), "worker"};
  prepare_engine_environment();
  Times times;
  timed_run(loaded.cells, folder / "overhead.db", options, times);
  const double evaluated =
      std::accumulate(times.evaluations.begin() + 1, times.evaluations.end(), 0.0);
  return (times.ends.back() - times.ends.front() - evaluated) / evaluated;
}

double busy_share(const fs::path& folder, const std::vector<grid::Cell>& cells, int devices,
                  int ms) {
  runner::RunOptions options;
  options.worker_command = {fs::read_symlink("/proc/self/exe").string(), "bench",
                            "simulated-worker", std::to_string(ms)};
  for (int i = 0; i < devices; ++i) options.devices.push_back("cuda:" + std::to_string(i));
  Times times;
  timed_run(cells, folder / "queue.db", options, times);
  const double busy = static_cast<double>(cells.size()) * ms / 1000;
  return busy / devices / (times.ends.back() - times.starts.front());
}

int run_simulated_worker(const std::vector<std::string>& words) {
  LETHE_ASSERT(words.size() == 4, "a simulated worker is started by bench harness");
  Waiter waiter(std::stoi(words.front()));
  return runner::run_worker(std::stoi(words.back()), waiter);
}

}  // namespace lethe::cli
