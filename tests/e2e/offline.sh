#!/usr/bin/env bash
# Registry, site and all the rest of the network are away: what is here starts, what is missing waits and comes when the
# site is back.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

extra_node_configuration='[wait]
base = "300s"
[background]
fetch = false'
begin
known=$(image_of python) unread=$(image_of node)
run_image "$work/lazy" "$known" >/dev/null
cri "$work/lazy/containerd" pull "$unread"
chain=$(chain_id "$unread")  # while there is a registry to ask
chain_id() { echo "$chain"; }

# As after a power cut without a network: nothing is mounted, nobody answers.
stop_containerd "$work/lazy/containerd"
stop_process "$site_pid" samara-site
stop_process "$registry_pid" docker-registry
stop_node "$work/lazy"
end_mounts "$work/lazy"
echo 1 >/proc/sys/vm/drop_caches
start_node "$work/lazy"
start_containerd "$work/lazy/containerd" samara "$work/lazy/snapshotter.sock"
equal "the output of an image that was started before" "$(run_image "$work/lazy" "$known" --no-pull)" \
  "$(output_of python)"
equal "the bytes fetched since the start" "$(node_fetched_bytes "$work/lazy")" 0

# An image of which only the indexes are here.
run_image "$work/lazy" "$unread" --no-pull >"$work/output" &
run=$!
mount_image "$work/lazy" samara "$unread" "$work/view"
start=$SECONDS
fails "a read of missing bytes succeeds, or goes on when it is killed," timeout -s KILL 2 cat "$work/view/usr/bin/perl"
less_than "the seconds until it was gone" $((SECONDS - start)) 20
umount "$work/view"
succeeds "the container still waits" kill -0 "$run"
start_registry "$images_directory/registry"
sed -i "s#^urls = .*#urls = [\"http://$registry_address\"]#" "$work/site/site.toml"
start_site "$work/site"
wait "$run" || fail "the container failed: $(cat "$work/output")"
equal "what it prints once the site is back" "$(<"$work/output")" "$(output_of node)"
equal "the reads that failed" "$(node_metric "$work/lazy" samara_fuse_read_errors_total)" 0

# And the node says what it was that took so long.
waited='[.[] | select(.took_ms > 1000 and .error == "")][0] | "\(.source) \(.cause) \(.path)"'
contains "what explains the wait" "$("$build_directory/apps/samara" explain --address "unix://$work/lazy/node.sock" \
  --json "$unread" | jq -r "$waited")" '^site failures /'
contains "what a person sees of it" \
  "$("$build_directory/apps/samara" explain --address "unix://$work/lazy/node.sock" "$unread")" '[0-9]+ slow reads'
