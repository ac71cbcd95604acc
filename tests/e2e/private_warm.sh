#!/usr/bin/env bash
# A private image that the site may read with its own credential is warmed on a node. The node gives its manifest and
# config to nobody without the secret as long as the site can be asked; when no site answers, its own containerd starts it.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/private.sh"

image=$local_registry/samara/python:1

# mirror PATH: the HTTP status of the node's own mirror.
mirror() {
  curl -s -o /dev/null -w '%{http_code}' "http://$(node_address "$work/one")/v2/samara/python/$1?ns=$local_registry"
}

start_registry "$images_directory/registry"  # for the test itself: what is in it
start_private_registry "$images_directory/registry"
mkdir -p "$work/site"
echo "127.0.0.1:$(free_port)" >"$work/site/address"
(umask 077; printf %s "${owner#*:}" >"$work/password")
cat >"$work/site/site.toml" <<TOML
listen = "$(<"$work/site/address")"
root = "$work/site/cache"
default_registry = "$local_registry"
share = "entitled"
ask_to_log_in = true
[seed]
socket = "$work/site/seed.sock"
[upstream."$local_registry"]
urls = ["http://$private_address"]
username = "${owner%%:*}"
password_file = "$work/password"
TOML
start_site "$work/site"
begin_warm_node "$work/one"
eventually 30 "the node is heard of" has_nodes 1

contains "what an image that the registry refuses to the site gets" \
  "$(samara warm "${seed[@]}" "$local_registry/samara/nothing:1" --wait 2>&1 || true)" samara/nothing
samara warm "${seed[@]}" "$image" "$local_registry/samara/pause:1" --level full --wait >"$work/warm.log" 2>&1 || fail "the images are warmed: $(<"$work/warm.log")"
cri "$work/one/containerd" pull --auth "$owner" "$pause_image"

digest=sha256:$(manifest_of "$image" | sha256sum | cut -d" " -f1) config=$(manifest_of "$image" | jq -r .config.digest)
routes=(manifests/1 "manifests/$digest" "blobs/$config")
for route in "${routes[@]}"; do equal "what the node's mirror says of $route without a secret" "$(mirror "$route")" 404; done
fails "a pod without the secret can't pull it" cri "$work/one/containerd" pull "${image%:*}@$digest"
before=$(node_fetched_bytes "$work/one")
equal "what a pod with it prints" "$(cri "$work/one/containerd" run --auth "$owner" "$image" 2>>"$work/cri.log")" "$(output_of python)"
equal "the bytes that were fetched for it" "$(node_fetched_bytes "$work/one")" "$before"

stop_process "$private_pid" docker-registry
stop_site "$work/site"
for route in "${routes[@]}"; do equal "what the mirror says of $route while no site answers" "$(mirror "$route")" 200; done
equal "what a pod prints then" "$(run_image "$work/one" "$image")" "$(output_of python)"
