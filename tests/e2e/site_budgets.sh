#!/usr/bin/env bash
# What a link may carry, by the second and by the day: the background keeps within both, whoever looks is told when the
# day's budget is used up, reads go on or don't as the operator said, and the ledger outlives the site. Meanwhile nodes get
# pieces of a blob from the site while the rest of it is still to come.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/sites_lib.sh"

readonly mib=$((1 << 20)) speed=8 day=48 small_day=24

# links_of N: as a person sees it.
links_of() { in_namespace "${edge_hosts[$1]}" "$build_directory/apps/samara" links --site "http://$(edge_address "$1")"; }
is_spent() { [[ $(edge_ledger "$1" | jq .spent) == true ]]; }
background_of() { edge_ledger "$1" | jq '.days[0].bytes.background'; }
total_of() { edge_ledger "$1" | jq '.days[0].total'; }
# trades_what_comes DIRECTORY N: the node has got pieces of blobs that the edge hasn't got whole.
trades_what_comes() { (($(swarm_bytes_of "$1" "${edge_hosts[$2]}") > 0 && $(edge_metric "$2" samara_site_arriving_blobs) > 0)); }

need_root
need_fuse
need_overlayfs
temporary_directory work
sites_network 2 200mbit
swarm_configuration='[swarm]
enabled = true'
extra_site_configuration=$swarm_configuration start_centre
image=$(image_of python)
begin_ordinary_in_centre
run_image "$work/ordinary" "$image" --first-output >/dev/null
site_layers "$centre_address" "$centre_host" "$image" >"$work/layers"
wanted=$(awk '{ sum += $4 + $5 } END { print sum }' "$work/layers")
at_least "what there is to bring" "$wanted" $((2 * day * mib))

# The background: no more a second and no more a day, by the ledger and by what the kernel counts.
start_edge 1 "bytes_per_second = \"${speed}MiB\"" "bytes_per_day = \"${day}MiB\"" "$swarm_configuration"
received=$(received_by "${edge_hosts[1]}") begin=$SECONDS
site_layers "$(edge_address 1)" "${edge_hosts[1]}" "$image" >/dev/null
eventually 120 "half of the day's budget has been used" has_come_to 1 $((day * mib / 2))
took=$((SECONDS - begin + 2))
less_than "the background's bytes in $took s" "$(background_of 1)" $((speed * mib * took))
eventually 120 "the day's budget is used up" is_spent 1
less_than "what has crossed then" "$(total_of 1)" $((day * mib + 1))
less_than "what came by the wire" $(($(received_by "${edge_hosts[1]}") - received)) $((day * mib * 108 / 100 + 4 * mib))
contains "what samara links says" "$(links_of 1)" "the day's budget is used up: the background stands still"
contains "the site's log" "$(<"$work/edge1/log")" "budget of the day is used up"

# Reads go on, and pieces are traded, with the rest still missing.
extra_node_configuration="[wait]
base = \"300s\"
[background]
quiet = \"0s\"
$swarm_configuration"
begin_edge_node "$work/node" 1
cri "$work/node/containerd" pull "$pause_image"
equal "the output beyond the budget" "$(run_image "$work/node" "$image" --first-output)" "$(output_of python)"
eventually 60 "the node gets by the swarm what has come, while the rest is missing" trades_what_comes "$work/node" 1
same_tree "$work/node" "$image"
less_than "what the background has brought" "$(background_of 1)" $((day * mib + 1))
total=$(total_of 1)
at_least "what crossed for reads" "$total" $((day * mib))
less_than "what crossed in all" "$total" $((wanted * 102 / 100))

# Killed, the site remembers what it has used.
kill_process "$(<"$work/edge1/pid")"
start_edge 1
at_least "the ledger after the site was killed" "$(total_of 1)" $((total - mib / 4))

# "nothing" means it; a new budget, and all of it comes.
start_edge 2 "bytes_per_day = \"${small_day}MiB\"" 'over_budget = "nothing"'
site_layers "$(edge_address 2)" "${edge_hosts[2]}" "$image" >/dev/null
eventually 120 "the second edge's budget is used up" is_spent 2
big=$(sort -n -k 5 "$work/layers" | tail -n 1 | cut -d' ' -f3)
fails "a read beyond the budget is refused" edge_get 2 "/samara/v1/objects/$big" -o "$work/big"
contains "what samara links says" "$(links_of 2)" "the day's budget is used up: nothing comes"
less_than "what has crossed" "$(total_of 2)" $((small_day * mib + 11 * mib))  # so much may have been under way
stop_site "$work/edge2"
sed -i "s/^bytes_per_day.*/bytes_per_day = \"1GiB\"/" "$work/edge2/site.toml"
start_edge 2
eventually 180 "all has come to the second edge" edge_has_all 2
succeeds "a read within the new budget" edge_get 2 "/samara/v1/objects/$big" -o "$work/big"
equal "its bytes" "sha256:$(sha256sum <"$work/big" | cut -d' ' -f1)" "$big"
less_than "what crossed in all" "$(total_of 2)" $((wanted * 102 / 100))
