#!/usr/bin/env bash
# Two samara-sites of one edge, behind one thin link: together they bring each byte once, whichever of them nodes ask. One
# of them is killed in the middle, and the other goes on for both.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/sites_lib.sh"

# start_sibling NAME: one of the two, in the edge's namespace.
start_sibling() {
  extra_site_configuration=$(edge_configuration '[parent.siblings]' "urls = [$(toml_strings "${site_urls[@]}")]" \
    "self = \"http://$(<"$work/$1/address")\"") start_site "$work/$1" "$(edge_ip 1)" "${edge_hosts[1]}"
}
of() { metric "$(<"$work/$1/address")" "$2" "${edge_hosts[1]}"; }
payload() { echo $(($(of left samara_link_bytes_total) + $(of right samara_link_bytes_total))); }
has_all() { [[ $(of "$1" samara_site_conversions) == 0 && $(of "$1" samara_site_arriving_blobs) == 0 ]]; }
has_crossed() { (($(payload) > $1)); }
both_have_all() { has_all left && has_all right; }
# layers_at NAME IMAGE: as nodes would ask it.
layers_at() { site_layers "$(<"$work/$1/address")" "${edge_hosts[1]}" "$2"; }
blob_at() {
  printf 'sha256:%s\n' "$(in_namespace "${edge_hosts[1]}" curl -sf "http://$(<"$work/$1/address")/samara/v1/objects/$2" | sha256sum | cut -d' ' -f1)"
}
has_right_blobs() {
  local blob
  while read -r _ _ blob _; do equal "a blob at the $1 one" "$(blob_at "$1" "$blob")" "$blob"; done <"$2"
}
bytes_of() { awk '{ sum += $4 + $5 } END { print sum }' "$1"; }

need_root
need_fuse
need_overlayfs
temporary_directory work
sites_network 1 100mbit
start_centre
first=$(image_of python) second=$(image_of node)
for name in left right; do
  mkdir -p "$work/$name"
  echo "$(edge_ip 1):$(free_port)" >"$work/$name/address"
  site_urls+=("http://$(<"$work/$name/address")")
done
for name in left right; do start_sibling "$name"; done
begin_ordinary_in_centre
for image in "$first" "$second"; do run_image "$work/ordinary" "$image" --first-output >/dev/null; done
site_layers "$centre_address" "$centre_host" "$first" >"$work/first.layers"
wanted=$(bytes_of "$work/first.layers")

# A node asks the one, other nodes the other: each byte crosses once.
received=$(received_by "${edge_hosts[1]}")
start_node "$work/node" "${edge_hosts[1]}"
write_hosts "$work/node/containerd" _default "${site_urls[0]}"
start_containerd "$work/node/containerd" samara "$work/node/snapshotter.sock" "${edge_hosts[1]}"
cri "$work/node/containerd" pull "$pause_image"
equal "the output at the edge" "$(run_image "$work/node" "$first" --first-output)" "$(output_of python)"
layers_at right "$first" >/dev/null
eventually 120 "both have all of it" both_have_all
same_tree "$work/node" "$first"
for name in left right; do has_right_blobs "$name" "$work/first.layers"; done
note "copies of what both needed: $(awk -v a="$(payload)" -v b="$wanted" 'BEGIN { print a / b }')"
less_than "what both have brought" "$(payload)" $((wanted * 102 / 100))
less_than "what came by the wire" $(($(received_by "${edge_hosts[1]}") - received)) $((wanted * 108 / 100 + (4 << 20)))
for name in left right; do at_least "what the $name one brought" "$(of "$name" samara_link_bytes_total)" 1; done

# The right one is killed while another image comes.
site_layers "$centre_address" "$centre_host" "$second" >"$work/second.layers"
before=$(payload)
cri "$work/node/containerd" pull "$second"
eventually 60 "a part of it has come" has_crossed $((before + $(tail -n 1 "$work/second.layers" | cut -d' ' -f5) / 4))
lost=$(of right samara_link_bytes_total)
kill_process "$(<"$work/right/pid")"
equal "the output with the other one" "$(run_image "$work/node" "$second" --no-pull --first-output)" "$(output_of node)"
same_tree "$work/node" "$second"
eventually 120 "all has come" has_all left
has_right_blobs left "$work/second.layers"
start_sibling right
layers_at right "$second" >/dev/null
eventually 120 "the one that was killed has all of it too" has_all right
has_right_blobs right "$work/second.layers"
note "copies of what one brought that was killed: $(awk -v a=$(($(payload) + lost - before)) -v b="$(tail -n 1 "$work/second.layers" | cut -d' ' -f5)" 'BEGIN { print a / b }')"
