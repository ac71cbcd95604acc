#!/usr/bin/env bash
# Neighbours with certificates: nodes show theirs to the site and to each other, and whoever has none, or one of somebody
# else's authority, gets nothing, ticket or not.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/e2e/certificates.sh"

# begin_certified_node NAME: its neighbours' address is in $neighbour afterwards.
begin_certified_node() {
  neighbour=127.0.0.1:$(free_port)
  begin_certified "$1" "DNS:$1,IP:127.0.0.1" "[background]
fetch = false
[neighbours]
enabled = true
listen = \"$neighbour\""
}

bytes_from() {
  curl -sf "http://$(node_address "$1")/metrics" |
    awk -v source="source=\"$2\"" '/^samara_fetched_bytes_total/ && index($0, source) { sum += $NF } END { printf "%d\n", sum }'
}

# answer CURL_OPTION…: what the first node says to a request for a blob; "none" when there is no connection.
answer() {
  curl -s --max-time 10 --cacert "$ca/ca.pem" -H 'Range: bytes=0-9' "$@" \
    "https://$first/samara/v1/objects/sha256:$(printf '%064d' 0)" || echo none
}

need_root
need_fuse
need_overlayfs
temporary_directory work
make_authorities
issue "$work/strangers" one
start_registry "$images_directory/registry"
start_site_with_certificates ""
begin_certified_node one
first=$neighbour
begin_certified_node two
begin_ordinary

image=$(image_of python)
for node in one two; do
  equal "the output on $node" "$(run_image "$work/$node" "$image" --first-output)" "$(output_of python)"
done
at_least "what the second node read from the first" "$(bytes_from "$work/two" neighbours)" $((1 << 20))
run_image "$work/ordinary" "$image" --first-output >/dev/null
same_tree "$work/one" "$image" # reads every byte
stop_site "$work/site"
same_tree "$work/two" "$image"

contains "the answer without a certificate" "$(answer)" 'no certificate'
equal "the answer to a certificate of strangers" \
  "$(answer --cert "$work/strangers/one.pem" --key "$work/strangers/one.key")" none
contains "the answer to a node without a ticket" "$(answer --cert "$ca/two.pem" --key "$ca/two.key")" 'ticket'
