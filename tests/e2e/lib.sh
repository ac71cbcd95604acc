# shellcheck shell=bash
# What the end-to-end tests share: one registry, one site, one node, two containerd instances, and assertions.
# A test is a script that says what was given, what happened and what must hold; the first thing that doesn't hold ends
# it. Waiting is for events, with a deadline that only a broken program reaches.
source "$(dirname "${BASH_SOURCE[0]}")/../images/lib.sh"

# ---- assertions ------------------------------------------------------------------------------------------------

fail() {
  printf '%s\n' "FAILED: $*" >&2
  show_logs
  exit 1
}
passed() { printf '%s\n' "ok: $*" >&2; }

# The end of every daemon's log, for the one who reads why a test failed; all of them stay with SAMARA_KEEP_LOGS=DIR.
show_logs() {
  local log
  for log in "$work"/*.log "$work"/*/log "$work"/*/*/log "$work"/*/*.log; do
    [[ -s $log ]] || continue
    printf '==== %s\n' "$log" >&2
    grep -v -e 'level=info msg=request' -e 'level=info.*runtime' "$log" | tail -n 12 | cut -c 1-400 >&2
    [[ -z ${SAMARA_KEEP_LOGS:-} ]] || cp "$log" "$SAMARA_KEEP_LOGS/$(tr / _ <<<"${log#"$work"/}")"
  done
}

# equal WHAT ACTUAL EXPECTED
equal() {
  [[ $2 == "$3" ]] || fail "$1 is '$2' and should be '$3'"
  passed "$1 is '$2'"
}

# less_than WHAT ACTUAL LIMIT, at_least WHAT ACTUAL LIMIT
less_than() {
  (($2 < $3)) || fail "$1 is $2 and should be less than $3"
  passed "$1 is $2, less than $3"
}
at_least() {
  (($2 >= $3)) || fail "$1 is $2 and should be at least $3"
  passed "$1 is $2, at least $3"
}

# contains WHAT TEXT PATTERN (a bash regular expression)
contains() {
  [[ $2 =~ $3 ]] || fail "$1 should contain '$3': $2"
  passed "$1 contains '$3'"
}

# succeeds WHAT COMMAND…, fails WHAT COMMAND…
succeeds() {
  local what=$1
  shift
  "$@" || fail "$what"
  passed "$what"
}
fails() {
  local what=$1
  shift
  ! "$@" || fail "$what"
  passed "$what"
}

# eventually SECONDS WHAT COMMAND…
eventually() {
  wait_until "$@" || fail "$2"
  passed "$2"
}

# ---- the usual setting -----------------------------------------------------------------------------------------

# Prepares the test: registry, site, node, and a containerd with our snapshotter in $work/lazy.
begin() {
  need_root
  need_fuse
  need_overlayfs
  [[ -n ${work:-} ]] || temporary_directory work
  start_registry "$images_directory/registry"
  start_site "$work/site"
  begin_node "$work/lazy"
}

# Tests have no opinion on how fast the machine is: nodes wait until a layer is converted, however long that takes, and
# fetch in the background only after the figures of a start have been read.
extra_node_configuration='[wait]
base = "300s"
[background]
quiet = "5s"'

# begin_node DIRECTORY: a node with an empty cache, and its containerd.
begin_node() {
  start_node "$1"
  write_hosts "$1/containerd" _default "http://$site_address"
  start_containerd "$1/containerd" samara "$1/snapshotter.sock"
}

# start_node_again DIRECTORY: after it was stopped; until containerd, which waits a moment between its tries, sees it.
start_node_again() {
  start_node "$1" "$(<"$1/netns")"
  eventually 30 "containerd reaches the node again" \
    ctr --address "$1/containerd/containerd.sock" --namespace k8s.io snapshots --snapshotter samara ls
}

# kill_process PID: no chance to clean up.
kill_process() {
  kill -KILL "$1"
  wait "$1" 2>/dev/null || true
}

# write_htpasswd FILE [NAME]: for a docker-registry that lets in NAME ("me") with the password "hunter2".
write_htpasswd() {
  # shellcheck disable=SC2016  # the dollars are bcrypt's
  echo "${2:-me}:"'$2b$04$.gbEhqZ7Vcrtt8hyYWnudOoTDPOhS3SsJuFpmUkdpiT/ncqyN/PRq' >"$1"
}

# A containerd in $work/ordinary with overlayfs, pulling straight from the registry.
begin_ordinary() {
  write_hosts "$work/ordinary/containerd" "$local_registry" "http://$registry_address"
  start_containerd "$work/ordinary/containerd" overlayfs
}

# What the program of IMAGE printed, started in the containerd of DIRECTORY: run_image DIRECTORY IMAGE [OPTION…] [-- COMMAND…]
run_image() {
  local directory=$1 image=$2
  shift 2
  cri "$directory/containerd" run "$image" "$@" 2>>"$work/cri.log"
}

# mount_image DIRECTORY SNAPSHOTTER IMAGE TARGET: what a container of IMAGE would see, read-only.
mount_image() {
  local directory=$1 snapshotter=$2 image=$3 target=$4 mount_command
  mkdir -p "$target"
  mount_command=$(ctr --address "$directory/containerd/containerd.sock" --namespace k8s.io \
    snapshots --snapshotter "$snapshotter" view --target "$target" "view-$RANDOM$RANDOM" "$(chain_id "$image")")
  eval "$mount_command"
}

# How many of IMAGE's layers the containerd of DIRECTORY has fetched itself.
layers_fetched_by_containerd() {
  local directory=$1 image=$2 digest count=0
  for digest in $(manifest_of "$image" | jq -r '.layers[].digest'); do
    [[ ! -e $directory/containerd/root/io.containerd.content.v1.content/blobs/sha256/${digest#sha256:} ]] ||
      count=$((count + 1))
  done
  printf '%s\n' "$count"
}

tree_of() { python3 "$top/tests/tools/tree_dump.py" "$1"; }

# Asserts that IMAGE looks the same in the lazy node DIRECTORY as under overlayfs in $work/ordinary.
same_tree() {
  local directory=$1 image=$2
  mount_image "$work/ordinary" overlayfs "$image" "$work/tree-ordinary"
  mount_image "$directory" samara "$image" "$work/tree-lazy"
  tree_of "$work/tree-ordinary" >"$work/ordinary.tree"
  tree_of "$work/tree-lazy" >"$work/lazy.tree"
  umount "$work/tree-ordinary" "$work/tree-lazy"
  at_least "the number of files" "$(wc -l <"$work/ordinary.tree")" 1000
  cmp -s "$work/ordinary.tree" "$work/lazy.tree" ||
    fail "the trees differ: $(diff "$work/ordinary.tree" "$work/lazy.tree" | head -n 20)"
  passed "$(wc -l <"$work/lazy.tree") files of $image are equal to those under overlayfs"
}

# status_of DIRECTORY: what `samara status` says of that node.
status_of() { "$build_directory/apps/samara" status --address "unix://$1/node.sock" --json; }

# Every layer that the node in DIRECTORY has is here to the last chunk.
node_is_complete() {
  status_of "$1" | jq -e '.layers | length > 0 and all(.attached and .chunks_present == .chunks_total)'
}
