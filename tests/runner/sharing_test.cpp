// SPDX-License-Identifier: Apache-2.0
// What the workers of a run share, and what each is charged for it.
#include <set>

#include "harness/runner/coordinator.h"
#include "harness/runner/supervisor.h"
#include "tests/runner/fake_grid.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::runner;
using lethe::test::eventually;
using lethe::test::FakeGrid;
using lethe::test::wait_for;

namespace {

constexpr std::int64_t kBlob = 32 << 20;

std::set<std::string> distinct(const std::vector<std::string>& lines) {
  return {lines.begin(), lines.end()};
}

}  // namespace

TEST_CASE("CPU workers share one copy, charged to neither") {
  FakeGrid grid({"share"}, 1);
  grid.options.share_memory = true;
  grid.options.limits.memory_bytes = kBlob * 3 / 4;
  const pid_t coordinator = grid.start(2);
  REQUIRE(eventually([&] { return grid.notes("shared").size() == 2; }));
  for (const auto& pid : grid.notes("pids")) {
    CAPTURE(pid);
    CHECK(memory_of(static_cast<pid_t>(std::stol(pid))) > kBlob);  // mapped in both
  }
  test::sleep_ms(600);  // the coordinator looks at the limit four times a second
  grid.touch("go");
  CHECK(wait_for(coordinator) == kExitOk);
  CHECK(grid.notes("filled").size() == 1);
  const auto shared = distinct(grid.notes("shared"));
  REQUIRE(shared.size() == 1);  // one file, the same bytes
  CHECK(shared.begin()->ends_with(" " + std::to_string(kBlob)));
}

TEST_CASE("one worker, or none on the CPU, is given nothing to share; nor is it without asking") {
  const auto check = [](int workers, bool asked, std::vector<std::string> devices) {
    FakeGrid grid({"share"}, 1);
    grid.options.share_memory = asked;
    grid.options.devices = std::move(devices);
    CHECK(grid.run(workers).exit_code() == kExitOk);
    CHECK(distinct(grid.notes("shared")) == std::set<std::string>{"nothing"});
  };
  check(1, true, {});
  check(2, false, {});
  check(2, true, {"cuda:0"});
}

TEST_CASE("the memory of a worker that was killed while it filled it is freed") {
  FakeGrid grid({"share"}, 1);
  grid.options.share_memory = true;
  grid.touch("half");
  grid.touch("go");
  const auto report = grid.run(2);
  CHECK(report.exit_code() == kExitOk);
  CHECK(report.workers_died == 1);
  CHECK(grid.notes("filled").size() >= 2);
  CHECK(grid.table().size() == 2);
}

TEST_CASE("memory beyond what is shared is charged, also where it is of the shared kind") {
  const auto memory = SharedMemory::create();
  REQUIRE(memory);
  const auto other = SharedMemory::create();
  REQUIRE(other);
  const auto touch = [](std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) byte = std::byte{1};
  };
  SharedBlobs blobs(memory->fd()), others(other->fd());
  const auto before = memory_of(getpid(), memory.get());
  const auto blob = blobs.get("a", kBlob, touch);
  const auto use = [](const std::byte* bytes) {
    unsigned sum = 0;
    for (std::int64_t i = 0; i < kBlob; i += 4096) sum += static_cast<unsigned>(bytes[i]);
    return sum;
  };
  REQUIRE(blob);
  CHECK(use(blob.get()) == kBlob / 4096);
  CHECK(memory_of(getpid(), memory.get()) - before < kBlob / 4);
  const auto foreign = others.get("a", kBlob, touch);
  REQUIRE(foreign);
  CHECK(use(foreign.get()) == kBlob / 4096);
  CHECK(memory_of(getpid(), memory.get()) - before > kBlob * 3 / 4);
}
