// SPDX-License-Identifier: Apache-2.0
// A hundred random disturbances: nothing is lost, nothing is there twice.
#include <signal.h>

#include <algorithm>

#include "harness/base/seed.h"
#include "harness/runner/coordinator.h"
#include "tests/runner/fake_grid.h"
#include "tests/support/catch.h"

using namespace lethe;
using lethe::test::FakeGrid;
using lethe::test::sleep_ms;
using lethe::test::wait_for;

namespace {

/// The newest worker of a run that may have ended long ago; 0 before the first.
pid_t newest_worker(const FakeGrid& grid) {
  const auto pids = grid.notes("pids");
  return pids.empty() ? 0 : static_cast<pid_t>(std::stol(pids.back()));
}

}  // namespace

TEST_CASE("a hundred kills and hangs leave the table of an undisturbed run") {
  constexpr int kSamples = 400;  // long enough to be there until the last disturbance
  FakeGrid calm({"slow", "a"}, kSamples), grid({"slow", "a"}, kSamples);
  calm.run();
  grid.options.max_retries = 100;
  grid.options.limits.hang_seconds = 0.5;
  RandomStream random(20'261'126);
  int kills = 0, coordinators = 0, workers = 0, hangs = 0, code = -1;
  while (kills < 100 && code != kExitOk) {
    const pid_t coordinator = grid.start(2);
    ++coordinators;
    bool gone = false;
    while (!gone && kills < 100) {
      sleep_ms(10 + static_cast<int>(random.below(50)));
      const pid_t worker = newest_worker(grid);
      switch (random.below(8)) {
        case 0:  // both
          if (worker > 0) kill(worker, SIGKILL);
          [[fallthrough]];
        case 1:
          gone = true;
          break;
        case 2:
          if (worker > 0 && kill(worker, SIGSTOP) == 0) ++hangs;
          break;
        default:
          if (worker > 0 && kill(worker, SIGKILL) == 0) ++workers;
      }
      ++kills;
    }
    if (gone) kill(coordinator, SIGKILL);
    code = wait_for(coordinator);
  }
  INFO(coordinators << " coordinators, " << workers << " workers killed, " << hangs << " stopped");
  CHECK(kills == 100);
  CHECK(workers > 20);
  CHECK(hangs > 3);
  CHECK(grid.run(2).exit_code() == kExitOk);
  CHECK(grid.table() == calm.table());
  const auto store = grid.open();
  CHECK(store.query("PRAGMA integrity_check").rows[0][0] == "ok");
  CHECK(store.query("PRAGMA foreign_key_check").rows.empty());
  CHECK(store.query("SELECT 1 FROM sample GROUP BY sample_key HAVING count(*) > 1").rows.empty());

  // A worker that ends costs the sample it runs; a coordinator that ends costs that of each of its
  // two workers, and one that had arrived and was not yet stored.
  const auto notes = grid.notes("started");
  const auto slow = std::count_if(notes.begin(), notes.end(), [](const std::string& line) {
    return line.starts_with("slow/");
  });
  CHECK(slow <= 2 * kSamples + workers + hangs + 4 * coordinators);
}
