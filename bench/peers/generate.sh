#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lethe's decoding beside transformers' generate() and llama.cpp's llama-batched-bench on the same
# GGUF and machine, in turn. llama.cpp is built, with all the CPU has, from the source package of
# llama-cpp-python (about ten minutes once). Results: bench/peers/results/generate.json and a table
# on standard output.
#
#   bench/peers/generate.sh [--batches 1,8,32] [--prompt 512] [--new 64] [--budget 512] [--repeats 3]
#                           [--dtypes float32,bfloat16] [--kv-dtypes same]
set -eu

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
# shellcheck source=bench/peers/env.sh
. "$here/env.sh"

llama=$env/llama.cpp/build/bin/llama-batched-bench
if [ ! -x "$llama" ]; then
  echo "peers: building llama.cpp in $env/llama.cpp" >&2
  rm -rf "$env/llama.cpp" "$env/llama-source"
  mkdir -p "$env/llama-source"
  "$env/bin/pip" download --quiet --no-deps --no-binary llama-cpp-python -d "$env/llama-source" \
    llama-cpp-python==0.3.16
  tar -xf "$env"/llama-source/llama_cpp_python-*.tar.gz -C "$env/llama-source"
  mv "$env"/llama-source/llama_cpp_python-*/vendor/llama.cpp "$env/llama.cpp"
  cmake -S "$env/llama.cpp" -B "$env/llama.cpp/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF >"$env/llama.log" 2>&1
  cmake --build "$env/llama.cpp/build" --target llama-batched-bench -j "$(nproc)" >>"$env/llama.log" 2>&1
fi

"$root/lethe" bench generate --help >/dev/null # builds what is missing before anything is timed
TQDM_DISABLE=1 OMP_WAIT_POLICY=passive exec "$env/bin/python" "$here/generate.py" --lethe "$root/lethe" \
  --llama "$llama" --root "$root" --out "$here/results/generate.json" "$@"
