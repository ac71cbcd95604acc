#!/usr/bin/env bash
# Installs what is needed, builds, and runs every test.
#
# usage: tests/run.sh [--long] [CTEST OPTION…]
#
#   --long   the tests that take minutes too (label long)
#   CTEST OPTION…, for example -R snapshotter, or -L unit; the unit tests under sanitizers take the same
#
# First the unit tests once more with AddressSanitizer and UBSan (build/asan), then everything in Release (build/).
# Ends on ctest's summary, with exit code 0 only when all of it passed. SAMARA_SKIP_SANITIZERS=1 leaves the first out.
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/lib.sh"

usage() { sed -n '2,/^source/{/^source/d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; }

# run_ctest DIRECTORY OPTION…: notes a failure and goes on, so that one run tells all that is wrong.
run_ctest() {
  ctest --test-dir "$1" --output-on-failure --timeout 600 "${@:2}" </dev/null || failed=1
}

main() {
  local long=(-LE long) failed=0
  while [[ ${1:-} == --long || ${1:-} == --help ]]; do
    [[ $1 != --help ]] || { usage; return; }
    long=()
    shift
  done
  install_packages
  ccache --max-size 5G >/dev/null
  if [[ -z ${SAMARA_SKIP_SANITIZERS:-} ]]; then
    note "unit tests with AddressSanitizer and UBSan"
    build "$build_directory/asan" --targets unit_tests -DSAMARA_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=Debug
    run_ctest "$build_directory/asan" --parallel "$(nproc)" -L unit "$@"
  fi
  note "all tests, Release"
  build "$build_directory"
  if ((EUID == 0)); then "$top/tests/images/build.sh"; fi
  run_ctest "$build_directory" --parallel "$(nproc)" "${long[@]}" "$@"
  return "$failed"
}

main "$@"
