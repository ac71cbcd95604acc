#!/usr/bin/env bash
# Layers that are tars of every kind that exists: mounted lazily they look as containerd unpacks them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

samara=$build_directory/apps/samara
start=$(date +%s)

in_containerd() { ctr --address "$work/ordinary/containerd/containerd.sock" --namespace odd "$@"; }

# unpacked TAG: containerd's tree of it at $work/theirs/TAG; false when it doesn't unpack it.
unpacked() {
  mkdir -p "$work/theirs/$1"
  in_containerd images mount --snapshotter overlayfs "odd:$1" "$work/theirs/$1" >>"$work/unpack.log" 2>&1
}

# converted TAG: its layers in $work/converted.TAG, and their directories, the uppermost first, in $work/lower.
converted() {
  "$samara" convert "$work/layout:$1" -o "$work/converted.$1" --json >"$work/converted.json" 2>>"$work/convert.log" || return 1
  jq -r '.layers | reverse | .[].directory' "$work/converted.json" >"$work/lower"
}

# Mounts what converted() found, as a container would see it, at $work/ours.
mount_converted() {
  local directory slot lower=$work/empty mounts=()
  mkdir -p "$work/empty" "$work/ours"
  chmod 755 "$work/empty"
  while read -r directory; do
    slot=$work/slot${#mounts[@]}
    mkdir -p "$slot"
    start_process mount "$work/mount.log" "$samara" mount "$directory" "$slot"
    wait_ready "$started" mount "$work/mount.log" mountpoint -q "$slot"
    mounts+=("$started $slot")
    lower=${lower/%$work\/empty/$slot:$work/empty}
  done <"$work/lower"
  mount -t overlay overlay -o "ro,lowerdir=$lower" "$work/ours"
  printf '%s\n' "${mounts[@]}" >"$work/mounts"
}

unmount_converted() {
  local pid slot
  umount "$work/ours"
  while read -r pid slot; do
    stop_process "$pid" "samara mount"
    ! mountpoint -q "$slot" || umount "$slot"
  done <"$work/mounts"
}

# What containerd made of its own accord has the time of the unpacking, which we can't know and show as 0.
without_unpacking_time() { sed -E "s/ ${start:0:5}[0-9]{14} / 0 /"; }

same() {
  unpacked "$1" || fail "containerd doesn't unpack $1: $(tail -n 1 "$work/unpack.log")"
  converted "$1" || fail "$1 isn't converted: $(tail -n 3 "$work/convert.log")"
  mount_converted
  tree_of "$work/theirs/$1" | without_unpacking_time >"$work/theirs.tree"
  tree_of "$work/ours" >"$work/ours.tree"
  umount "$work/theirs/$1"
  unmount_converted
  cmp -s "$work/theirs.tree" "$work/ours.tree" ||
    fail "$1 differs (< containerd, > ours): $(diff "$work/theirs.tree" "$work/ours.tree" | head -n 20)"
  passed "$1: $(wc -l <"$work/ours.tree") lines are the same"
}

need_root
need_fuse
need_overlayfs
temporary_directory work
python3 "$top/tests/e2e/odd_tars.py" "$work"
start_containerd "$work/ordinary/containerd" overlayfs
tar -C "$work/layout" -cf - . | in_containerd images import --no-unpack --base-name odd --all-platforms - >"$work/import.log"

while read -r name expectation; do
  case $expectation in
    same) same "$name" ;;
    refused)
      fails "$name isn't unpacked by containerd" unpacked "$name"
      fails "$name isn't converted" converted "$name"
      ;;
    ours)
      fails "$name isn't unpacked by containerd" unpacked "$name"
      succeeds "$name is converted" converted "$name"
      ;;
    *) fail "$name: what is '$expectation'?" ;;
  esac
done <"$work/cases"
