#!/usr/bin/env bash
# Every shell script of the project passes shellcheck.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mapfile -t scripts < <(grep -rlE --exclude-dir=.git --exclude-dir='build*' -m1 '^#!/usr/bin/env bash|^# shellcheck shell=' .)
((${#scripts[@]} > 10))
shellcheck "${scripts[@]}"
echo "${#scripts[@]} scripts are clean"
