#!/usr/bin/env bash
# A site and two nodes whose swarm shows certificates: the nodes find each other through a tracker behind HTTPS, get the
# image from each other too, and whoever speaks to them in the clear or without a certificate of theirs hears nothing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/e2e/certificates.sh"

begin_site_with_certificates() {
  seed=127.0.0.1:$(free_port)
  start_site_with_certificates "[swarm]
enabled = true
listen = \"$seed\""
}

begin_certified_node() {
  begin_certified "$1" "DNS:$1,IP:127.0.0.1,DNS:samara-swarm" '[swarm]
enabled = true
listen = "127.0.0.1:0"'
}

swarm_bytes() {
  curl -sf "http://$(node_address "$work/$1")/metrics" |
    awk '/^samara_fetched_bytes_total{source="swarm"}/ { sum += $NF } END { printf "%d\n", sum }'
}

greeting() { printf '\x13BitTorrent protocol\0\0\0\0\0\0\0\x10%40s' ''; }

# heard_in_the_clear, heard_with OPTION…: whether the site's swarm answers whoever greets as BitTorrent does (BEP 3), in the
# clear or over TLS with those options of s_client: 1, else 0.
heard_in_the_clear() (
  exec 3<>"/dev/tcp/${seed/://}"
  greeting >&3
  timeout 5 head -c 68 <&3 | grep -c 'BitTorrent protocol' || true
)
heard_with() {
  { greeting; timeout 5 tail -f /dev/null; } | openssl s_client -quiet -connect "$seed" "$@" 2>/dev/null |
    grep -c 'BitTorrent protocol' || true
}

need_root
need_fuse
need_overlayfs
temporary_directory work
make_authorities
issue "$ca" site "DNS:localhost,IP:127.0.0.1,DNS:samara-swarm"
issue "$work/strangers" one "DNS:samara-swarm"
start_registry "$images_directory/registry"
begin_site_with_certificates
begin_certified_node one
begin_certified_node two
begin_ordinary

image=$(image_of python)
size=$(image_bytes "$image")
for node in one two; do
  cri "$work/$node/containerd" pull "$pause_image"
  equal "the output on $node" "$(run_image "$work/$node" "$image" --first-output)" "$(output_of python)"
  eventually 120 "the background fetch of $node" node_is_complete "$work/$node"
  at_least "what came through the swarm to $node" "$(swarm_bytes "$node")" $((size / 4))
done
at_least "what the first node gave" "$(metric "$(node_address "$work/one")" samara_swarm_sent_bytes_total)" 1
shown=$("$build_directory/apps/samara" swarm --address "http://$(node_address "$work/two")")
contains "what is shown of the swarm" "$shown" 'peers, in'
contains "where its bytes came from" "$shown" 'read from '
equal "trackers that refuse" "$(grep -c 'tracker:' <<<"$shown" || true)" 0
run_image "$work/ordinary" "$image" --first-output >/dev/null
same_tree "$work/two" "$image"

equal "greetings that a stranger hears in the clear" "$(heard_in_the_clear)" 0
equal "... that one without a certificate hears" "$(heard_with)" 0
equal "... that one of other authorities hears" \
  "$(heard_with -cert "$work/strangers/one.pem" -key "$work/strangers/one.key")" 0
