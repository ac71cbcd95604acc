#!/usr/bin/env bash
# A full disk: what can't be kept is read through, not refused; once there is room again, everything is as before.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

free_kib() { df --output=avail -k "$work/lazy/node" | tail -n 1; }

begin_small_disk() {
  need_root
  temporary_directory work
  mkdir -p "$work/lazy/node"
  mount -t tmpfs -o size=512m tmpfs "$work/lazy/node"
  begin
}

begin_small_disk
image=$(image_of python)
read -r _ container < <(run_image "$work/lazy" "$image" --detach -- sleep infinity)
fails "there is room left" dd if=/dev/zero of="$work/lazy/node/filler" bs=64k status=none
less_than "the room left, in KiB" "$(free_kib)" 256

equal "the output" "$(cri "$work/lazy/containerd" exec "$container" -- python3 /srv/hello.py)" "$(output_of python)"
cri "$work/lazy/containerd" exec "$container" -- find / -xdev -type f -exec sha256sum {} + >"$work/full.sums"
at_least "the number of files read" "$(wc -l <"$work/full.sums")" 10000
succeeds "samara-node is up" is_ready "$(node_address "$work/lazy")"

rm "$work/lazy/node/filler"
cri "$work/lazy/containerd" exec "$container" -- find / -xdev -type f -exec sha256sum {} + >"$work/roomy.sums"
succeeds "the files read from a full disk are the same" cmp "$work/full.sums" "$work/roomy.sums"
equal "the output of another container" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
eventually 120 "the background fetch" node_is_complete "$work/lazy"
