#!/usr/bin/env bash
# deploy/quickstart.sh as a person runs it; and it leaves nothing behind, also when it is interrupted.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Processes, mounts and network namespaces that have to do with directories below $1.
leftovers() {
  local process words=()
  for process in /proc/[0-9]*; do
    { mapfile -d '' words <"$process/cmdline"; } 2>/dev/null || continue
    [[ ${words[*]} != *"$1"* ]] || printf '%s\n' "process ${words[*]}"
  done
  grep -s -- "$1" /proc/self/mountinfo || true
  find "$1" -mindepth 1
}

temporary_directory work
mkdir "$work/tmp"
export SAMARA_TMP=$work/tmp

output=$("$top/deploy/quickstart.sh" 2>"$work/quickstart.log") || fail "quickstart: $(tail "$work/quickstart.log")"
printf '%s\n' "$output"
contains "the table" "$output" "time to first output +[0-9.]+ s +[0-9.]+ s +[0-9.]+ s"
contains "the table" "$output" "bytes fetched until then +[0-9.]+ MiB +[0-9.]+ MiB +[0-9.]+ MiB"
contains "the container's words" "$output" "It said: $(output_of python)"
equal "what is left of it" "$(leftovers "$work/tmp")" ""

setsid "$top/deploy/quickstart.sh" --keep >"$work/kept" 2>&1 </dev/null &
pid=$!
on_exit stop_process "$pid" quickstart.sh 60
eventually 240 "it says that it is running" grep -q 'still running' "$work/kept"
kill -TERM "$pid"
wait "$pid" || true
equal "what is left when it was ended" "$(leftovers "$work/tmp")" ""
