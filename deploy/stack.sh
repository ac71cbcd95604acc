# shellcheck shell=bash
# Starts what containers are pulled with: a registry, samara-site, samara-node, and containerd instances of our own,
# apart from the system's. Sourced by the quickstart, the tests and the benchmarks. Everything started is ended by
# on_exit (lib.sh), containers first.
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The name under which the local registry's images are pulled, whatever its port.
readonly local_registry=samara.local

# in_namespace NETNS COMMAND…: runs COMMAND there; NETNS "" is where we are. Unlike `ip netns exec` it keeps the mount
# namespace, so that mounts made there are seen here.
in_namespace() {
  local netns=$1
  shift
  if [[ -n $netns ]]; then nsenter --net="/run/netns/$netns" -- "$@"; else "$@"; fi
}

# exec_in_namespace NETNS COMMAND…: the same as words to exec, one a line.
namespace_words() { [[ -z $1 ]] || printf '%s\n' nsenter "--net=/run/netns/$1" --; }

# ---- registry --------------------------------------------------------------------------------------------------

# start_registry STORAGE [HOST] [NETNS]: Debian's docker-registry over the directory STORAGE.
# Sets $registry_address (HOST:PORT) and $registry_pid.
start_registry() {
  local storage=$1 host=${2:-127.0.0.1} netns=${3:-} directory='' port prefix=()
  port=$(free_port)
  temporary_directory directory
  mkdir -p "$storage"
  cat >"$directory/config.yml" <<YAML
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $storage}, delete: {enabled: true}}
http: {addr: "$host:$port"}
YAML
  mapfile -t prefix < <(namespace_words "$netns")
  registry_address=$host:$port registry_log=$directory/log
  start_process docker-registry "$registry_log" "${prefix[@]}" docker-registry serve "$directory/config.yml"
  registry_pid=$started
  wait_ready "$registry_pid" docker-registry "$registry_log" \
    in_namespace "$netns" curl -sf -o /dev/null "http://$registry_address/v2/"
}

# ---- containerd ------------------------------------------------------------------------------------------------

# write_hosts DIRECTORY REGISTRY URL: containerd in DIRECTORY asks URL, and nobody else, for images of REGISTRY
# ("_default": of every registry that has no entry of its own).
write_hosts() {
  local directory=$1/certs.d/$2
  mkdir -p "$directory"
  sed -e "s#@URL@#$3#" "$top/deploy/containerd/hosts.toml.in" >"$directory/hosts.toml"
}

# start_containerd DIRECTORY SNAPSHOTTER [SOCKET] [NETNS]: a containerd of our own, everything of it below DIRECTORY.
# SOCKET is that of a snapshotter which is not containerd's own. Sets $containerd_pid.
start_containerd() {
  local directory=$1 snapshotter=$2 socket=${3:-} netns=${4:-} prefix=()
  mkdir -p "$directory/cni" "$directory/certs.d"
  sed -e "s#@DIRECTORY@#$directory#; s#@SNAPSHOTTER@#$snapshotter#; s#@PAUSE_IMAGE@#$local_registry/samara/pause:1#" \
    "$top/deploy/containerd/config.toml.in" >"$directory/config.toml"
  if [[ -n $socket ]]; then
    printf '\n[proxy_plugins.%s]\n  type = "snapshot"\n  address = "%s"\n' "$snapshotter" "$socket" \
      >>"$directory/config.toml"
  fi
  mapfile -t prefix < <(namespace_words "$netns")
  on_exit remove_leftovers "$directory"
  start_process containerd "$directory/log" "${prefix[@]}" containerd --config "$directory/config.toml"
  containerd_pid=$started
  on_exit remove_pods "$directory"
  wait_ready "$containerd_pid" containerd "$directory/log" containerd_answers "$directory"
}

containerd_answers() {
  [[ -S $1/containerd.sock ]] && ctr --address "$1/containerd.sock" --timeout 5s plugins ls | grep -q 'cri.*ok'
}

# cri DIRECTORY …: cri_run against the containerd in DIRECTORY.
cri() {
  local directory=$1
  shift
  "$build_directory/tests/tools/cri_run" --socket "$directory/containerd.sock" "$@"
}

remove_pods() {
  [[ ! -S $1/containerd.sock ]] || timeout 60 "$build_directory/tests/tools/cri_run" --deadline 20 \
    --socket "$1/containerd.sock" rm --all || warn "not every pod of $1 could be removed"
}

# What a containerd that ended badly leaves: shims, which name their containerd's socket, and containers.
remove_leftovers() {
  local directory=$1 process words pid_file
  for pid_file in "$directory"/state/io.containerd.runtime.v2.task/*/*/init.pid; do
    [[ ! -f $pid_file ]] || kill -KILL "$(<"$pid_file")" 2>/dev/null
  done
  for process in /proc/[0-9]*; do
    words=$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)
    [[ $words != *containerd-shim*"-address $directory/containerd.sock"* ]] || kill -KILL "${process#/proc/}" 2>/dev/null
  done
  unmount_below "$directory"
}

# Bytes of everything that the containerd in DIRECTORY has fetched and holds as it came.
content_bytes() {
  local blobs=$1/root/io.containerd.content.v1.content/blobs
  find "$blobs" -type f -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { printf "%d\n", sum }'
}
