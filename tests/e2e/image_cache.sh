#!/usr/bin/env bash
# The images in the caches of a node and its site, as a person looks at them, pins them and takes them away.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"

extra_node_configuration='[background]
fetch = false'
start_registry "$images_directory/registry"
start_site "$work/site"
begin_warm_node "$work/one"
eventually 30 "the node is heard of" eval 'has_nodes 1'
first=$(image_of python) second=$(image_of python2)
node=(--address "unix://$work/one/node.sock")
site=(--address "http://$site_address")

# image_json WHERE NAME FILTER: of what `samara image show` says; WHERE is "node" or "site".
image_json() {
  local -n where=$1
  samara image show "${where[@]}" --json "$2" | jq -r "$3"
}
lists() {
  local -n where=$1
  samara image ls "${where[@]}" --json | jq -r '.images[].name' | grep -qxF "$2"
}
says() { contains "what it says" "$("${@:2}" 2>&1 || true)" "$1"; }

contains "what an empty node has" "$(samara image ls "${node[@]}")" 'no images'
succeeds "both images are warmed" samara warm "${seed[@]}" "$first" "$second" --level full --wait

# What is here, how complete, shared with what.
for where in node site; do
  for image in "$first" "$second"; do
    succeeds "the $where lists $image" lists $where "$image"
    equal "whether all of it is here" "$(image_json $where "$image" .complete)" true
    at_least "what it shares with the other" "$(image_json $where "$image" .bytes_shared)" 1000000
    at_least "layers that both have" "$(image_json $where "$image" '[.layers[] | select(.shared_with | length > 0)] | length')" 1
    at_least "when it was used" "$(image_json $where "$image" .last_use)" "$(($(date +%s) - 3600))"
  done
  contains "an image that isn't there" "$(image_json $where nothing:1 .name 2>&1 || true)" 'no image "docker.io/library/nothing:1"'
done
contains "a line of the list" "$(samara image ls "${node[@]}" python:1)" "$first +100%"

# A pin, who made it and until when; it outlives a restart, and nothing takes what it keeps.
succeeds "the first image is pinned" samara image pin "${node[@]}" "$first" --for 1h --reason 'a nightly batch'
stop_node "$work/one"
start_node_again "$work/one"
contains "whose pin it is after a restart" "$(image_json node "$first" '.pins[0].reason')" '@.*: a nightly batch'
at_least "until when" "$(image_json node "$first" '.pins[0].expires')" "$(($(date +%s) + 3000))"
fails "a pinned image isn't removed" samara image rm "${node[@]}" "$first"
says 'is pinned as' samara image rm "${node[@]}" "$first"
says "would keep $first: pinned" samara image prune "${node[@]}" --unused-for 0s --plan
says 'no image' samara image rm "${node[@]}" "$local_registry/samara/nothing:1"
fails "an age that isn't one is refused" samara image prune "${node[@]}" --unused-for yesterday

# The other one goes: first a plan, then really; what the first needs stays.
before=$(du -sB1 "$work/one/node/objects" | cut -f1)
planned=$(samara image prune "${node[@]}" --unused-for 0s --plan --json | jq .bytes)
at_least "what would become free" "$planned" 1000000
succeeds "a plan removes nothing" lists node "$second"
equal "what is removed" "$(samara image prune "${node[@]}" --unused-for 0s --json | jq -r '.images[]')" "$second"
freed=$((before - $(du -sB1 "$work/one/node/objects" | cut -f1)))
at_least "what became free, in 1/100 of the plan" "$((freed * 100 / planned))" 90
fails "it isn't listed any more" lists node "$second"
equal "whether all of the first is here" "$(image_json node "$first" .complete)" true
equal "what it shares now" "$(image_json node "$first" .bytes_shared)" 0

# ... so that it starts with every link cut; then a container uses it.
cri "$work/one/containerd" pull "$pause_image"
stop_site "$work/site"
succeeds "the pin is taken off" samara image unpin "${node[@]}" "$first"
says 'no pin of' samara image unpin "${node[@]}" "$first"
equal "what it prints without the site" "$(run_image "$work/one" "$first")" "$(output_of python)"
says 'is in use by snapshots of containerd' samara image rm "${node[@]}" "$first"
start_site "$work/site"

# The site's. What it removed is fetched again when somebody asks.
succeeds "the second image is removed from the site" samara image rm "${site[@]}" "$second"
fails "the site doesn't list it any more" lists site "$second"
equal "whether the site has all of the first" "$(image_json site "$first" .complete)" true
succeeds "the site pins the first" samara image pin "${site[@]}" "$first"
says 'is pinned as' samara image rm "${site[@]}" "$first"
says "would keep $first" samara image prune "${site[@]}" --unused-for 0s --plan
eventually 60 "the site that was started anew hears of the node" has_nodes 1
succeeds "the second image is warmed again" samara warm "${seed[@]}" "$second" --level full --wait
succeeds "the site has it again" lists site "$second"

# What a person types.
contains "the completion" "$(samara completion bash)" "'samara image prune'\) words='[^']*--unused-for"
samara man "$work/man"
for page in image image-ls image-show image-pin image-unpin image-rm image-prune; do
  at_least "the lines of samara-$page(1)" "$(man -l "$work/man/samara-$page.1" 2>/dev/null | wc -l)" 10
done
