#!/usr/bin/env bash
# What a kubelet does to a node: many pods of one image at once from a cold cache, the image removed and pulled again,
# and a pod that writes more into its own layer than the image has bytes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly pods=${PODS:-20}

lazy_snapshots() {
  ctr --address "$work/lazy/containerd/containerd.sock" --namespace k8s.io snapshots --snapshotter samara ls | tail -n +2 | wc -l
}
# Layers in the node's mount.
mounted_layers() { status_of "$work/lazy" | jq ".layers | length"; }
only_pause_is_left() { (($(mounted_layers) <= pause_layers)); }

image=$(image_of python)
begin
cri "$work/lazy/containerd" pull "$pause_image"
pause_snapshots=$(lazy_snapshots) pause_layers=$(mounted_layers)

# All at once, from nothing.
pids=()
for ((i = 0; i < pods; i++)); do
  run_image "$work/lazy" "$image" >"$work/pod-$i" &
  pids+=($!)
done
for ((i = 0; i < pods; i++)); do
  wait "${pids[i]}" || fail "pod $i of $pods at once"
  [[ $(<"$work/pod-$i") == "$(output_of python)" ]] || fail "pod $i printed '$(<"$work/pod-$i")'"
done
passed "$pods pods at once print what they should"
# Chunks come once, whoever asks; what the image has is the most that they can cost.
less_than "what they fetched" "$(node_fetched_bytes "$work/lazy")" "$(image_bytes "$image")"

# A pod that writes, and doesn't find what an earlier one wrote.
writes='import os, sys
if os.path.exists("/written"): sys.exit("found what another pod wrote")
block = os.urandom(1 << 20)
with open("/written", "wb") as file:
    for _ in range(256): file.write(block)
with open("/etc/passwd", "ab") as file: file.write(b"appended")
print(os.path.getsize("/written"))'
for pod in first second; do
  equal "what the $pod pod wrote" "$(run_image "$work/lazy" "$image" --no-pull -- python3 -c "$writes")" $((256 << 20))
done
equal "the output after that" "$(run_image "$work/lazy" "$image" --no-pull)" "$(output_of python)"

# Image garbage collection, and the image again.
cri "$work/lazy/containerd" rmi "$image"
eventually 60 "the image's layers leave the mount" only_pause_is_left
equal "the snapshots that are left" "$(lazy_snapshots)" "$pause_snapshots"
before=$(node_fetched_bytes "$work/lazy")
equal "the output once it is pulled again" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
less_than "what pulling it again fetched" $(($(node_fetched_bytes "$work/lazy") - before)) $(($(image_bytes "$image") / 10))
