#!/usr/bin/env bash
# One command at the centre warms the nodes of two edge sites, each behind a thin link: each byte crosses each link once,
# also when a link is cut in the middle; then both links and the nodes' own are cut, and containers start from what is
# there without a byte on any interface.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"
source "$top/tests/sites_lib.sh"

seed=(--seed "unix://$work/centre/seed.sock")
extra_node_configuration='[background]
fetch = false
[traces]
settle = "1s"'

# begin_edge_node NAME N: a node of the edge's site, whose containerd asks the node first.
begin_edge_node() {
  site_address=$(edge_address "$2") site_url=http://$(edge_address "$2")
  begin_warm_node "$work/$1" "${edge_hosts[$2]}"
}
# arrived_bytes NETNS: what has come in by the namespace's interface.
arrived_bytes() { in_namespace "$1" cat /proc/net/dev | sed -n 's|^ *eth0: *\([0-9]*\) .*|\1|p'; }
has_come_to() { (($(link_payload "$1") > $2)); }
site_is_cut() { samara sites "${seed[@]}" --json | jq -e --arg name "$1" '.sites[] | select(.name == $name) | .away'; }
site_is_back() { samara sites "${seed[@]}" --json | jq -e --arg name "$1" '.sites[] | select(.name == $name) | .away | not'; }
item_of() { samara job show "${seed[@]}" "$1" --json | jq -r --arg node "$2" '.images[0].items[] | select(.node == $node) | .state'; }
item_is() { [[ $(item_of "$1" "$2") == "$3" ]]; }

sites_network 2 100mbit
start_centre
start_edge 1 'bytes_per_second = "4MB"'
start_edge 2
begin_edge_node a 1
begin_edge_node b 1
begin_edge_node c 2
image=$(image_of python)
site_layers "$centre_address" "$centre_host" "$image" >"$work/layers"
wanted=$(awk '{ sum += $4 + $5 } END { print sum }' "$work/layers")

# The whole fleet, as the centre knows it.
eventually 60 "the centre hears of all nodes" has_nodes 3
equal "the nodes" "$(samara nodes "${seed[@]}" --json | jq -r '[.nodes[].name] | join(" ")')" "edge1/a edge1/b edge2/c"
equal "those of one site" "$(samara nodes "${seed[@]}" --site edge2 --json | jq -r '[.nodes[].name] | join(" ")')" "edge2/c"
equal "the sites" "$(samara sites "${seed[@]}" --json | jq -r '[.sites[] | "\(.name) \(.nodes)"] | join(", ")')" "centre 0, edge1 2, edge2 1"
contains "the link of a site" "$(samara sites "${seed[@]}")" "edge1 .*4.0 MB/s at most"

# A plan: bytes by link, and the time that the link's budget allows. Nothing of the image moves.
plan=$(samara warm "${seed[@]}" "$image" --plan --json)
equal "the state of a plan" "$(jq -r .state <<<"$plan")" planned
equal "the bytes over the first link" "$(jq -r '.estimate.links.edge1.bytes' <<<"$plan")" "$wanted"
equal "the bytes over the second link" "$(jq -r '.estimate.links.edge2.bytes' <<<"$plan")" "$wanted"
at_least "the seconds over the first link" "$(jq -r '.estimate.links.edge1.seconds' <<<"$plan")" $((wanted / 4000000))
equal "what bounds it" "$(jq -r .estimate.bound_by <<<"$plan")" "to edge1"
contains "what people read" "$(samara warm "${seed[@]}" "$image" --plan)" "to edge1 .*over its link, once"
less_than "what the plan moved" "$(link_payload 1)" $((1 << 20))
refused=$(samara warm "${seed[@]}" "$image" --deadline 25s --wait 2>&1 || true)
contains "what a deadline that the link can't meet gets" "$refused" 'the link "to edge1" needs'
contains "what a site that isn't there gets" "$(samara warm "${seed[@]}" "$image" --site edge9 2>&1 || true)" 'those that are: centre, edge1, edge2'

# Both edges at once; the first one's link is cut in the middle.
job=$(samara warm "${seed[@]}" "$image" --site edge1 --site edge2 --level full)
eventually 120 "a part has crossed the first link" has_come_to 1 $((wanted / 5))
cut_link 1
less_than "what had crossed when it was cut" "$(link_payload 1)" "$wanted"
eventually 60 "the centre sees that the site is cut" site_is_cut edge1
contains "what a job for a site that is cut gets" "$(samara warm "${seed[@]}" "$(image_of node)" --site edge1 2>&1 || true)" "edge1 isn't heard of"
eventually 180 "the other site's node is warmed meanwhile" item_is "$job" edge2/c verified
equal "the job while a link is cut" "$(job_state "$job")" running
mend_link 1
eventually 60 "the site is back" site_is_back edge1
samara job watch "${seed[@]}" "$job" || fail "the job ends well after the link came back: $(samara job show "${seed[@]}" "$job")"
for edge in 1 2; do
  less_than "what crossed link $edge" "$(link_payload "$edge")" $((wanted * 105 / 100))
  at_least "what crossed link $edge" "$(link_payload "$edge")" $((wanted * 9 / 10))
done

# Launch proof: every link is cut, each node's too, and nothing comes by any interface.
for node in a b c; do cri "$work/$node/containerd" pull "$pause_image"; done
cut_link 1
cut_link 2
for edge in 1 2; do stop_site "$work/edge$edge"; done
declare -A before
for edge in 1 2; do before[$edge]=$(arrived_bytes "${edge_hosts[edge]}"); done
for node in a b c; do
  fetched=$(node_fetched_bytes "$work/$node")
  for start in 1 2 3; do
    equal "what container $start on $node prints without any link" "$(run_image "$work/$node" "$image")" "$(output_of python)"
  done
  equal "the bytes that $node fetched for them" "$(node_fetched_bytes "$work/$node")" "$fetched"
done
for edge in 1 2; do equal "what came by the interface of edge $edge" "$(arrived_bytes "${edge_hosts[edge]}")" "${before[$edge]}"; done
