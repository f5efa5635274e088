#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lethe's exact scan beside PyTorch transformers on the same text, model and machine, in one run:
# the dense forward, and a token-by-token TOVA loop. Results: bench/peers/results/exact.json and a
# table on standard output. The peers live in a virtual environment of their own.
#
#   bench/peers/run.sh [--tokens 4096] [--loop-tokens 512] [--budget 256] [--repeats 3] [--dtype float32]
set -eu

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
# shellcheck source=bench/peers/env.sh
. "$here/env.sh"

"$root/lethe" bench exact --help >/dev/null # builds what is missing before anything is timed
TQDM_DISABLE=1 OMP_WAIT_POLICY=passive exec "$env/bin/python" "$here/exact.py" --lethe "$root/lethe" \
  --root "$root" --out "$here/results/exact.json" "$@"
