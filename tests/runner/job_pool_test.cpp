// SPDX-License-Identifier: Apache-2.0
// Batches of jobs on workers that stay: what comes back, in which order, and what a worker that
// fails or dies costs.
#include "harness/runner/job_pool.h"

#include <signal.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "harness/base/error.h"
#include "tests/runner/fake_grid.h"
#include "tests/support/catch.h"

using namespace lethe;
using namespace lethe::runner;
using Catch::Matchers::Contains;
using lethe::test::eventually;

namespace {

using Batch = std::vector<std::vector<store::SampleRecord>>;

/// Folder and options of a pool of fake workers, and jobs that behave as the fake task `name` does.
struct FakePool {
  FakePool() : grid({"a"}) {
    options.worker_command = grid.options.worker_command;
    options.log_dir = grid.folder() / "logs";
  }

  static PoolJob job(const std::string& name, const std::string& label, int samples = 3,
                     std::int64_t group = 0) {
    PoolJob made;
    made.group = group;
    made.job.cell_key = label;
    made.job.label = label;
    made.job.inputs = {{"task", {{"name", name}}}, {"length", 100}};
    for (int i = 0; i < samples; ++i) {
      const std::string id = "0/" + std::to_string(i), key = label + ":" + id;
      made.job.samples.push_back({id, key, "hash of " + key, "0"});
    }
    return made;
  }

  Batch run(JobPool& pool, const std::vector<PoolJob>& jobs) const {
    return pool.run(jobs, [](std::size_t) { return true; });
  }

  // What the batch ends with.
  Error error(JobPool& pool, const std::vector<PoolJob>& jobs) const {
    try {
      run(pool, jobs);
    } catch (const Error& error) {
      return error;
    }
    FAIL("expected an Error");
    throw;
  }

  std::size_t distinct_pids() const {
    const auto pids = grid.notes("pids");
    return std::set<std::string>(pids.begin(), pids.end()).size();
  }

  test::FakeGrid grid;
  PoolOptions options;
};

std::vector<std::string> keys_of(const Batch& batch) {
  std::vector<std::string> keys;
  for (const auto& records : batch) {
    for (const auto& record : records) keys.push_back(record.sample_key);
  }
  return keys;
}

std::vector<std::string> keys_of(const std::vector<PoolJob>& jobs) {
  std::vector<std::string> keys;
  for (const auto& job : jobs) {
    for (const auto& sample : job.job.samples) keys.push_back(sample.key);
  }
  return keys;
}

}  // namespace

TEST_CASE("a pool gives the records of a batch in the order of its jobs, whoever ran them") {
  FakePool fake;
  std::vector<PoolJob> jobs;
  for (int i = 0; i < 12; ++i) {
    jobs.push_back(
        FakePool::job(i % 2 ? "slow" : "quick", "job " + std::to_string(i), 1 + i % 3, i % 4));
  }
  std::vector<double> nll;  // of one worker, then of three: the same
  for (const int workers : {1, 3}) {
    fake.options.workers = workers;
    JobPool pool(fake.options);
    CHECK(pool.provenance().torch_version.empty());
    std::size_t most = 0;
    const Batch batch = pool.run(jobs, [&](std::size_t done) {
      CHECK(done >= most);
      CHECK(done < jobs.size());
      most = done;
      return true;
    });
    REQUIRE(batch.size() == jobs.size());
    CHECK(keys_of(batch) == keys_of(jobs));
    std::vector<double> found;
    for (const auto& records : batch) {
      for (const auto& record : records) found.push_back(record.nll_sum.value());
    }
    if (nll.empty()) nll = found;
    CHECK(found == nll);
    CHECK(pool.provenance().torch_version == "fake 1.0");
    CHECK(pool.workers_died() == 0);
  }
}

TEST_CASE("workers of a pool stay from batch to batch, and none starts for nothing") {
  FakePool fake;
  fake.options.workers = 2;
  {
    JobPool pool(fake.options);
    CHECK(fake.run(pool, {}).empty());
    CHECK(fake.grid.notes("pids").empty());
    for (int i = 0; i < 4; ++i) {
      const std::vector<PoolJob> jobs{FakePool::job("quick", "one"),
                                      FakePool::job("quick", "two", 2, 1)};
      CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
    }
    CHECK(fake.distinct_pids() <= 2);
  }
  JobPool idle(fake.options);
  CHECK(fake.distinct_pids() <= 2);
}

TEST_CASE("a worker finishes a group before it begins another") {
  FakePool fake;
  JobPool pool(fake.options);
  std::vector<PoolJob> jobs;
  for (int i = 0; i < 6; ++i) {
    jobs.push_back(FakePool::job("quick", std::to_string(i), 1, i % 2));
  }
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
  CHECK(fake.grid.notes("started") ==
        std::vector<std::string>{"0 0/0", "2 0/0", "4 0/0", "1 0/0", "3 0/0", "5 0/0"});
  // It goes on with the group that it was at in the batch before.
  jobs.resize(2);
  fake.grid.remove("started");
  fake.run(pool, jobs);
  CHECK(fake.grid.notes("started") == std::vector<std::string>{"1 0/0", "0 0/0"});
}

TEST_CASE("two workers take two groups, not two jobs of one") {
  FakePool fake;
  fake.options.workers = 2;
  JobPool pool(fake.options);
  // The first two to be begun wait for each other.
  const std::vector<PoolJob> jobs{
      FakePool::job("gate", "a", 1, 0), FakePool::job("gate", "b", 1, 0),
      FakePool::job("gate", "c", 1, 1), FakePool::job("gate", "d", 1, 1)};
  std::set<std::string> first;
  pool.run(jobs, [&](std::size_t) {
    const auto started = fake.grid.notes("started");
    if (first.empty() && started.size() == 2) {
      first = {started.begin(), started.end()};
      fake.grid.touch("go");
    }
    return true;
  });
  CHECK(first == std::set<std::string>{"a 0/0", "c 0/0"});
}

TEST_CASE("the job of a worker that died begins anew, in another process") {
  for (const char* how : {"crash-once", "hang-once"}) {
    CAPTURE(how);
    FakePool fake;
    fake.options.limits.hang_seconds = 0.5;
    JobPool pool(fake.options);
    const std::vector<PoolJob> jobs{FakePool::job("quick", "before"), FakePool::job(how, "broken"),
                                    FakePool::job("quick", "after")};
    CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
    CHECK(pool.workers_died() == 1);
    CHECK(fake.distinct_pids() == 2);
    const auto started = fake.grid.notes("started");
    CHECK(std::ranges::count(started, "before 0/0") == 1);
    CHECK(std::ranges::count(started, "broken 0/0") == 2);
    CHECK(std::ranges::count(started, "after 0/0") == 1);
  }
}

TEST_CASE("a job whose workers die again and again ends the batch") {
  struct Case {
    std::string how, told;
  };
  const Case cases[] = {
      {"crash", "SIGABRT; last line of worker-0.log: fake worker: about to abort"},
      {"exit", "exit code 7"},
      {"nonsense", "it sent nonsense"}};
  for (const auto& [how, told] : cases) {
    CAPTURE(how);
    FakePool fake;
    JobPool pool(fake.options);
    const Error error =
        fake.error(pool, {FakePool::job("quick", "sound"), FakePool::job(how, "bad one")});
    CHECK(error.kind() == ErrorKind::kCrash);
    CHECK_THAT(error.what(), Contains("bad one: its worker died 3 times") && Contains(told) &&
                                 Contains((fake.grid.folder() / "logs").string()));
    CHECK(pool.workers_died() == 3);
    // None of the half records is left, and the pool goes on.
    const std::vector<PoolJob> next{FakePool::job("quick", "bad one"), FakePool::job("quick", "x")};
    CHECK(keys_of(fake.run(pool, next)) == keys_of(next));
  }
}

TEST_CASE("no retries: the first death ends the batch") {
  FakePool fake;
  fake.options.max_retries = 0;
  JobPool pool(fake.options);
  for (const char* how : {"crash-once", "deaf"}) {
    CHECK_THAT(fake.error(pool, {FakePool::job(how, "bad one")}).what(),
               Contains("bad one: its worker died 1 times"));
  }
}

TEST_CASE("a job that fails ends the batch with its own error, the workers stay") {
  struct Case {
    std::string how;
    ErrorKind kind;
    std::string told;
  };
  const Case cases[] = {
      {"throw", ErrorKind::kData, "bad one: book 7 is missing"},
      {"silent", ErrorKind::kInternal, "without a result for sample 0/0"},
      {"nan", ErrorKind::kInternal, "bad one"},
      {"bad-alloc", ErrorKind::kResource, "bad one"},
  };
  FakePool fake;
  JobPool pool(fake.options);
  for (const auto& [how, kind, told] : cases) {
    CAPTURE(how);
    const Error error =
        fake.error(pool, {FakePool::job(how, "bad one"), FakePool::job("quick", "x")});
    CAPTURE(error.what());
    CHECK(error.kind() == kind);
    CHECK_THAT(error.what(), Contains(told));
  }
  const std::vector<PoolJob> next{FakePool::job("quick", "x")};
  CHECK(keys_of(fake.run(pool, next)) == keys_of(next));
}

TEST_CASE("a batch that is stopped leaves a pool for the next") {
  FakePool fake;
  fake.options.workers = 2;
  JobPool pool(fake.options);
  const std::vector<PoolJob> jobs{FakePool::job("quick", "first", 1, 0),
                                  FakePool::job("gate", "second", 1, 1),
                                  FakePool::job("gate", "third", 1, 2)};
  try {
    pool.run(jobs,
             [&](std::size_t done) { return done < 1 || fake.grid.notes("started").size() < 3; });
    FAIL("expected an Error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kInterrupted);
    CHECK_THAT(error.what(), Contains("1 of 3 evaluations done"));
  }
  CHECK(pool.workers_died() == 0);  // they were ended, and asked for
  fake.grid.touch("go");
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
  // Nothing is begun where nothing is wanted.
  fake.grid.remove("started");
  CHECK_THROWS_AS(pool.run(jobs, [](std::size_t) { return false; }), Error);
  CHECK(fake.grid.notes("started").empty());
}

TEST_CASE("what keep_going throws comes through and costs the batch alone") {
  FakePool fake;
  JobPool pool(fake.options);
  const std::vector<PoolJob> jobs{FakePool::job("slow", "one"), FakePool::job("slow", "two")};
  CHECK_THROWS_WITH(pool.run(jobs,
                             [](std::size_t done) -> bool {
                               if (done == 1) throw std::runtime_error("no more");
                               return true;
                             }),
                    "no more");
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
}

TEST_CASE("workers that cannot start end the batch, and the next is tried as often") {
  FakePool fake;
  fake.grid.touch("no-start");
  JobPool pool(fake.options);
  const std::vector<PoolJob> jobs{FakePool::job("quick", "one")};
  for (int batch = 1; batch <= 2; ++batch) {
    const Error error = fake.error(pool, jobs);
    CHECK(error.kind() == ErrorKind::kCrash);
    CHECK_THAT(error.what(), Contains("workers die before they are ready (exit code 127") &&
                                 Contains("libfake.so: cannot open shared object file"));
    CHECK(pool.workers_died() == 3 * batch);
  }
  fake.grid.remove("no-start");
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));

  FakePool garbled;
  garbled.grid.touch("nonsense-hello");
  JobPool muttering(garbled.options);
  CHECK_THAT(garbled.error(muttering, jobs).what(),
             Contains("workers die before they are ready (it sent nonsense"));

  FakePool mute;
  mute.grid.touch("no-hello");
  mute.options.limits.hang_seconds = 0.2;
  JobPool waiting(mute.options);
  CHECK(mute.error(waiting, jobs).kind() == ErrorKind::kCrash);
  mute.grid.remove("no-hello");
  CHECK(keys_of(mute.run(waiting, jobs)) == keys_of(jobs));

  FakePool none;
  none.options.worker_command = {(none.grid.folder() / "nothing").string()};
  JobPool nowhere(none.options);
  const Error error = none.error(nowhere, jobs);
  CHECK(error.kind() == ErrorKind::kConfig);
  CHECK_THAT(error.what(), Contains("cannot start the worker"));
}

TEST_CASE("a worker that dies between two batches is replaced") {
  FakePool fake;
  JobPool pool(fake.options);
  const std::vector<PoolJob> jobs{FakePool::job("quick", "one")};
  fake.run(pool, jobs);
  REQUIRE(fake.grid.notes("pids").size() == 1);
  REQUIRE(kill(static_cast<pid_t>(std::stol(fake.grid.notes("pids")[0])), SIGKILL) == 0);
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
  CHECK(pool.workers_died() == 1);
}

TEST_CASE("workers of a pool run on its devices and share memory on the CPU") {
  FakePool fake;
  fake.options.devices = {"cpu", "cuda:0"};
  fake.options.share_memory = true;
  JobPool pool(fake.options);
  fake.grid.touch("go");
  const std::vector<PoolJob> jobs{FakePool::job("share", "one", 1, 0),
                                  FakePool::job("quick", "two", 1, 1)};
  CHECK(keys_of(fake.run(pool, jobs)) == keys_of(jobs));
  REQUIRE(eventually([&] { return fake.grid.notes("devices").size() == 2; }));
  const auto devices = fake.grid.notes("devices");
  CHECK(std::set<std::string>(devices.begin(), devices.end()) ==
        std::set<std::string>{"cpu", "cuda:0"});
}
