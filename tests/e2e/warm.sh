#!/usr/bin/env bash
# An image is warmed on three nodes before anybody asks for it; then every link is cut and containers start from what is
# there. On the way the seed is started anew, a node is killed, and a node comes later.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"

extra_node_configuration='[background]
fetch = false
[traces]
settle = "1s"'
start_registry "$images_directory/registry"
start_site "$work/site"
image=$(image_of python)

# What can be known is told before anything begins.
fails "a warm job without nodes is refused" samara warm "${seed[@]}" "$image"
begin_warm_node "$work/one"
begin_warm_node "$work/two"
eventually 30 "both nodes are heard of" has_nodes 2
contains "what a wrong selector gets" "$(samara warm "${seed[@]}" "$image" --nodes zone=nowhere 2>&1 || true)" 'none of the 2 nodes is meant'
contains "what an unknown site gets" "$(samara warm "${seed[@]}" "$image" --site moon 2>&1 || true)" 'no site "moon"'
contains "what an unknown image gets" "$(samara warm "${seed[@]}" "$local_registry/samara/nothing:1" --wait 2>&1 || true)" "samara/nothing"
contains "what a platform that isn't there gets" "$(samara warm "${seed[@]}" "$image" --platform linux/s390x --wait 2>&1 || true)" 'no image for linux/s390x'
contains "what a seed that is away gets" "$(samara warm --seed "unix://$work/nothing.sock" "$image" 2>&1 || true)" 'no seed answers'
contains "what a trace that nobody knows gets" "$(samara warm "${seed[@]}" "$image" --level trace --wait 2>&1 || true)" "isn't known here yet"

# A plan moves nothing.
plan=$(samara warm "${seed[@]}" "$image" --plan --json)
equal "the state of a plan" "$(jq -r .state <<<"$plan")" planned
at_least "the bytes that both nodes lack" "$(jq .estimate.to_nodes <<<"$plan")" $((10 << 20))
equal "what the first node has fetched after it" "$(node_fetched_bytes "$work/one")" 0

# The seed goes away in the middle, and a node comes later.
job=$(samara warm "${seed[@]}" "$image" --level full --pin 24h)
stop_site "$work/site"
start_site "$work/site"
begin_warm_node "$work/three"
samara job watch "${seed[@]}" "$job" || fail "the job ends well after the seed was started anew: $(samara job show "${seed[@]}" "$job")"
eventually 60 "the third node is heard of" has_nodes 3
eventually 120 "the third node is warmed too" verified_on "$job" 3
eventually 30 "the job is done" is_in_state "$job" "done"

# Another image; a node is killed meanwhile, and told.
kill_process "$(<"$work/three/pid")"
other=$(samara warm "${seed[@]}" "$(image_of node)" --level index --nodes 'name=one|three')
eventually 180 "the job whose node was killed ends" is_in_state "$other" failed
contains "why" "$(samara job show "${seed[@]}" "$other")" 'three.*not heard of for'
start_node_again "$work/three"
eventually 120 "the node that is back is warmed" is_in_state "$other" "done"

# Launch proof.
cri "$work/one/containerd" pull "$pause_image"
cri "$work/three/containerd" pull "$pause_image"
stop_site "$work/site"
stop_process "$registry_pid" docker-registry
for node in one three; do
  before=$(node_fetched_bytes "$work/$node")
  for start in 1 2 3; do
    equal "what container $start on $node prints without any link" "$(run_image "$work/$node" "$image")" "$(output_of python)"
  done
  equal "the bytes that $node fetched for them" "$(node_fetched_bytes "$work/$node")" "$before"
done
