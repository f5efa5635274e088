// SPDX-License-Identifier: Apache-2.0
// A grid for the fake worker, in a folder of its own.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/runner/coordinator.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

/// Cells, database and fake workers of one test.
class FakeGrid {
 public:
  /// One task per name (what the fake worker does in it), two budgets each: two cells with
  /// `samples` samples per task.
  explicit FakeGrid(const std::vector<std::string>& tasks, int samples = 4);

  /// Runs the grid in this process.
  runner::RunReport run(int workers = 1, std::vector<runner::RunObserver*> observers = {});
  /// Runs it in a child process, which ends with the report's exit code (99 on an exception).
  pid_t start(int workers = 1);

  store::RunStore open() const;
  /// Every sample row without its times, as text.
  std::vector<std::string> table() const;
  std::string status(const std::string& task, std::int64_t budget) const;
  std::string reason(const std::string& task, std::int64_t budget) const;

  /// Lines of a file that the fake workers write: "started" (label and sample), "pids".
  std::vector<std::string> notes(const std::string& file) const;
  /// Makes a file that the fake workers look for.
  void touch(const std::string& file) const;
  void remove(const std::string& file) const;
  std::filesystem::path database() const { return dir_ / "r.db"; }
  std::filesystem::path folder() const { return dir_.path(); }

  std::vector<grid::Cell> cells;
  runner::RunOptions options;

 private:
  TempDir dir_;
};

/// Polls `condition` for up to ten seconds.
template <typename Condition>
bool eventually(Condition&& condition);

/// Exit code of a child, or 1000 + signal.
int wait_for(pid_t child);

void sleep_ms(int ms);

template <typename Condition>
bool eventually(Condition&& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    sleep_ms(5);
  }
  return false;
}

}  // namespace lethe::test
