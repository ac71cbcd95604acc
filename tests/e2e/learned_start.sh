#!/usr/bin/env bash
# What a container reads while it starts is learned, told to the site, and fetched ahead by the next node that pulls the
# image. A trace that is wrong delays nobody and is forgotten.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

extra_node_configuration='[wait]
base = "300s"
[background]
fetch = false
[traces]
settle = "1s"'
begin
image=$(image_of python)
trace() { "$build_directory/apps/samara" trace --address "unix://$work/$1/node.sock" --json samara/python; }
has_learned() { trace "$1" | jq -e --argjson starts "$2" '.[0].starts >= $starts'; }
learned_chunks() { trace "$1" | jq '.[0].chunks | length'; }
site_trace() { curl -sf "http://$site_address/samara/v1/traces/$(chain_id "$image")"; }
site_has_heard_of() { site_trace | grep -qx "starts $1"; }
# chunks_fetched NODE CLASS: since the node's start.
chunks_fetched() {
  curl -sf "http://$(node_address "$work/$1")/metrics" |
    awk -v class="class=\"$2\"" '/^samara_chunks_total/ && /source="site"/ && index($0, class) { n += $NF } END { print n + 0 }'
}

# The first node knows nothing.
equal "what the first node prints" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
eventually 60 "the first node learns" has_learned lazy 1
first=$(learned_chunks lazy) blocking=$(chunks_fetched lazy blocking)
at_least "the number of chunks that it learned" "$first" 10
equal "the chunks that a trace had fetched so far" "$(chunks_fetched lazy trace)" 0
eventually 30 "the site hears of it" site_has_heard_of 1
contains "what a person sees" "$("$build_directory/apps/samara" trace --address "unix://$work/lazy/node.sock" samara/python)" \
  'learned from 1 start'

# The second node has it from the site.
begin_node "$work/second"
equal "what the second node prints" "$(run_image "$work/second" "$image")" "$(output_of python)"
at_least "the chunks that the trace had fetched" "$(chunks_fetched second trace)" $((first / 2))
less_than "the chunks that the container waited for" "$(chunks_fetched second blocking)" $((blocking / 2))
eventually 60 "the second node learns" has_learned second 2
eventually 30 "the site hears of it too" site_has_heard_of 2
less_than "what is known after it" "$(learned_chunks second)" $((first * 3 / 2))

# Somebody tells nonsense: that the start reads what it doesn't.
layers=$(site_trace | sed -n 's/^layers //p')
useless=0:0-40
succeeds "a made-up start is taken" curl -sf -X POST -o /dev/null \
  "http://$site_address/samara/v1/traces/$(chain_id "$image")?layers=$layers&read=$useless&unused="
fails "one with chunks that aren't there is not" curl -sf -X POST -o /dev/null \
  "http://$site_address/samara/v1/traces/$(chain_id "$image")?layers=$layers&read=0:4000000000&unused="
for node in third fourth; do
  begin_node "$work/$node"
  equal "what the $node node prints" "$(run_image "$work/$node" "$image")" "$(output_of python)"
  eventually 60 "it learns" has_learned "$node" 4
done
eventually 30 "the site has heard of all" site_has_heard_of 5
less_than "the chunks that are known after two starts without them" "$(learned_chunks fourth)" "$(learned_chunks third)"
