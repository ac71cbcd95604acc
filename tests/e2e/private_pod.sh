#!/usr/bin/env bash
# A pod of a private image, lazily: the secret goes with the pull and is needed for nothing after it. The container reads
# on when the secret has become worthless, when the registry is away and when the node was killed; a node without it gets
# nothing; and nobody finds it written down.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/private.sh"
source "$top/tests/swarm_lib.sh"

image=$local_registry/samara/python:1

# begin_private_node NAME NUMBER: with its containerd, in a namespace of its own, so that the site can tell it from others.
begin_private_node() {
  start_node "$work/$1" "${swarm_hosts[$2]}"
  write_hosts "$work/$1/containerd" _default "http://$site_address"
  start_containerd "$work/$1/containerd" samara "$work/$1/snapshotter.sock" "${swarm_hosts[$2]}"
}

# read_all DIRECTORY: in the container, the number of bytes of all files below DIRECTORY.
read_all() {
  cri "$work/owner/containerd" exec "$container" -- python3 -c "
import os
print(sum(len(open(os.path.join(d, f), 'rb').read()) for d, _, fs in os.walk('$1') for f in fs
          if os.path.isfile(os.path.join(d, f))))" 2>>"$work/cri.log"
}
# reads_cold WHAT DIRECTORY: nothing of it is here yet, and it can be read.
reads_cold() {
  local before bytes
  before=$(node_fetched_bytes "$work/owner")
  bytes=$(read_all "$2") || fail "$1"
  at_least "$1: bytes of $2 that were read" "$bytes" 100000
  at_least "$1: bytes that came for it" $(($(node_fetched_bytes "$work/owner") - before)) 10000
}

need_root
need_fuse
need_overlayfs
temporary_directory work
swarm_hosts 2
start_registry "$images_directory/registry" "$swarm_seed_ip" "${swarm_hosts[0]}"  # for the test itself: what is in it
start_private_registry "$images_directory/registry" "$swarm_seed_ip" "${swarm_hosts[0]}"
start_private_site "$swarm_seed_ip" "${swarm_hosts[0]}"
extra_node_configuration='[wait]
base = "300s"
[background]
fetch = false'
begin_private_node owner 1
begin_private_node stranger 2

cri "$work/owner/containerd" pull --auth "$owner" "$pause_image"
read -r _ container < <(cri "$work/owner/containerd" run --auth "$owner" --detach "$image" -- sleep 10000)
equal "the layers that containerd fetched itself" "$(layers_fetched_by_containerd "$work/owner" "$image")" 0
reads_cold "with the secret" /usr/share/perl5

# What the stranger may know, the digest of a layer, doesn't help him.
fails "a node without the secret can't pull the image" cri "$work/stranger/containerd" pull "$image"
fails "nor can one with a wrong secret" cri "$work/stranger/containerd" pull --auth "$stranger" "$image"
layer=$(manifest_of "$image" | jq -r '.layers[0].digest')
ask_for_layer() {
  in_namespace "${swarm_hosts[$1]}" curl -s "http://$site_address/samara/v1/layers/$layer?ns=$local_registry&repo=samara/python&wait=0"
}
contains "what the site tells the owner's node of a layer" "$(ask_for_layer 1)" 'state converted'
fails "it tells the stranger's nothing" grep -q -e converted -e index <(ask_for_layer 2)

# The secret is withdrawn, and the registry forgets it.
stop_process "$private_pid" docker-registry
rm "$work/private/htpasswd"
write_htpasswd "$work/private/htpasswd" somebody
start_private_registry "$images_directory/registry" "$swarm_seed_ip" "${swarm_hosts[0]}"
sed -i "s#^urls = .*#urls = [\"http://$private_address\"]#" "$work/site/site.toml"
stop_site "$work/site"
start_site "$work/site" "$swarm_seed_ip" "${swarm_hosts[0]}"
reads_cold "with a secret that isn't worth anything any more" /usr/lib/python3/dist-packages

# The registry is away; the node dies.
stop_process "$private_pid" docker-registry
kill_process "$(<"$work/owner/pid")"
start_node "$work/owner" "${swarm_hosts[1]}"
reads_cold "without a registry, after the node was killed" /usr/lib/x86_64-linux-gnu/perl-base

secret_text=$(printf %s "$owner" | base64)
for place in "$work/owner/node" "$work/owner/node.log" "$work/site/log" "$work/site/cache"; do
  [[ -s $place ]] || fail "$place isn't there"
  fails "no secret in ${place#"$work/"}" grep -rqa -e hunter2 -e "$secret_text" "$place"
done
