// SPDX-License-Identifier: Apache-2.0
// Long samples go on in the middle; a run talks to nobody.
#include <filesystem>

#include "harness/base/json.h"
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

using Catch::Matchers::Contains;

TEST_CASE("a sample killed in the middle goes on from its saved state", "[cli][integration]") {
  const TempDir folder;
  // Two passes of 2,048 tokens through the layers; the state is saved between them.
  write_file_atomically(folder / "long.json", R"({
    "name": "long", "models": ["smollm2-135m"], "policies": ["h2o"], "budgets": [64],
    "lengths": [4096], "tasks": [{"name": "pg19", "books": ["2544"], "windows": 1}]})");
  const auto outcome = shell(
      "lethe run long.json --db calm.db\n"
      "lethe run long.json --db killed.db --save-every 1 2>first.err &\n"
      "coordinator=$!\n"
      "tries=0\n"
      "until ls killed.db.states/*.state 2>/dev/null; do\n"
      "  tries=$((tries + 1)); [ $tries -lt 3000 ] || exit 9\n"
      "  kill -0 $coordinator || exit 8\n"
      "  sleep 0.05\n"
      "done\n"
      "kill -9 $coordinator\n"
      "lethe run long.json --db killed.db --events events.jsonl --json || exit 7\n"
      "ls killed.db.states 2>&1\n"
      "for db in calm killed; do\n"
      "  lethe query --db $db.db --format csv 'SELECT nll_sum, hex(nll_trace), tokens_evicted, "
      "peak_bytes FROM sample' >$db.csv\n"
      "done\n"
      "cmp calm.csv killed.csv && wc -l <calm.csv",
      folder.path());
  CAPTURE(outcome.err, outcome.out);
  REQUIRE(outcome.code == 0);
  const auto lines = lines_of(outcome.out);
  CHECK_THAT(lines[lines.size() - 2], Contains("No such file"));  // nothing is left behind
  CHECK(lines.back() == "2");
  for (const auto& line : lines_of(read_file(folder / "events.jsonl", ErrorKind::kData))) {
    const auto event = parse_json(line, "event", ErrorKind::kData);
    if (event.at("type") != "progress") continue;
    CHECK(event.at("tokens").as_int64() > 512);
    break;
  }
}

TEST_CASE("a run makes no network connection", "[cli][integration]") {
  const TempDir folder;
  if (shell("strace -V", folder.path()).code != 0) {
    WARN("not run: strace is not installed (./lethe setup --dev)");
    std::puts("not run: strace is not installed (./lethe setup --dev)");
    return;
  }
  const auto outcome =
      shell("strace -f --seccomp-bpf -e trace=%network -o calls.txt lethe run smoke --db net.db",
            folder.path());
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto calls = read_file(folder / "calls.txt", ErrorKind::kData);
  CHECK_THAT(calls, Contains("socketpair(AF_UNIX"));  // coordinator and worker
  for (const auto* family : {"AF_INET", "AF_PACKET", "connect("}) {
    CAPTURE(family);
    CHECK_THAT(calls, !Contains(family));
  }
}

}  // namespace lethe::test
