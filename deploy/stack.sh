# shellcheck shell=bash
# Starts what containers are pulled with: a registry, samara-site, samara-node, and containerd instances of our own,
# apart from the system's. Sourced by the quickstart, the tests and the benchmarks. Everything started is ended by
# on_exit (lib.sh), containers first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The name under which the local registry's images are pulled, whatever its port.
readonly local_registry=samara.local
readonly pause_image=$local_registry/samara/pause:1

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
  registry_address=$host:$port registry_netns=$netns
  start_process docker-registry "$directory/log" "${prefix[@]}" docker-registry serve "$directory/config.yml"
  registry_pid=$started
  wait_ready "$registry_pid" docker-registry "$directory/log" \
    in_namespace "$netns" curl -sf -o /dev/null "http://$registry_address/v2/"
}

# ---- samara-site and samara-node -------------------------------------------------------------------------------

# start_site DIRECTORY [HOST] [NETNS]: over the cache in DIRECTORY, with $local_registry coming from the registry of
# start_registry. Started again, it has the same address. A site.toml that is there already is used as it is; what it
# says first of all is listen. Sets $site_address (HOST:PORT), $site_url (what a node asks) and $site_pid.
start_site() {
  local directory=$1 host=${2:-127.0.0.1} netns=${3:-} prefix=()
  mkdir -p "$directory"
  [[ -f $directory/address ]] || echo "$host:$(free_port)" >"$directory/address"
  site_address=$(<"$directory/address") site_url=http://$site_address
  [[ -f $directory/site.toml ]] || site_configuration "$directory" "$site_address" >"$directory/site.toml"
  mapfile -t prefix < <(namespace_words "$netns")
  start_process samara-site "$directory/log" "${prefix[@]}" "$build_directory/apps/samara-site" \
    --config "$directory/site.toml"
  site_pid=$started site_netns=$netns
  echo "$site_pid" >"$directory/pid"
  wait_ready "$site_pid" samara-site "$directory/log" is_ready "$site_address" "$netns"
}

site_configuration() {
  cat <<TOML
listen = "$2"
name = "$(basename "$1")"
$([[ $2 == 127.* ]] || echo 'access = "open"')
root = "$1/cache"
[seed]
socket = "$1/seed.sock"
[upstream."$local_registry"]
urls = ["http://$registry_address"]
$extra_site_configuration
TOML
}

# No layer waits for its conversion or is being converted.
site_is_idle() { [[ $(metric "$site_address" samara_site_conversions "${site_netns:-}") == 0 ]]; }

stop_site() { stop_process "$(<"$1/pid")" samara-site; }

# start_node DIRECTORY [NETNS]: its cache and mount in DIRECTORY/node, its snapshotter at DIRECTORY/snapshotter.sock;
# it asks the site of start_site. Started again, it goes on with the mounts that the last one left. Sets $node_pid.
start_node() {
  local directory=$1 netns=${2:-} prefix=()
  mkdir -p "$directory"
  [[ -f $directory/address ]] || echo "127.0.0.1:$(free_port)" >"$directory/address"
  if [[ ! -f $directory/node.toml ]]; then
    node_configuration "$directory" >"$directory/node.toml"
    on_exit end_mounts "$directory"
  fi
  mapfile -t prefix < <(namespace_words "$netns")
  echo "$netns" >"$directory/netns"
  start_process samara-node "$directory/node.log" "${prefix[@]}" "$build_directory/apps/samara-node" \
    --config "$directory/node.toml"
  node_pid=$started
  echo "$node_pid" >"$directory/pid"
  wait_ready "$node_pid" samara-node "$directory/node.log" is_ready "$(node_address "$directory")" "$netns"
}

# Its mounts stay for the next one.
stop_node() { stop_process "$(<"$1/pid")" samara-node; }

# end_mounts DIRECTORY: those of the stopped node in DIRECTORY, and the process that held them. Nothing there is fine.
end_mounts() {
  [[ ! -f $1/node.toml ]] || "$build_directory/apps/samara-node" --config "$1/node.toml" --unmount >>"$1/node.log" 2>&1
}

node_configuration() {
  cat <<TOML
root = "$1/node"
snapshotter_socket = "$1/snapshotter.sock"
node_socket = "$1/node.sock"
sites = [$(toml_strings "${site_urls[@]:-$site_url}")]
listen = "$(node_address "$1")"
$extra_node_configuration
[node]
name = "$(basename "$1")"
TOML
}

# toml_strings TEXT…: what stands between the brackets of an array.
toml_strings() { printf '"%s", ' "$@"; }

# Set before start_node where it is to ask several sites: their URLs, in order.
site_urls=()
# Set before start_site and start_node: more lines for site.toml and node.toml.
extra_site_configuration='' extra_node_configuration=''

node_address() { cat "$1/address"; }

# is_ready ADDRESS [NETNS]
is_ready() { in_namespace "${2:-}" curl -sf -o /dev/null --max-time 5 "http://$1/readyz"; }

# metric ADDRESS NAME [NETNS]: the sum over all labels; 0 when there is none.
metric() {
  in_namespace "${3:-}" curl -sf --max-time 5 "http://$1/metrics" |
    awk -v name="$2" '{ split($1, part, "{") } part[1] == name { sum += $NF } END { printf "%d\n", sum }'
}

node_metric() { metric "$(node_address "$1")" "$2" "$(<"$1/netns")"; }

# Compressed bytes that the node in DIRECTORY has fetched since it was started.
node_fetched_bytes() { node_metric "$1" samara_fetched_bytes_total; }

# ---- containerd ------------------------------------------------------------------------------------------------

# write_hosts DIRECTORY REGISTRY URL: containerd in DIRECTORY asks URL, and nobody else, for images of REGISTRY
# ("_default": of every registry that has no entry of its own).
write_hosts() {
  local directory=$1/certs.d/$2
  mkdir -p "$directory"
  sed -e "s#@URL@#$3#" "$top/deploy/containerd/hosts.toml.in" >"$directory/hosts.toml"
}

# start_containerd DIRECTORY SNAPSHOTTER [SOCKET] [NETNS]: a containerd of our own, everything of it below DIRECTORY.
# SOCKET is that of a snapshotter which is not containerd's own.
start_containerd() {
  local directory=$1 snapshotter=$2 socket=${3:-} netns=${4:-} prefix=()
  mkdir -p "$directory/cni" "$directory/certs.d"
  sed -e "s#@DIRECTORY@#$directory#; s#@SNAPSHOTTER@#$snapshotter#; s#@PAUSE_IMAGE@#$pause_image#" \
    "$top/deploy/containerd/config.toml.in" >"$directory/config.toml"
  if [[ -n $socket ]]; then
    printf '\n[proxy_plugins.%s]\n  type = "snapshot"\n  address = "%s"\n' "$snapshotter" "$socket" \
      >>"$directory/config.toml"
  fi
  mapfile -t prefix < <(namespace_words "$netns")
  on_exit remove_leftovers "$directory"
  start_process containerd "$directory/log" "${prefix[@]}" containerd --config "$directory/config.toml"
  echo "$started" >"$directory/pid"
  on_exit remove_pods "$directory"
  wait_ready "$started" containerd "$directory/log" containerd_answers "$directory"
}

# stop_containerd DIRECTORY: and every container of it.
stop_containerd() {
  remove_pods "$1"
  stop_process "$(<"$1/pid")" containerd
  remove_leftovers "$1"
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

# What a containerd that ended badly may leave: shims, which name their containerd's socket, and containers.
remove_leftovers() {
  local directory=$1 process words pid_file
  for pid_file in "$directory"/state/io.containerd.runtime.v2.task/*/*/init.pid; do
    [[ ! -f $pid_file ]] || kill -KILL "$(<"$pid_file")" 2>/dev/null
  done
  for process in /proc/[0-9]*; do
    words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue  # it ended meanwhile
    [[ $words != *containerd-shim*"-address $directory/containerd.sock"* ]] || kill -KILL "${process#/proc/}" 2>/dev/null
  done
  unmount_below "$directory"
}

# Bytes of everything that the containerd in DIRECTORY has fetched and holds as it came.
content_bytes() {
  local blobs=$1/root/io.containerd.content.v1.content/blobs
  find "$blobs" -type f -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { printf "%d\n", sum }'
}
