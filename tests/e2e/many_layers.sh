#!/usr/bin/env bash
# An image of 121 layers, each of which changes what those below it say: lazily as unpacked. Their directories don't fit
# into one page of mount options by far, unless their names are short.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly layers=120

need_root
need_fuse
need_overlayfs
temporary_directory work
cp -r --reflink=auto "$images_directory/oci" "$work/layout"
python3 "$top/tests/e2e/many_layers.py" "$work/layout" python "$layers" many
start_registry "$work/registry"
for image in many pause; do
  skopeo copy --quiet --dest-tls-verify=false "oci:$work/layout:$image" "docker://$registry_address/samara/$image:1"
done
start_site "$work/site"
begin_node "$work/lazy"
begin_ordinary

image=$local_registry/samara/many:1
# shellcheck disable=SC2016  # the container's shell is to expand it
look='ls /many | xargs; cat /many/last; cat /many/* | sha256sum; find / -xdev | wc -l'
expected=$(run_image "$work/ordinary" "$image" -- sh -c "$look")
contains "what the unpacked image says" "$expected" "^117 118 119 last
119
"
equal "what the lazy one says" "$(run_image "$work/lazy" "$image" -- sh -c "$look")" "$expected"
equal "the layers that containerd fetched itself" "$(layers_fetched_by_containerd "$work/lazy" "$image")" 0
at_least "the lazy layers" "$(status_of "$work/lazy" | jq '.layers | length')" "$layers"

# The node starts again, with all of them.
kill_process "$(<"$work/lazy/pid")"
start_node_again "$work/lazy"
equal "what it says when the node was killed" "$(run_image "$work/lazy" "$image" --no-pull -- sh -c "$look")" "$expected"
