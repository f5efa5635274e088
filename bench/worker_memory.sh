#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Memory of a run's workers: bench/worker_memory.sh WORKERS [ARGS OF lethe run]. Looks at the workers
# several times a second and prints their largest sum, in MiB: Pss counts a page that n processes
# map as 1/n in each, so that the sum is what the machine gives; Rss counts it n times.
set -eu
workers=$1
shift
[ $# -gt 0 ] || set -- smoke
root=$(dirname "$(readlink -f "$0")")/..
lethe=${LETHE_PROGRAM:-$root/build/release/bin/lethe}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
OMP_WAIT_POLICY=passive LETHE_ROOT=$root "$lethe" run "$@" --workers "$workers" --db "$folder/r.db" >"$folder/out" 2>"$folder/err" &
coordinator=$!
while kill -0 $coordinator 2>/dev/null; do
  # A process that ends meanwhile leaves its line out.
  workers_now=$(cat /proc/$coordinator/task/$coordinator/children 2>/dev/null) || true
  for worker in $workers_now; do
    cat "/proc/$worker/smaps_rollup" 2>/dev/null || true
  done | awk '$1 == "Pss:" { pss += $2 } $1 == "Rss:" { rss += $2 }
              END { if (pss) print int(pss / 1024), int(rss / 1024) }'
  sleep 0.05
done >"$folder/samples"
code=0
wait $coordinator || code=$?
cat "$folder/err" "$folder/out" >&2
sort -n "$folder/samples" | awk -v n="$workers" '
  { pss = $1; if ($2 > rss) rss = $2 } END { print n " workers: Pss " pss " MiB, Rss " rss " MiB" }'
exit $code
