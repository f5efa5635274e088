# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced: a virtual environment for the peers, in `$env`, made where it is missing. `$root` is the
# repository.
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
