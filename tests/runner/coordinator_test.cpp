// SPDX-License-Identifier: Apache-2.0
// Whole runs with real worker processes: what ends how, and that nothing is lost or repeated.
#include "harness/runner/coordinator.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

#include "harness/base/seed.h"
#include "harness/base/text.h"
#include "harness/store/store_lock.h"
#include "tests/runner/fake_grid.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::runner;
using lethe::test::eventually;
using lethe::test::FakeGrid;
using lethe::test::sleep_ms;
using lethe::test::wait_for;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Recording final : public RunObserver {
 public:
  void on_event(const RunEvent& event) override { events.push_back(event); }
  std::int64_t count(EventType type) const {
    return std::count_if(events.begin(), events.end(),
                         [&](const RunEvent& event) { return event.type == type; });
  }
  std::vector<RunEvent> events;
};

// A dead process that nobody has waited for yet does not count.
bool alive(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end + 2, 1) != "Z";
}

}  // namespace

TEST_CASE("an undisturbed run, and a second one that has nothing to do") {
  FakeGrid grid({"a", "b", "c"});
  for (const int workers : {1, 3}) {
    std::filesystem::remove(grid.database());
    grid.remove("started");
    Recording recording;
    const auto report = grid.run(workers, {&recording});
    CHECK(report.exit_code() == kExitOk);
    CHECK(report.cells_total == 6);
    CHECK(report.cells_done == 6);
    CHECK(report.cells_cached == 0);
    CHECK(report.samples_done == 24);
    CHECK(report.tokens_done == 2400);
    CHECK(report.workers_died == 0);
    CHECK(grid.table().size() == 24);
    CHECK(grid.notes("started").size() == 24);
    CHECK(recording.count(EventType::kWorkerStarted) <= workers);
    CHECK(recording.count(EventType::kSampleDone) == 24);
    CHECK(recording.count(EventType::kCellDone) == 6);
    CHECK(recording.events.front().type == EventType::kRunStarted);
    CHECK(recording.events.front().tokens_total == 2400);
    CHECK(recording.events.back().type == EventType::kRunDone);

    const auto provenance = grid.open().query("SELECT * FROM provenance");
    REQUIRE(provenance.rows.size() == 1);
    const auto facts =
        json::serialize(json::array(provenance.rows[0].begin(), provenance.rows[0].end()));
    CHECK(contains(facts, "fake 1.0"));
    CHECK(contains(facts, "fake run"));

    const auto pids = grid.notes("pids").size();
    const auto again = grid.run(workers);
    CHECK(again.cells_cached == 6);
    CHECK(again.samples_cached == 24);
    CHECK(again.samples_done == 0);
    CHECK(again.exit_code() == kExitOk);
    CHECK(grid.notes("pids").size() == pids);
    CHECK(grid.notes("started").size() == 24);
    CHECK_FALSE(std::filesystem::exists(store::StoreLock::path_for(grid.database())));
  }
}

TEST_CASE("numbers arrive bit for bit") {
  FakeGrid grid({"a"}, 1);
  grid.run();
  const auto store = grid.open();
  const auto rows = store.query("SELECT sample_key, nll_sum, hex(output) FROM sample").rows;
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    const std::string key(row[0].as_string());
    RandomStream random(derive_seed(1, key));
    CHECK(row[1].as_double() == 300 * random.uniform());
    CHECK(row[2].as_string().starts_with("FF20726177"));
    const auto trace = store.read_nll_trace(key);
    REQUIRE(trace.size() == 200);
    for (const float value : trace) CHECK(value == static_cast<float>(random.uniform()));
  }
}

TEST_CASE("the losses of a two-million-token text arrive bit for bit") {
  constexpr std::size_t kTokens = std::size_t{1} << 21;
  FakeGrid grid({"long"}, 1);
  REQUIRE(grid.run().exit_code() == kExitOk);
  const auto store = grid.open();
  const auto rows = store
                        .query(
                            "SELECT sample_key, nll_sum(nll_trace, 0, 2097151), "
                            "nll_sum(nll_trace, 2097151, 2097152), "
                            "nll_count(nll_trace, 1048576, 9999999) FROM sample")
                        .rows;
  REQUIRE(rows.size() == 2);
  for (const auto& row : rows) {
    const std::string key(row[0].as_string());
    RandomStream random(derive_seed(1, key));
    random.uniform();  // went into nll_sum
    const auto trace = store.read_nll_trace(key);
    REQUIRE(trace.size() == kTokens);
    CHECK(std::all_of(trace.begin(), trace.end(),
                      [&](float value) { return value == static_cast<float>(random.uniform()); }));
    CHECK(row[1].as_double() == std::accumulate(trace.begin(), trace.end() - 1, 0.0));
    CHECK(row[2].as_double() == double{trace.back()});
    CHECK(row[3].as_int64() == kTokens / 2);
  }
}

TEST_CASE("a cell that ends badly does not stop the others") {
  struct Expected {
    const char* status;
    const char* reason;
  };
  const std::map<std::string, Expected> expected{
      {"crash",
       {"crashed", "signal SIGABRT; last line of worker-0.log: fake worker: about to abort"}},
      {"exit", {"crashed", "exit code 7"}},
      {"nonsense", {"crashed", "it sent nonsense"}},
      {"throw", {"failed", "book 7 is missing"}},
      {"strange", {"failed", "unknown type"}},
      {"bad-alloc", {"oom", "out of memory"}},
      {"torch-oom", {"oom", "can't allocate memory"}},
      {"silent", {"failed", "without a result for sample"}},
      {"unevicted", {"failed", "budget 8 is below the 100 tokens seen, but nothing was evicted"}},
      {"nan", {"failed", "not a finite number"}},
      {"bad-layers", {"failed", "not valid JSON"}},
  };
  // "windowed": a sliding-window model lost its tokens by itself and kept no more than the budget.
  std::vector<std::string> tasks{"good", "windowed"};
  for (const auto& [task, unused] : expected) tasks.push_back(task);
  tasks.push_back("fine");
  FakeGrid grid(tasks);
  const auto report = grid.run(1);
  CHECK(report.exit_code() == kExitSomeCellsFailed);
  CHECK(report.cells_done == 6);
  CHECK(report.failures.size() == 2 * expected.size());
  CHECK(report.workers_died == 3 * 3 * 2);
  for (const auto& task : {"good", "windowed", "fine"}) {
    CHECK(grid.status(task, 8) == "done");
    CHECK(grid.status(task, 16) == "done");
  }
  for (const auto& [task, end] : expected) {
    INFO(task);
    CHECK(grid.status(task, 8) == end.status);
    const auto reason = grid.reason(task, 8);
    INFO(reason);
    CHECK(contains(reason, end.reason));
    CHECK_FALSE(contains(reason, "Exception raised from"));
  }
  CHECK(grid.open().query("SELECT * FROM failures").rows.size() == report.failures.size());
  // Samples that were finished before the trouble are kept and not run again.
  CHECK(grid.open()
            .query("SELECT 1 FROM samples WHERE task = 'throw' AND sample_id = '0/0'")
            .rows.size() == 2);
  const auto before = grid.notes("started").size();
  grid.run(1);
  const auto notes = grid.notes("started");
  CHECK(notes.size() > before);
  for (std::size_t i = before; i < notes.size(); ++i) {
    INFO(notes[i]);
    CHECK_FALSE(contains(notes[i], "good/"));
    const bool finished = notes[i].starts_with("throw/") && notes[i].ends_with("0/0");
    CHECK_FALSE(finished);
  }
}

TEST_CASE("a worker that dies once costs nothing but its sample") {
  FakeGrid grid({"crash-once", "a"});
  Recording recording;
  const auto report = grid.run(1, {&recording});
  CHECK(report.exit_code() == kExitOk);
  CHECK(report.workers_died == 1);
  CHECK(report.cells_done == 4);
  CHECK(grid.table().size() == 16);
  const auto died = std::find_if(recording.events.begin(), recording.events.end(),
                                 [](auto& event) { return event.type == EventType::kWorkerDied; });
  REQUIRE(died != recording.events.end());
  CHECK(contains(died->reason, "SIGKILL"));
  CHECK(contains(died->reason, "out of memory"));
}

TEST_CASE("killed workers leave the table as if nothing had happened") {
  FakeGrid calm({"slow", "a"}, 10), grid({"slow", "a"}, 10);
  calm.run();
  grid.options.max_retries = 100;  // the kills may all hit one sample
  const pid_t coordinator = grid.start(2);
  RandomStream random(3);
  for (std::size_t kills = 0; kills < 4; ++kills) {
    REQUIRE(eventually([&] { return grid.notes("pids").size() > kills; }));
    sleep_ms(20 + static_cast<int>(random.below(40)));
    kill(static_cast<pid_t>(std::stol(grid.notes("pids").back())), SIGKILL);
  }
  CHECK(wait_for(coordinator) == kExitOk);
  CHECK(grid.table() == calm.table());
}

TEST_CASE("a killed coordinator takes its workers along, and the next one goes on") {
  FakeGrid calm({"slow", "a"}, 30), grid({"slow", "a"}, 30);
  calm.run();
  RandomStream random(5);
  int killed = 0;
  for (int round = 0; round < 40; ++round) {
    const pid_t coordinator = grid.start(2);
    sleep_ms(30 + static_cast<int>(random.below(120)));
    kill(coordinator, SIGKILL);
    const int code = wait_for(coordinator);
    if (code == kExitOk) break;
    CHECK(code == 1000 + SIGKILL);
    ++killed;
    for (const auto& pid : grid.notes("pids")) CHECK(eventually([&] { return !alive(pid); }));
  }
  CHECK(killed >= 2);
  CHECK(grid.run(3).exit_code() == kExitOk);
  CHECK(grid.table() == calm.table());
  // Only samples in flight are run again: of each worker the one that runs, and one more where the
  // coordinator was killed before it stored it.
  const auto notes = grid.notes("started");
  const auto slow = std::count_if(notes.begin(), notes.end(), [](const std::string& line) {
    return line.starts_with("slow/");
  });
  CHECK(slow <= 60 + 4 * killed);  // two cells of 30
  CHECK(grid.open().query("PRAGMA integrity_check").rows[0][0] == "ok");
  CHECK(grid.open().query("PRAGMA foreign_key_check").rows.empty());
}

TEST_CASE("Ctrl-C finishes the running sample and stops; the next run goes on") {
  FakeGrid grid({"gate", "a"});
  const pid_t coordinator = grid.start(1);
  REQUIRE(eventually([&] { return grid.notes("started").size() == 1; }));
  kill(coordinator, SIGINT);
  sleep_ms(50);
  CHECK(waitpid(coordinator, nullptr, WNOHANG) == 0);  // still waits for the sample
  grid.touch("go");
  CHECK(wait_for(coordinator) == kExitInterrupted);
  CHECK(grid.table().size() == 1);
  CHECK(grid.notes("started").size() == 1);
  CHECK(grid.status("gate", 8) == "pending");
  CHECK(grid.run(1).exit_code() == kExitOk);
  CHECK(grid.table().size() == 16);
  CHECK(grid.notes("started").size() == 16);
}

TEST_CASE("SIGTERM counts like Ctrl-C, and the second stops at once") {
  FakeGrid grid({"a", "hang"});
  const pid_t coordinator = grid.start(1);
  REQUIRE(eventually([&] { return grid.notes("started").size() == 9; }));
  kill(coordinator, SIGTERM);
  sleep_ms(50);
  CHECK(waitpid(coordinator, nullptr, WNOHANG) == 0);
  kill(coordinator, SIGINT);
  CHECK(wait_for(coordinator) == kExitInterrupted);
  for (const auto& pid : grid.notes("pids")) CHECK(eventually([&] { return !alive(pid); }));
  CHECK(grid.table().size() == 8);
  CHECK(grid.status("a", 16) == "done");
  CHECK(grid.status("hang", 8) == "pending");
}

TEST_CASE("a second coordinator on one database is refused") {
  FakeGrid grid({"gate"});
  const pid_t coordinator = grid.start(1);
  REQUIRE(eventually([&] { return !grid.notes("started").empty(); }));
  try {
    grid.run(1);
    FAIL_CHECK("was not refused");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kStore);
    CHECK(contains(error.what(), "pid " + std::to_string(coordinator)));
    CHECK(contains(error.what(), "fake run"));
  }
  grid.touch("go");
  CHECK(wait_for(coordinator) == kExitOk);
}

TEST_CASE("workers that cannot start end the run with their last words") {
  FakeGrid grid({"a", "b"});
  grid.touch("no-start");
  try {
    grid.run(2);
    FAIL_CHECK("did not throw");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kCrash);
    CHECK(contains(error.what(), "exit code 127"));
    CHECK(contains(error.what(), "libfake.so: cannot open shared object file"));
    CHECK(contains(error.what(), "r.db.logs"));
  }
  grid.remove("no-start");
  CHECK(grid.run(2).exit_code() == kExitOk);

  FakeGrid absent({"a"});
  absent.options.worker_command = {"/no/such/program"};
  CHECK_THROWS_WITH(absent.run(1),
                    Catch::Contains("/no/such/program") && Catch::Contains("No such file"));
  absent.options.worker_command.clear();
  CHECK_THROWS_AS(absent.run(1), Error);
  FakeGrid none({"a"});
  CHECK_THROWS_AS(none.run(0), Error);
}

TEST_CASE("the plan is wanted minus done") {
  FakeGrid grid({"a", "throw"});
  const Plan first = plan_jobs(grid.cells, nullptr);
  CHECK(first.jobs.size() == 4);
  CHECK(first.samples_missing == 16);
  CHECK(first.tokens_missing == 1600);
  CHECK(first.jobs[0].job.samples.size() == 4);
  CHECK(first.jobs[0].job.inputs.object() == grid.cells[0].inputs.object());
  grid.run();
  const auto store = grid.open();
  const Plan second = plan_jobs(grid.cells, &store);
  CHECK(second.cached.size() == 2);
  REQUIRE(second.jobs.size() == 2);
  CHECK(second.samples_cached == 8 + 2);
  CHECK(second.jobs[0].samples_cached == 1);
  CHECK(second.jobs[0].job.samples.size() == 3);
  CHECK(second.jobs[0].job.samples[0].id == "0/1");
  CHECK(second.samples_total == 16);
}
