// SPDX-License-Identifier: Apache-2.0
#include "tests/runner/fake_grid.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/grid/fake_catalogue.h"

namespace lethe::test {

FakeGrid::FakeGrid(const std::vector<std::string>& tasks, int samples) {
  grid::Suite suite;
  suite.name = "fake";
  suite.models = {"small"};
  for (const auto& task : tasks) suite.tasks.push_back({task, {}});
  suite.policies = {"tova"};
  suite.budgets = {8, 16};
  suite.lengths = {100};
  suite.schedules = {"exact"};
  suite.positions = {"original"};
  suite.dtypes = {"float32"};
  suite.kv_dtypes = {"same"};
  suite.seeds = {0};
  FakeCatalogue catalogue;
  catalogue.samples_per_task = samples;
  cells = grid::expand(suite, catalogue, "cpu");
  options.worker_command = {std::string(LETHE_BUILD_DIR) + "/bin/fake_worker", folder().string()};
  options.provenance.command = "fake run";
}

runner::RunReport FakeGrid::run(int workers, std::vector<runner::RunObserver*> observers) {
  options.workers = workers;
  options.observers = std::move(observers);
  auto store = store::RunStore::open(database(), store::OpenMode::kReadWriteCreate);
  return runner::run_grid(cells, store, options);
}

pid_t FakeGrid::start(int workers) {
  const pid_t child = fork();
  if (child != 0) return child;
  int code = 99;
  try {
    code = run(workers).exit_code();
  } catch (...) {
  }
  _exit(code);
}

store::RunStore FakeGrid::open() const {
  return store::RunStore::open(database(), store::OpenMode::kReadOnly);
}

std::vector<std::string> FakeGrid::table() const {
  const auto store = open();
  const auto result = store.query(
      "SELECT cell.key, sample_key, sample_id, sample_hash, cluster, tokens_in, tokens_cut, "
      "bos_count, tokens_scored, nll_sum, score, hex(output), hex(nll_trace), tokens_seen, "
      "tokens_evicted, kept_min, kept_max, layers, kv_bytes, peak_bytes, cell.status "
      "FROM sample JOIN cell ON cell.id = cell_id ORDER BY sample_key");
  std::vector<std::string> rows;
  for (const auto& row : result.rows) {
    rows.push_back(json::serialize(json::array(row.begin(), row.end())));
  }
  return rows;
}

std::string FakeGrid::status(const std::string& task, std::int64_t budget) const {
  const auto store = open();
  for (const auto& cell : store.cells()) {
    if (cell.record.task == task && cell.record.budget == budget) return to_string(cell.status);
  }
  return "absent";
}

std::string FakeGrid::reason(const std::string& task, std::int64_t budget) const {
  const auto store = open();
  for (const auto& cell : store.cells()) {
    if (cell.record.task == task && cell.record.budget == budget) return cell.reason;
  }
  return "absent";
}

std::vector<std::string> FakeGrid::notes(const std::string& file) const {
  std::ifstream in(folder() / file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void FakeGrid::touch(const std::string& file) const {
  std::ofstream(folder() / file) << "\n";
}

void FakeGrid::remove(const std::string& file) const {
  std::filesystem::remove(folder() / file);
}

int wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void sleep_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

}  // namespace lethe::test
