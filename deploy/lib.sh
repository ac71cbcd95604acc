# shellcheck shell=bash
# What every script of the project needs: messages, cleaning up, packages, building, checks of the machine, ports and
# waiting. Sourced, never run. It sets strict mode and the traps; whatever a script starts, mounts or creates is given
# to on_exit at once, and is undone in reverse order when the script ends, however it ends.
[[ -z ${SAMARA_LIB:-} ]] || return 0
readonly SAMARA_LIB=loaded
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly top
readonly build_directory=${SAMARA_BUILD:-$top/build}
readonly images_directory=${SAMARA_IMAGES:-$top/build/images}

# ---- messages --------------------------------------------------------------------------------------------------

note() { printf '%s\n' "-- $*" >&2; }
warn() { printf '%s\n' "warning: $*" >&2; }
die() {
  printf '%s\n' "error: $*" >&2
  exit 1
}

# ---- cleaning up -----------------------------------------------------------------------------------------------

cleanup_commands=()
cleanup_owner=$BASHPID

# Runs "$@" when the script ends; what was registered last runs first.
on_exit() { cleanup_commands+=("$(printf '%q ' "$@")"); }

# Undoes everything registered so far. Safe to call twice; a step that fails does not stop the others.
clean_up() {
  [[ $BASHPID == "$cleanup_owner" ]] || return 0
  local index command
  set +e
  while ((${#cleanup_commands[@]})); do
    index=$((${#cleanup_commands[@]} - 1))
    command=${cleanup_commands[index]}
    unset "cleanup_commands[index]"
    eval "$command"
  done
}

# Keeps what stands: clean_up does nothing from here on.
keep_everything() { cleanup_commands=(); }

exec {console}>&2

# run_logged LOG COMMAND…: keeps what the command prints for the case that it fails.
run_logged() {
  local log=$1
  shift
  failing_log=$log
  "$@" >"$log" 2>&1
  failing_log=
}

finish() {
  local status=$?
  trap '' INT TERM HUP
  exec 2>&"$console"
  if ((status)) && [[ -s ${failing_log:-} ]]; then
    tail -n 30 "$failing_log" >&2
    printf '%s\n' "error: that is the end of $failing_log" >&2
  fi
  clean_up
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# ---- what the machine must have --------------------------------------------------------------------------------

need_root() { ((EUID == 0)) || die "this needs root: run it again with sudo"; }

need_fuse() {
  [[ -c /dev/fuse ]] || modprobe fuse 2>/dev/null || true
  [[ -c /dev/fuse ]] || die "/dev/fuse is missing: load the kernel's fuse module, or give this container the device"
}

need_overlayfs() {
  grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || true
  grep -qw overlay /proc/filesystems || die "this kernel has no overlayfs (module 'overlay')"
}

# need_disk DIRECTORY GIB
need_disk() {
  local directory=$1 gib=$2 free
  while [[ ! -d $directory ]]; do directory=$(dirname "$directory"); done
  free=$(df --output=avail -B1 "$directory" | tail -n 1)
  ((free >= gib << 30)) || die "$directory has $((free >> 20)) MiB free; this needs $gib GiB"
}

# ---- packages and building -------------------------------------------------------------------------------------

listed_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$top/deploy/packages.txt"; }

missing_packages() {
  local package
  local -A installed=()
  while read -r package; do installed[$package]=yes; done < <(
    # shellcheck disable=SC2016  # the braces are dpkg-query's
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p'
  )
  for package in $(listed_packages); do [[ -n ${installed[$package]:-} ]] || printf '%s\n' "$package"; done
}

# Installs what deploy/packages.txt lists and this machine lacks.
install_packages() {
  local missing=()
  command -v dpkg-query >/dev/null || die "this needs Debian: dpkg-query is missing"
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  need_root
  command -v apt-get >/dev/null || die "apt-get is missing; install by hand: ${missing[*]}"
  note "installing ${#missing[@]} packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Debian starts what it installs; the project starts its own, on ports of its own.
  without_service_starts apt_get_install "${missing[@]}"
}

apt_get_install() {
  apt-get update -q || die "apt-get update failed: is there a network, and a mirror in /etc/apt?"
  apt-get install -y -q --no-install-recommends "$@" || die "apt-get could not install: $*"
}

# Runs "$@" while package installation may not start services; leaves an administrator's own policy alone.
without_service_starts() {
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    on_exit rm -f "$policy"
    "$@"
    rm -f "$policy"
  else
    "$@"
  fi
}

# build DIRECTORY [--targets TARGET…] [CMAKE OPTION…]: configures (Release unless told otherwise) and builds.
build() {
  local directory=$1 targets=()
  shift
  if [[ ${1:-} == --targets ]]; then
    shift
    while (($#)) && [[ $1 != -* ]]; do
      targets+=("$1")
      shift
    done
  fi
  export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1
  mkdir -p "$directory"
  run_logged "$directory/cmake.log" cmake -S "$top" -B "$directory" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@"
  cmake --build "$directory" --parallel "$(nproc)" ${targets[@]:+--target "${targets[@]}"} || die "the build failed"
}

# ---- temporary files, mounts, processes ------------------------------------------------------------------------

# temporary_directory VARIABLE: a new directory that goes when the script ends, with every mount below it.
temporary_directory() {
  local path
  path=$(mktemp -d "${SAMARA_TMP:-/var/tmp}/samara.XXXXXX")
  on_exit remove_directory "$path"
  printf -v "$1" '%s' "$path"
}

# Unmounts everything at and below DIRECTORY, innermost first.
unmount_below() {
  local directory point points=()
  directory=$(realpath "$1" 2>/dev/null) || directory=$1
  mapfile -t points < <(mount_points_below "$directory")
  for point in "${points[@]}"; do umount "$point" 2>/dev/null || umount -l "$point" || true; done
}

mount_points_below() {
  local directory=$1 point
  while read -r _ _ _ _ point _; do
    printf -v point '%b' "$point"
    [[ $point != "$directory" && $point != "$directory"/* ]] || printf '%s\n' "$point"
  done < <(tac /proc/self/mountinfo)
}

remove_directory() {
  unmount_below "$1"
  rm -rf --one-file-system "$1"
}

# A process that this script has started and that has not ended; never another one that got its number later.
is_running() {
  local status
  { read -r status <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra status <<<"${status##*) }"  # what follows the name: state, parent, …
  [[ ${status[0]} != Z && ${status[1]} == "$$" ]]
}

# start_process NAME LOG COMMAND…: in the background, out of the terminal's reach, ended with the script.
# Sets $started to its pid.
start_process() {
  local name=$1 log=$2
  shift 2
  setsid "$@" </dev/null >>"$log" 2>&1 {console}>&- &
  started=$!
  on_exit stop_process "$started" "$name"
}

# stop_process PID NAME [SECONDS]: TERM, then KILL after 15 s (or SECONDS).
stop_process() {
  local pid=$1 name=$2 deadline=$((SECONDS + ${3:-15}))
  is_running "$pid" || return 0
  kill "$pid" 2>/dev/null || true
  while is_running "$pid" && ((SECONDS < deadline)); do sleep 0.05; done
  if is_running "$pid"; then
    warn "$name (pid $pid) did not stop; killing it"
    kill -KILL "$pid" 2>/dev/null || true
  fi
  wait "$pid" 2>/dev/null || true
}

# wait_until SECONDS WHAT COMMAND…: polls COMMAND until it succeeds. Returns 1, with a message, when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  type "$1" >/dev/null || die "there is no command $1"
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      warn "$what did not come about in time"
      return 1
    fi
    sleep 0.02
  done
}

# wait_ready PID NAME LOG COMMAND…: until COMMAND succeeds; fails at once, showing the log, when the process ends.
wait_ready() {
  local pid=$1 name=$2 log=$3
  shift 3
  if ! wait_until 30 "$name getting ready" succeeds_or_ended "$pid" "$@" || ! is_running "$pid"; then
    tail -n 20 "$log" >&2
    die "$name did not start; the end of its log ($log) is above"
  fi
}

succeeds_or_ended() {
  local pid=$1
  shift
  "$@" || ! is_running "$pid"
}

# ---- ports -----------------------------------------------------------------------------------------------------

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A TCP port on the loopback that nobody listens on now, below the range that outgoing connections take theirs from.
free_port() {
  local port tries
  for ((tries = 0; tries < 200; tries++)); do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    port_is_taken "$port" || {
      printf '%s\n' "$port"
      return 0
    }
  done
  die "no free TCP port found"
}

need_port() {
  ! port_is_taken "$1" || die "TCP port $1 is taken (by: $(ss -Hltnp "sport = :$1" | sed 's/.*users:((//;s/).*//' || true))"
}

# ---- figures ---------------------------------------------------------------------------------------------------

# BYTES as MiB with one decimal.
mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }
# MILLISECONDS as seconds with two decimals.
seconds() { awk -v ms="$1" 'BEGIN { printf "%.2f s", ms / 1000 }'; }
now_ms() { date +%s%3N; }
