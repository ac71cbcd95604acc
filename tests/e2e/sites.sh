#!/usr/bin/env bash
# A centre and two edge sites behind thin links: containers start at the edges while the image still comes, each byte
# crosses each link once, however often the link is cut and the site killed meanwhile, and what has come needs no link.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/sites_lib.sh"

# blob_of_edge N BLOB: its SHA-256, as the edge gives it.
blob_of_edge() { printf 'sha256:%s\n' "$(edge_get "$1" "/samara/v1/objects/$2" | sha256sum | cut -d' ' -f1)"; }

need_root
need_fuse
need_overlayfs
temporary_directory work
sites_network 2 200mbit
swarm_configuration='[swarm]
enabled = true'
extra_site_configuration=$swarm_configuration start_centre
image=$(image_of python)
begin_ordinary_in_centre
site_layers "$centre_address" "$centre_host" "$image" >"$work/layers"
wanted=$(awk '{ sum += $4 + $5 } END { print sum }' "$work/layers")

# The first start at an edge, whose link is cut in the middle.
start_edge 1
begin_edge_node "$work/first" 1
cri "$work/first/containerd" pull "$pause_image"
equal "the output at the edge" "$(run_image "$work/first" "$image" --first-output)" "$(output_of python)"
eventually 60 "a part of the image has come" has_come_to 1 $((wanted / 4))
cut_link 1
before=$(link_payload 1)
less_than "what had come when the link was cut" "$before" "$wanted"
equal "the output with the link cut" "$(run_image "$work/first" "$image" --no-pull --first-output)" "$(output_of python)"

# Killed while the link is cut: what has come is still there.
before=$(link_payload 1)
kill_process "$(<"$work/edge1/pid")"
start_edge 1
equal "the output with the link cut and the site started again" \
  "$(run_image "$work/first" "$image" --no-pull --first-output)" "$(output_of python)"
mend_link 1
eventually 120 "all has come to the first edge" edge_has_all 1
after=$(link_payload 1)
less_than "what crossed the first link" "$((before + after))" $((wanted * 102 / 100))
at_least "what crossed the first link after the restart" "$after" 1
equal "layers that the first edge converted itself" \
  "$(edge_get 1 /metrics | awk '/^samara_site_layers_total{result="converted"}/ { print $2 }')" 0
mapfile -t blobs < <(awk '{ print $3 }' "$work/layers")
for blob in "${blobs[@]}"; do equal "the bytes at the first edge" "$(blob_of_edge 1 "$blob")" "$blob"; done

# A second node there needs the link for nothing, whether it is there or not.
cut_link 1
before=$(link_payload 1)
begin_edge_node "$work/second" 1
equal "the output on a second node" "$(run_image "$work/second" "$image" --first-output)" "$(output_of python)"
equal "what that took of the link" "$(link_payload 1)" "$before"

# Another edge has it all once too, and passes it on by a swarm of its own; what is on the nodes is what a registry gave.
start_edge 2 "$swarm_configuration"
extra_node_configuration+=$'\n'$swarm_configuration
begin_edge_node "$work/third" 2
cri "$work/third/containerd" pull "$pause_image"
equal "the output at the second edge" "$(run_image "$work/third" "$image" --first-output)" "$(output_of python)"
eventually 120 "all has come to the second edge" edge_has_all 2
less_than "what crossed the second link" "$(link_payload 2)" $((wanted * 102 / 100))
eventually 120 "the background fetch at the second edge" node_is_complete "$work/third"
at_least "what came to the node by the swarm" "$(swarm_bytes_of "$work/third" "${edge_hosts[2]}")" $((wanted / 4))
contains "what samara swarm says" \
  "$(in_namespace "${edge_hosts[2]}" "$build_directory/apps/samara" swarm --address "http://$(node_address "$work/third")")" \
  "from swarm +background"
contains "what samara links says" \
  "$(in_namespace "${edge_hosts[2]}" "$build_directory/apps/samara" links --site "http://$(edge_address 2)")" "parent: up since"
run_image "$work/ordinary" "$image" --first-output >/dev/null
for node in first second third; do same_tree "$work/$node" "$image"; done
