#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A long stream, once undisturbed and once killed halfway and run again: bench/stream_resume.sh
# TOKENS [ARGS OF lethe run]. Both runs go on at the same time, on one thread each. Prints the memory
# of the undisturbed worker as it goes, and whether the two databases hold the same result bit for
# bit (ends with 1 where they do not).
set -eu
tokens=$1
shift
[ $# -gt 0 ] || set -- --set policies=tova --set dtypes=bfloat16
root=$(dirname "$(readlink -f "$0")")/..
lethe=${LETHE_PROGRAM:-$root/build/release/bin/lethe}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMP_WAIT_POLICY=passive LETHE_ROOT="$root"

run() {
  db=$1
  shift
  exec "$lethe" run stream-2m --set "lengths=$tokens" "$@" --threads 1 --save-every 10 --db "$folder/$db.db" \
    >"$folder/$db.out" 2>"$folder/$db.err"
}
# Per cent done, of the newest line of progress.
percent() { sed -n 's/^ *\([0-9]*\)%.*/\1/p' "$folder/$1.err" | tail -n 1 | grep . || echo 0; }

(run whole "$@") &
whole=$!
(run parts "$@") &
parts=$!
until [ "$(percent parts)" -ge 50 ]; do
  kill -0 $parts 2>/dev/null || { cat "$folder/parts.err" >&2; exit 1; }
  sleep 1
done
worker=$(cat /proc/$parts/task/$parts/children)
# shellcheck disable=SC2086  # a list of processes
kill -9 $parts $worker
wait $parts 2>/dev/null || true
echo "killed at $(percent parts) %"
mv "$folder/parts.err" "$folder/killed.err"
(run parts "$@") &
parts=$!
while kill -0 $whole 2>/dev/null; do
  workers=$(cat /proc/$whole/task/$whole/children 2>/dev/null) || true
  for worker in $workers; do
    awk -v done="$(percent whole)" '$1 == "Rss:" { print done " %: resident " int($2 / 1024) " MiB" }' \
      "/proc/$worker/smaps_rollup" 2>/dev/null || true
  done
  sleep 20
done
wait $whole
wait $parts
tail -n 1 "$folder/whole.err" "$folder/parts.err"

result="SELECT sample_id, tokens_in, nll_sum, hex(nll_trace), tokens_seen, tokens_evicted, kept_min, kept_max,
        layers, kv_bytes, peak_bytes FROM sample ORDER BY sample_key"
for db in whole parts; do
  "$lethe" query --db "$folder/$db.db" --format csv "$result" >"$folder/$db.csv"
done
"$lethe" query --db "$folder/parts.db" "SELECT mean_nll, tokens_in, tokens_evicted, kept_max FROM samples"
if ! cmp "$folder/whole.csv" "$folder/parts.csv"; then
  echo "the results differ"
  exit 1
fi
echo "the results are the same, $(wc -c <"$folder/whole.csv") bytes with every token's NLL"
