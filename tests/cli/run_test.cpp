// SPDX-License-Identifier: Apache-2.0
// A small real grid end to end: run, run again, kill, resume, report.
#include <filesystem>
#include <sstream>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

namespace {

// 5 cells, 10 samples of 96 tokens.
const std::string kSuite = R"({
  "name": "tiny", "report": "perplexity", "models": ["smollm2-135m"],
  "tasks": [{"name": "pg19", "books": ["860", "12204"], "windows": 1}],
  "policies": ["full", "window", "tova"], "budgets": [32, 96], "lengths": [96],
  "schedules": ["exact"], "dtypes": ["float32"], "seeds": [0]
})";

// Everything in a row but times, memory and dates.
const std::string kTable =
    "lethe query --db \"$DB\" --format csv \"SELECT suite, task, model, policy, budget, schedule, "
    "positions, length, dtype, kv_dtype, seed, sample_id, sample_hash, cluster, tokens_in, "
    "bos_count, tokens_scored, nll_sum, tokens_seen, tokens_evicted, kept_min, kept_max, layers "
    "FROM samples JOIN (SELECT cell_key AS k, kv_dtype FROM cells) ON k = cell_key "
    "ORDER BY cell_key, sample_id\"";

std::string table(const std::string& database, const std::filesystem::path& folder) {
  const auto outcome = shell("DB=" + database + "\n" + kTable, folder);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  REQUIRE(lines_of(outcome.out).size() == 11);
  return outcome.out;
}

// Starts the grid in the background, waits until $1 samples are in the database, then runs $2.
const std::string kDisturb = R"sh(
disturb() {
  rm -f events.jsonl
  lethe run tiny.json --db killed.db --threads 2 --events events.jsonl >run.out 2>run.err &
  coordinator=$!
  tries=0
  until [ "$(grep -c sample_done events.jsonl 2>/dev/null)" -ge "$1" ]; do
    tries=$((tries + 1)); [ $tries -lt 3000 ] || { echo "nothing happens" >&2; exit 98; }
    kill -0 $coordinator 2>/dev/null || { echo "the run ended early" >&2; cat run.err >&2; exit 97; }
    sleep 0.02
  done
  worker=$(cat /proc/$coordinator/task/$coordinator/children)
  eval "$2"
  wait $coordinator
  code=$?
}
)sh";

// Runs the grid on two workers. When each has done a sample the coordinator is stopped for a
// moment: no worker leaves. Then for each: inode, KiB in memory and proportional share of what they
// map together.
const std::string kTwoWorkers = R"sh(
lethe run tiny.json --db two.db --workers 2 --events two.jsonl >two.out 2>two.err &
coordinator=$!
done_by() { grep sample_done two.jsonl 2>/dev/null | grep -q "\"worker\":$1"; }
tries=0
until done_by 0 && done_by 1; do
  tries=$((tries + 1)); [ $tries -lt 3000 ] || { echo "nothing happens" >&2; exit 98; }
  kill -0 $coordinator 2>/dev/null || { echo "the run ended early" >&2; cat two.err >&2; exit 97; }
  sleep 0.02
done
kill -STOP $coordinator
for worker in $(cat /proc/$coordinator/task/$coordinator/children); do
  awk '/^[0-9a-f]+-[0-9a-f]+ / { weights = /memfd:lethe-shared/; if (weights) inode = $5 }
       weights && $1 == "Rss:" { rss += $2 }  weights && $1 == "Pss:" { pss += $2 }
       END { print inode, rss, pss }' /proc/$worker/smaps
done
kill -CONT $coordinator
wait $coordinator
)sh";

}  // namespace

TEST_CASE("a grid survives kill -9 and interruption, and gives the same table",
          "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "tiny.json", kSuite);

  const auto first = shell("lethe run tiny.json --db calm.db --threads 2 --json", folder.path());
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const auto report = parse_json(first.out, "output", ErrorKind::kData);
  CHECK(report.at("samples_done") == 10);
  CHECK(report.at("cells_done") == 5);
  const std::string calm = table("calm.db", folder.path());

  {
    INFO("a second run does no forward pass");
    const auto again = shell("lethe run tiny.json --db calm.db", folder.path());
    CHECK(again.code == 0);
    CHECK_THAT(again.out, Contains("no forward pass was needed"));
    const auto dry = shell("lethe run tiny.json --db calm.db --dry-run --json", folder.path());
    CHECK(parse_json(dry.out, "output", ErrorKind::kData).at("samples_missing") == 0);
    CHECK(table("calm.db", folder.path()) == calm);
    // A new budget runs only its own cells.
    const auto more =
        shell("lethe run tiny.json --db calm.db --set budgets=32,48,96 --dry-run", folder.path());
    CHECK_THAT(more.out, Contains("10 samples are done, 4 to run (384 tokens)") &&
                             Contains("estimated time: "));
  }
  {
    INFO("two workers give the same table, from one copy of the weights");
    const auto two = shell(kTwoWorkers, folder.path());
    CAPTURE(two.out, two.err);
    REQUIRE(two.code == 0);
    CHECK(table("two.db", folder.path()) == calm);
    // Per worker: the file, KiB of it in memory, and its share where others have it too.
    std::int64_t resident[2], share[2];
    std::string file[2];
    std::istringstream lines(two.out);
    for (const int i : {0, 1}) REQUIRE((lines >> file[i] >> resident[i] >> share[i]));
    CHECK(file[0] == file[1]);
    for (const int i : {0, 1}) {
      CHECK(resident[i] > 400'000);  // 135 M weights of 4 bytes
      CHECK(share[i] < resident[i] * 6 / 10);
    }
  }
  {
    INFO("killed worker, killed coordinator, Ctrl-C, and on");
    const auto killed = shell(kDisturb +
                                  "disturb 2 'kill -9 $worker'; [ $code -eq 0 ] || exit 2\n"
                                  "grep -q worker_died events.jsonl || exit 3\n",
                              folder.path());
    CAPTURE(killed.err);
    CHECK(killed.code == 0);
    CHECK(table("killed.db", folder.path()) == calm);

    const auto stopped =
        shell("rm -f killed.db*\n" + kDisturb +
                  "disturb 2 'kill -9 $coordinator'; [ $code -eq 137 ] || exit 2\n"
                  "disturb 2 'kill -INT $coordinator'; [ $code -eq 130 ] || exit 3\n"
                  "lethe status --db killed.db --json\n"
                  "lethe run tiny.json --db killed.db --threads 2 --json\n",
              folder.path());
    CAPTURE(stopped.err, stopped.out);
    REQUIRE(stopped.code == 0);
    const auto lines = lines_of(stopped.out);
    REQUIRE(lines.size() == 2);
    const auto status = parse_json(lines[0], "status", ErrorKind::kData);
    const auto resumed = parse_json(lines[1], "run", ErrorKind::kData);
    const auto before = status.at("samples_done").as_int64();
    CHECK(before >= 4);
    CHECK(status.at("run").is_null());
    CHECK(resumed.at("samples_cached") == before);
    CHECK(resumed.at("samples_done") == 10 - before);
    CHECK(table("killed.db", folder.path()) == calm);
  }
  {
    INFO("the report stands on the database alone");
    const auto written =
        shell("lethe report perplexity --db calm.db --format md,csv --out tables", folder.path());
    CAPTURE(written.err);
    CHECK(written.code == 0);
    CHECK_THAT(written.out, Contains("wrote tables/"));
    CHECK_THAT(shell("cat tables/*.md", folder.path()).out, Contains("tova"));
    CHECK_THAT(shell("lethe report perplexity --db calm.db --suite tinny", folder.path()).err,
               Contains("did you mean 'tiny'"));
  }
  {
    INFO("a budget of the length equals the full cache");
    const auto rows = parse_json(
        shell("lethe query --db calm.db --json \"SELECT max(abs(a.mean_nll - b.mean_nll)) AS d "
              "FROM samples a JOIN samples b ON a.sample_id = b.sample_id "
              "WHERE a.budget = 96 AND b.policy = 'full'\"",
              folder.path())
            .out,
        "output", ErrorKind::kData);
    CHECK(rows.at(0).at("d").to_number<double>() < 1e-5);
  }
}

TEST_CASE("schedules and positions are axes of a run", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "axes.json", R"({
    "name": "axes", "report": "perplexity", "models": ["smollm2-135m"],
    "tasks": [{"name": "pg19", "books": ["860"], "windows": 1, "prompt": 64}],
    "policies": ["tova", "snapkv:window=8"], "budgets": [32], "lengths": [96],
    "schedules": ["exact", "block:16", "post-prompt", "prefill-only"],
    "positions": ["original", "cache-relative"], "dtypes": ["float32"], "seeds": [0],
    "exclude": [{"policies": ["snapkv:window=8"], "schedules": ["exact", "post-prompt"]},
                {"positions": ["cache-relative"], "schedules": ["block:16", "prefill-only"]}]
  })");
  const auto run = shell("lethe run axes.json --db axes.db --threads 2 --json", folder.path());
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  // What 32 of 96 tokens mean: cut after every token, after every 16, after the prompt of 64 and
  // then after every token, or once after the prompt.
  const auto rows = shell(
      "lethe query --db axes.db --format csv \"SELECT policy, schedule, positions, tokens_evicted "
      "/ "
      "kept.heads AS evicted, kept_max, json_extract(layers, '$[0].largest_position') AS largest, "
      "json_extract(layers, '$[0].peak_live_bytes') / (3 * 2 * 64 * 4) AS peak FROM samples, "
      "(SELECT 30 AS heads) kept ORDER BY 1, 2, 3\"",
      folder.path());
  CAPTURE(rows.err);
  CHECK(lines_of(rows.out) ==
        std::vector<std::string>{
            "policy,schedule,positions,evicted,kept_max,largest,peak",
            "snapkv:window=8,block:16,original,192,32,95,48",
            "snapkv:window=8,prefill-only,original,96,64,95,64",
            "tova,block:16,original,64,32,95,48", "tova,exact,cache-relative,64,32,32,33",
            "tova,exact,original,64,32,95,33", "tova,post-prompt,cache-relative,64,32,63,64",
            "tova,post-prompt,original,64,32,95,64", "tova,prefill-only,original,32,64,95,64"});
}

TEST_CASE("a database that is in use or of a newer schema is refused", "[cli][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "tiny.json", kSuite);
  const auto busy = shell(kDisturb +
                              "disturb 1 'lethe run tiny.json --db killed.db 2>second.err; "
                              "second=$?; lethe status --db killed.db >&2; "
                              "kill -INT $coordinator'\n"
                              "cat second.err >&2; exit $second\n",
                          folder.path());
  CHECK(busy.code == 2);
  CHECK_THAT(busy.err, Contains("killed.db"));
  CHECK_THAT(busy.err, Contains("at work: host "));

  const auto newer = shell(
      "printf '\\377' | dd of=killed.db bs=1 seek=60 count=1 conv=notrunc 2>/dev/null\n"
      "lethe query --db killed.db 'SELECT 1'",
      folder.path());
  CHECK(newer.code == 2);
  CHECK_THAT(newer.err, Contains("newer") || Contains("schema"));
}

TEST_CASE("reproduce runs once, then only writes the report", "[cli][integration]") {
  const TempDir folder;
  const auto first = shell("lethe reproduce smoke", folder.path());
  CAPTURE(first.err);
  CHECK(first.code == 0);
  for (const auto* file : {"index.html", "results.db"}) {
    CHECK(std::filesystem::exists(folder / ("report/smoke/" + std::string(file))));
  }
  const auto again = shell("lethe reproduce smoke --json", folder.path());
  CHECK(again.code == 0);
  const auto outcome = parse_json(again.out, "output", ErrorKind::kData);
  CHECK(outcome.at("run").at("samples_done") == 0);
  CHECK(outcome.at("invariant_violated") == false);
}

}  // namespace lethe::test
