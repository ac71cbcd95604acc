#!/usr/bin/env bash
# Two nodes of a site with a swarm: what a container waits for comes by HTTP, the rest of its image through the swarm,
# and the second node has it from the first too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

swarm_configuration='[swarm]
enabled = true
listen = "127.0.0.1:0"'
extra_site_configuration+=$'\n'$swarm_configuration
extra_node_configuration+=$'\n'$swarm_configuration

# swarm_bytes DIRECTORY: what the node got through the swarm since it was started.
swarm_bytes() {
  curl -sf "http://$(node_address "$1")/metrics" |
    awk '/^samara_fetched_bytes_total{source="swarm"}/ { sum += $NF } END { printf "%d\n", sum }'
}

image=$(image_of python)
begin
begin_ordinary
begin_node "$work/second"
size=$(image_bytes "$image")

for node in lazy second; do
  cri "$work/$node/containerd" pull "$pause_image"
  equal "the output on $node" "$(run_image "$work/$node" "$image" --first-output)" "$(output_of python)"
  eventually 120 "the background fetch of $node" node_is_complete "$work/$node"
  at_least "what came through the swarm to $node" "$(swarm_bytes "$work/$node")" $((size / 4))
done
run_image "$work/ordinary" "$image" --first-output >/dev/null
same_tree "$work/second" "$image"
at_least "what the first node gave" "$(metric "$(node_address "$work/lazy")" samara_swarm_sent_bytes_total)" 1

# Restarted, both nodes share what they have again, and containers need no fetch.
stop_process "$site_pid" samara-site
stop_node "$work/second"
start_node_again "$work/second"
equal "the output after a restart, without the site" "$(run_image "$work/second" "$image" --no-pull)" "$(output_of python)"
equal "the bytes fetched since the restart" "$(node_fetched_bytes "$work/second")" 0
