// SPDX-License-Identifier: Apache-2.0
// A real grid under a hundred kills. Minutes: run by name (./lethe test does not);
// docs/benchmarks.md says when it last passed.
#include "harness/base/text.h"
#include "tests/cli/program.h"
#include "tests/support/catch.h"
#include "tests/support/fixtures.h"

namespace lethe::test {

TEST_CASE("a hundred kills of a real grid leave the table of an undisturbed run",
          "[.slow][integration]") {
  const TempDir folder;
  write_file_atomically(folder / "grid.json", R"({
    "name": "grid", "models": ["smollm2-135m"], "policies": ["full", "window", "h2o", "tova"],
    "budgets": [32, 64], "lengths": [128], "seeds": ["0..9"],
    "tasks": [{"name": "pg19", "books": ["860", "12204"], "windows": 1}]})");
  // Kills coordinator, worker, both, or stops a worker, at random moments until a hundred are done;
  // then lets the grid come to its end.
  write_file_atomically(folder / "chaos.sh", R"sh(
run() { lethe run grid.json --db "$1" --threads 2 --hang-after 3 --retries 50 --save-every 1 "$2" >>run.out 2>&1; }
run calm.db --json || exit 3
kills=0 coordinators=0 workers=0 stops=0
RANDOM=7
while [ $kills -lt 100 ]; do
  run killed.db --json & 
  shell=$!
  coordinators=$((coordinators + 1))
  while [ $kills -lt 100 ]; do
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    coordinator=$(pgrep -P $shell) || break
    worker=$(pgrep -P "$coordinator" | head -n 1)
    kills=$((kills + 1))
    case $((RANDOM % 6)) in
      0) kill -9 "$coordinator" $worker; break ;;
      1) kill -9 "$coordinator"; break ;;
      2) [ -z "$worker" ] || { kill -STOP "$worker" && stops=$((stops + 1)); } ;;
      *) [ -z "$worker" ] || { kill -9 "$worker" && workers=$((workers + 1)); } ;;
    esac
  done 2>/dev/null
  wait $shell
  [ "$(lethe query --db killed.db --format csv "SELECT count(*) FROM cells WHERE status <> 'done'" | tail -n 1)" != 0 ] || [ $kills -ge 100 ] || rm -f killed.db*
done
run killed.db --json || exit 4
for db in calm killed; do
  lethe query --db $db.db --format csv "SELECT cell_key, sample_id, sample_hash, nll_sum, tokens_scored, tokens_seen, tokens_evicted, kept_min, kept_max, layers FROM samples ORDER BY cell_key, sample_id" >$db.csv
done
cmp calm.csv killed.csv || exit 5
lethe query --db killed.db --format csv "SELECT count(*), count(DISTINCT sample_key) FROM samples"
lethe verify --db killed.db >verify.out || exit 6
echo "$kills kills: $coordinators coordinators started, $workers workers killed, $stops stopped"
)sh");
  const auto outcome = shell("bash chaos.sh", folder.path());
  WARN(outcome.out);
  CAPTURE(outcome.err, read_file(folder / "run.out", ErrorKind::kData));
  CHECK(outcome.code == 0);
}

}  // namespace lethe::test
