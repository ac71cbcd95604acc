#!/usr/bin/env bash
# `samara node setup` makes a containerd take its snapshots from the node: nothing else changes, nothing changes the
# second time, and all of it can be undone.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root
need_fuse
need_overlayfs
temporary_directory work
start_registry "$images_directory/registry"
start_site "$work/site"
start_node "$work/lazy"
directory=$work/lazy/containerd config=$work/lazy/containerd/config.toml
setup() { "$build_directory/apps/samara" node setup --config "$config" --snapshotter "$work/lazy/snapshotter.sock" "$@"; }

# A containerd that was set up for overlayfs.
write_hosts "$directory" _default "http://$site_address"
start_containerd "$directory" overlayfs
cp "$config" "$work/before.toml"
contains "what it would change" "$(setup --print)" '\+\[proxy_plugins.samara\]'
succeeds "--print writes nothing" cmp "$config" "$work/before.toml"
contains "what it changes" "$(setup)" '\+ *snapshotter = "samara"'
contains "what it changes the second time" "$(setup)" 'unchanged'
succeeds "containerd understands it" containerd --config "$config" config dump >"$work/dump.toml"
contains "the snapshotter in it" "$(grep -m1 ' snapshotter = ' "$work/dump.toml")" 'samara'

stop_process "$(<"$directory/pid")" containerd
start_process containerd "$directory/log" containerd --config "$config"
echo "$started" >"$directory/pid"
wait_ready "$started" containerd "$directory/log" containerd_answers "$directory"
equal "the output of an image" "$(run_image "$work/lazy" "$(image_of node)")" "$(output_of node)"
at_least "the layers that are lazy" "$(status_of "$work/lazy" | jq '.layers | length')" 2

printf '\n[debug]\n  level = "info"\n' >>"$config"
contains "what --undo takes back" "$(setup --undo)" '\-\[proxy_plugins.samara\]'
equal "what is left" "$(diff "$work/before.toml" "$config" | grep -c '^[<>]')" 3
contains "what it takes back the second time" "$(setup --undo)" 'unchanged'

# Debian's own defaults, as `containerd config default` writes them.
containerd config default >"$config"
contains "what changes in the defaults" "$(setup)" 'disable_snapshot_annotations = false'
setup --undo >/dev/null
containerd config default | succeeds "nothing is left of it" cmp - "$config"
