#!/usr/bin/env bash
# A new version of an image costs what changed in it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
run_image "$work/lazy" "$(image_of python)" >/dev/null
eventually 120 "the background fetch of the first version" node_is_complete "$work/lazy"
first=$(node_fetched_bytes "$work/lazy")

equal "the output of the second version" "$(run_image "$work/lazy" "$(image_of python2)")" "$(output_of python2)"
eventually 120 "the background fetch of the second version" node_is_complete "$work/lazy"

second=$(($(node_fetched_bytes "$work/lazy") - first))
layer=$(manifest_of "$(image_of python2)" | jq '.layers[1].size')
less_than "what all of the second version cost, of a layer of $layer bytes" "$second" $((layer * 3 / 10))
