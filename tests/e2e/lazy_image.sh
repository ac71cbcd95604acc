#!/usr/bin/env bash
# usage: lazy_image.sh python|node|java: a real image from the registry to a running container, lazily.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

name=$1 image=$(image_of "$1")
extra_node_configuration=${extra_node_configuration/quiet = */fetch = false}
begin
begin_ordinary
size=$(image_bytes "$image")

# The first container of an image that nobody has pulled before.
cri "$work/lazy/containerd" pull "$pause_image"
before=$(node_fetched_bytes "$work/lazy")
equal "the output" "$(run_image "$work/lazy" "$image" --first-output)" "$(output_of "$name")"
equal "the number of its layers that containerd fetched itself" "$(layers_fetched_by_containerd "$work/lazy" "$image")" 0
less_than "the bytes fetched when it answered" $(($(node_fetched_bytes "$work/lazy") - before)) $((size * 6 / 10))

# The rest arrives behind it, once it may, and what is there then is the image.
stop_node "$work/lazy"
sed -i 's/^fetch = false/fetch = true/' "$work/lazy/node.toml"
start_node_again "$work/lazy"
eventually 120 "the background fetch" node_is_complete "$work/lazy"
run_image "$work/ordinary" "$image" --first-output >/dev/null
same_tree "$work/lazy" "$image"

# From here on nothing is fetched again, whatever stops and starts.
before=$(node_fetched_bytes "$work/lazy")
equal "the output of a second container" "$(run_image "$work/lazy" "$image")" "$(output_of "$name")"
equal "the bytes fetched by then" "$(node_fetched_bytes "$work/lazy")" "$before"

stop_process "$site_pid" samara-site
stop_node "$work/lazy"
start_node_again "$work/lazy"
equal "the output without site and after a restart" "$(run_image "$work/lazy" "$image" --no-pull)" "$(output_of "$name")"
equal "the bytes fetched since the restart" "$(node_fetched_bytes "$work/lazy")" 0
same_tree "$work/lazy" "$image"
