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
env=${LETHE_PEERS_ENV:-$root/.deps/peers}

if [ ! -e "$env/.ready" ]; then
  echo "peers: making a virtual environment in $env" >&2
  python3 -m venv "$env"
  # The versions that the golden vectors were made with. torch needs no CUDA libraries on a CPU, but
  # its wheel links two of them.
  "$env/bin/pip" install --quiet --no-deps torch==2.15.0 nvidia-cuda-runtime==13.2.86 nvidia-cuda-cupti==13.2.86
  "$env/bin/pip" install --quiet filelock typing-extensions sympy networkx jinja2 fsspec numpy setuptools \
    transformers==5.2.0 gguf==0.19.0 accelerate
  touch "$env/.ready"
fi

"$root/lethe" bench exact --help >/dev/null # builds what is missing before anything is timed
TQDM_DISABLE=1 OMP_WAIT_POLICY=passive exec "$env/bin/python" "$here/exact.py" --lethe "$root/lethe" \
  --root "$root" --out "$here/results/exact.json" "$@"
