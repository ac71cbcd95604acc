#!/usr/bin/env bash
# Three sites in a chain: a node at the end has an image through the site in the middle, and everything on the way is killed
# while it comes. A node joins meanwhile. At the end every byte is right, each link has carried each of them once, and a
# start needs no link at all.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/sites_lib.sh"

# total_of N: what the edge's link has carried, by its ledger, which outlives the site.
total_of() { edge_ledger "$1" | jq '[.days[].total] | add'; }
kill_site() { kill_process "$(<"$1/pid")"; }

need_root
need_fuse
need_overlayfs
temporary_directory work
sites_network 2 100mbit
start_centre
image=$(image_of python)
begin_ordinary_in_centre
run_image "$work/ordinary" "$image" --first-output >/dev/null
site_layers "$centre_address" "$centre_host" "$image" >"$work/layers"
wanted=$(awk '{ sum += $4 + $5 } END { print sum }' "$work/layers")
start_edge 1
parent_address=$(edge_address 1)
start_edge 2
begin_edge_node "$work/end" 2
cri "$work/end/containerd" pull "$pause_image"
equal "the output at the end of the chain" "$(run_image "$work/end" "$image" --first-output)" "$(output_of python)"

# All of it is read while the node, both edges and the centre are killed in turn, and started again.
mount_image "$work/end" samara "$image" "$work/view"
tree_of "$work/view" >"$work/read.tree" &
reader=$!
eventually 60 "a part has come to the end" has_come_to 2 $((wanted / 5))
kill_process "$(<"$work/end/pid")"
start_node_again "$work/end"
eventually 60 "more has come" has_come_to 2 $((wanted * 2 / 5))
kill_site "$work/edge1"
start_edge 1
kill_site "$work/edge2"
start_edge 2
kill_site "$work/centre"
start_site "$work/centre" "$centre_ip" "$centre_host"
begin_edge_node "$work/late" 2
equal "the output on a node that joins meanwhile" "$(run_image "$work/late" "$image" --first-output)" "$(output_of python)"
succeeds "the rest is read" wait "$reader"
equal "reads that failed" "$(node_metric "$work/end" samara_fuse_read_errors_total)" 0
umount "$work/view"
mount_image "$work/ordinary" overlayfs "$image" "$work/tree-ordinary"
tree_of "$work/tree-ordinary" >"$work/ordinary.tree"
umount "$work/tree-ordinary"
succeeds "every byte is right" cmp "$work/ordinary.tree" "$work/read.tree"
for edge in 1 2; do
  eventually 120 "all has come to edge $edge" edge_has_all "$edge"
  note "copies across the link of edge $edge: $(awk -v a="$(total_of "$edge")" -v b="$wanted" 'BEGIN { print a / b }')"
  less_than "what has crossed its link" "$(total_of "$edge")" $((wanted * 102 / 100))
  equal "layers that it converted itself" \
    "$(edge_get "$edge" /metrics | awk '/^samara_site_layers_total{result="converted"}/ { print $2 }')" 0
done

# Everything started anew, with every link cut.
eventually 120 "the background fetch at the end" node_is_complete "$work/late"
cut_link 1
cut_link 2
for edge in 1 2; do stop_site "$work/edge$edge"; done
for node in end late; do
  stop_node "$work/$node"
  start_node_again "$work/$node"
done
for edge in 1 2; do start_edge "$edge"; done
for node in end late; do
  equal "the output on $node without any link" "$(run_image "$work/$node" "$image" --no-pull --first-output)" "$(output_of python)"
  same_tree "$work/$node" "$image"
done
