#!/usr/bin/env bash
# Two nodes of a site read from each other: while the site is there each brings a part, and without it the second node
# gets all of an image from the first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# neighbours_configuration: nothing comes but what somebody reads, and each node serves the others on a port of its own.
neighbours_configuration() {
  cat <<TOML
[wait]
base = "300s"
[background]
fetch = false
[neighbours]
enabled = true
listen = "127.0.0.1:$(free_port)"
TOML
}

# bytes_from DIRECTORY SOURCE: what the node fetched from there.
bytes_from() {
  curl -sf "http://$(node_address "$1")/metrics" |
    awk -v source="source=\"$2\"" '/^samara_fetched_bytes_total/ && index($0, source) { sum += $NF } END { printf "%d\n", sum }'
}

image=$(image_of python)
extra_node_configuration=$(neighbours_configuration)
begin
begin_ordinary
extra_node_configuration=$(neighbours_configuration)
begin_node "$work/second"

for node in lazy second; do
  cri "$work/$node/containerd" pull "$pause_image"
  equal "the output on $node" "$(run_image "$work/$node" "$image" --first-output)" "$(output_of python)"
done
at_least "what the second node read from the first" "$(bytes_from "$work/second" neighbours)" $((1 << 20))
less_than "what the second node read from the site" "$(bytes_from "$work/second" site)" "$(bytes_from "$work/lazy" site)"
sent=$(node_metric "$work/lazy" samara_neighbour_sent_bytes_total)
at_least "what the first node gave" "$sent" $((1 << 20))

run_image "$work/ordinary" "$image" --first-output >/dev/null
same_tree "$work/lazy" "$image"  # reads every byte
stop_site "$work/site"
same_tree "$work/second" "$image"
at_least "what the first node gave without the site" \
  $(($(node_metric "$work/lazy" samara_neighbour_sent_bytes_total) - sent)) $((16 << 20))

stranger=$(curl -s -o /dev/null -w '%{http_code}' -H 'Range: bytes=0-9' \
  "http://$(sed -n 's/^listen = "\(127.*\)"/\1/p' "$work/lazy/node.toml" | tail -n 1)/samara/v1/objects/sha256:$(printf '%064d' 0)")
equal "the answer to a stranger" "$stranger" 403
