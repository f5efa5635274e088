// SPDX-License-Identifier: Apache-2.0
// Cells and workers over a limit: what each is called, and what happens to the others.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "harness/runner/coordinator.h"
#include "tests/runner/fake_grid.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::runner;
using Catch::Matchers::Contains;
using lethe::test::eventually;
using lethe::test::FakeGrid;
using lethe::test::wait_for;

TEST_CASE("a cell over the time limit ends timeout, and is not tried again") {
  FakeGrid grid({"busy", "a"});
  grid.options.limits.cell_seconds = 0.3;
  const auto report = grid.run(1);
  CHECK(report.exit_code() == kExitSomeCellsFailed);
  CHECK(report.cells_done == 2);
  CHECK(report.workers_died == 2);
  CHECK(grid.status("busy", 8) == "timeout");
  CHECK_THAT(grid.reason("busy", 8), Contains("over the limit of 0.3 s per cell"));
  CHECK(grid.status("a", 16) == "done");
}

TEST_CASE("a worker that hangs is told from a busy one, and its cell tried again") {
  FakeGrid once({"hang-once", "a"});
  once.options.limits.hang_seconds = 0.4;
  const auto recovered = once.run(1);
  CHECK(recovered.exit_code() == kExitOk);
  CHECK(recovered.workers_died == 1);
  CHECK(once.table().size() == 16);

  FakeGrid always({"hang"});
  always.options.limits.hang_seconds = 0.3;
  const auto report = always.run(2);
  CHECK(report.workers_died == 2 * 3);
  CHECK(always.status("hang", 8) == "crashed");
  CHECK_THAT(always.reason("hang", 8),
             Contains("3 times in a row") && Contains("it hung: no progress for 0.3 s"));

  FakeGrid busy({"gate"});                 // says that it goes on, for longer than the limit
  busy.options.limits.hang_seconds = 0.6;  // messages come four times a second
  const pid_t coordinator = busy.start(1);
  REQUIRE(eventually([&] { return !busy.notes("started").empty(); }));
  test::sleep_ms(2000);
  busy.touch("go");
  CHECK(wait_for(coordinator) == kExitOk);
  CHECK(busy.notes("pids").size() == 1);
}

TEST_CASE("a worker that hangs before it is ready is given up") {
  FakeGrid grid({"a"});
  grid.touch("no-hello");
  grid.options.limits.hang_seconds = 0.2;
  CHECK_THROWS_WITH(grid.run(1), Contains("it hung"));
}

TEST_CASE("a worker that closes its connection and lives on is replaced") {
  FakeGrid grid({"deaf", "a"});
  const auto report = grid.run(1);
  CHECK(report.workers_died == 6);
  CHECK_THAT(grid.reason("deaf", 8), Contains("closed its connection"));
  CHECK(grid.status("a", 8) == "done");
}

TEST_CASE("a device that cannot be used is named, the others do the work") {
  FakeGrid grid({"slow", "a"});
  grid.options.devices = {"cuda:0", "cuda:1"};
  grid.touch("no-cuda:1");
  const auto report = grid.run(1);
  CHECK(report.exit_code() == kExitOk);
  REQUIRE(report.workers_given_up.size() == 1);
  CHECK_THAT(report.workers_given_up.front(), Contains("(cuda:1)") && Contains("exit code 5"));
}

TEST_CASE("a wall clock that jumps back changes no result") {
  class Jumping final : public Clock {
   public:
    double steady_seconds() const override { return system_clock().steady_seconds(); }
    std::int64_t unix_ms() const override { return 2'000'000'000'000 - 3'600'000 * calls_++; }

   private:
    mutable std::int64_t calls_ = 0;
  } clock;
  FakeGrid calm({"a", "b"}), grid({"a", "b"});
  calm.run();
  grid.options.clock = &clock;
  CHECK(grid.run(2).exit_code() == kExitOk);
  CHECK(grid.run(2).samples_cached == 16);
  CHECK(grid.table() == calm.table());
}

TEST_CASE("a worker over the memory limit ends its cell oom and skips larger ones of the line") {
  for (const auto choice : {AfterOom::kSkip, AfterOom::kTry}) {
    FakeGrid grid({"greedy", "a"});
    grid.options.limits.memory_bytes = std::int64_t{64} << 20;
    grid.options.after_oom = choice;
    const bool skips = choice == AfterOom::kSkip;
    const auto report = grid.run(1);
    CHECK(report.cells_done == 2);
    CHECK(report.workers_died == (skips ? 1 : 2));
    CHECK(grid.status("greedy", 8) == "oom");
    CHECK_THAT(grid.reason("greedy", 8), Contains("over the limit of 64.0 MiB"));
    CHECK(grid.status("greedy", 16) == (skips ? "skipped" : "oom"));
    if (skips) CHECK_THAT(grid.reason("greedy", 16), Contains("greedy/small/tova:budget=8/"));
    CHECK(grid.status("a", 16) == "done");
  }
}

TEST_CASE("an exception for want of memory skips larger cells of its line alone") {
  FakeGrid grid({"bad-alloc", "torch-oom", "a"});
  grid.run(1);
  for (const auto* task : {"bad-alloc", "torch-oom"}) {
    CHECK(grid.status(task, 8) == "oom");
    CHECK(grid.status(task, 16) == "skipped");
  }
  CHECK(grid.status("a", 16) == "done");
  // They are wanted again, and the smaller one comes first.
  CHECK(grid.run(1).cells_total - grid.run(1).cells_cached == 4);
}

TEST_CASE("what the kernel killed for want of memory is no crash") {
  FakeGrid grid({"kernel-oom", "a"});
  grid.options.limits.kernel_counters = grid.folder() / "vmstat";
  std::ofstream(grid.folder() / "vmstat") << "oom_kill 7\n";
  const auto report = grid.run(1);
  CHECK(report.workers_died == 3);
  CHECK(grid.status("kernel-oom", 8) == "oom");
  CHECK_THAT(grid.reason("kernel-oom", 8), Contains("killed by the kernel"));
  CHECK(grid.status("kernel-oom", 16) == "skipped");
  CHECK(grid.status("a", 8) == "done");
}

TEST_CASE("a rebuild during a run changes nothing in it") {
  FakeGrid grid({"gate", "a"});
  const auto program = grid.folder() / "worker";
  std::filesystem::copy_file(grid.options.worker_command.front(), program);
  grid.options.worker_command.front() = program.string();
  const pid_t coordinator = grid.start(1);
  REQUIRE(eventually([&] { return !grid.notes("started").empty(); }));
  std::ofstream(grid.folder() / "new") << "no program at all";
  std::filesystem::rename(grid.folder() / "new", program);
  kill(static_cast<pid_t>(std::stol(grid.notes("pids").back())), SIGKILL);
  grid.touch("go");
  CHECK(wait_for(coordinator) == kExitOk);
  CHECK(grid.notes("pids").size() == 2);
  CHECK(grid.table().size() == 16);
}

TEST_CASE("eight devices share a queue, each worker on its own") {
  FakeGrid grid({"slow", "a", "b", "c", "d", "e", "f", "g"}, 2);
  for (int i = 0; i < 8; ++i) grid.options.devices.push_back("cuda:" + std::to_string(i));

  // While cells wait, a worker without one gets one in the next round of the loop.
  class Idle final : public RunObserver {
   public:
    void on_event(const RunEvent& event) override {
      if (event.type == EventType::kRunStarted) waiting_ = event.cells;
      if (event.type == EventType::kCellStarted) {
        --waiting_;
        idle_.erase(event.worker);
        idle_before_.erase(event.worker);  // it may come back in the same round
      }
      if (event.type == EventType::kCellDone) idle_.insert(event.worker);
    }
    void tick() override {
      for (const int worker : idle_) {
        left_idle += waiting_ > 0 && idle_before_.contains(worker) ? 1 : 0;
      }
      idle_before_ = waiting_ > 0 ? idle_ : std::set<int>();
    }
    int left_idle = 0;

   private:
    std::int64_t waiting_ = 0;
    std::set<int> idle_, idle_before_;
  } idle;

  const auto report = grid.run(1, {&idle});
  CHECK(report.exit_code() == kExitOk);
  CHECK(report.cells_done == 16);
  auto devices = grid.notes("devices");
  std::sort(devices.begin(), devices.end());
  CHECK(devices == grid.options.devices);
  CHECK(idle.left_idle == 0);
}
