#!/usr/bin/env bash
# A disk that is too small for the image: what doesn't fit is read through, not refused.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
begin_ordinary
image=$(image_of python)
run_image "$work/ordinary" "$image" >/dev/null

stop_node "$work/lazy"
cache=$work/lazy/node/cache
mount -t tmpfs -o size=24m tmpfs "$cache"
start_node "$work/lazy"
equal "the output" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
same_tree "$work/lazy" "$image"
less_than "the room left in the cache, in KiB" "$(df --output=avail -k "$cache" | tail -n 1)" 4096
