#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a lint tool over the working tree, after showing on a bad file that it would object.
# Usage: tools_test.sh shellcheck|clang-format|clang-tidy SOURCE_DIR. Exit code 77: the tool is not
# here. clang-tidy takes minutes: it is run by hand, on the sources that need no LibTorch.
set -eu
tool=$1
cd "$2"
bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT

not_run() { echo "not run: $*"; exit 77; }
must_object() { if "$@" >/dev/null 2>&1; then echo "$tool accepts a bad file"; exit 1; fi; }
command -v "$tool" >/dev/null || not_run "$tool is not installed (./lethe setup --dev)"

# The files git does not ignore, one a line; those deleted but not yet committed so are left out.
files() {
  git ls-files -co --exclude-standard -- "$@" | while read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi
  done
}

case $tool in
  shellcheck)
    # shellcheck disable=SC2016  # the fault is meant for the file
    printf '#!/bin/sh\nrm $1/x\n' >"$bad/bad.sh"
    must_object shellcheck "$bad/bad.sh"
    files | while read -r file; do
      case $file in
        *.sh) echo "$file" ;;
        *.*/*.* | *.cpp | *.h | *.txt | *.json | *.md) ;;
        *) if head -c 32 "$file" | grep -aqE '^#!/bin/(ba)?sh'; then echo "$file"; fi ;;
      esac
    done >"$bad/list"
    ;;
  clang-format)
    # Releases format differently; the tree is laid out by Debian 12's.
    clang-format --version | grep -q 'version 14\.' || not_run "$(clang-format --version) is not version 14"
    cp .clang-format "$bad/"
    echo 'int  main( ){return 0 ;}' >"$bad/bad.cpp"
    must_object clang-format --dry-run --Werror "$bad/bad.cpp"
    files '*.h' '*.hpp' '*.cpp' '*.c' >"$bad/list"
    ;;
  clang-tidy)
    cp .clang-tidy "$bad/"
    printf 'struct Bad { Bad(int); };\nint BadName = 0;\n' >"$bad/bad.cpp"
    must_object clang-tidy --quiet "$bad/bad.cpp" --
    files '*.cpp' | grep -vE '^(tests|models/(engine|transformer))/|harness/cli/(executor|engine_main|trace_writer|commands/(bench|trace|worker))\.cpp|^tasks/' >"$bad/list"
    ;;
esac

count=$(wc -l <"$bad/list")
[ "$count" -gt 2 ] || { echo "only $count files to look at"; exit 1; }
echo "$tool looks at $count files"
case $tool in
  shellcheck) xargs shellcheck -x <"$bad/list" ;;
  clang-format) xargs clang-format --dry-run --Werror <"$bad/list" ;;
  clang-tidy) xargs -n 4 -P "$(nproc)" clang-tidy --quiet -p build/release <"$bad/list" ;;
esac
