# shellcheck shell=bash
# Several sites in network namespaces: the centre with the registry, and edges that have everything from it, each behind
# a thin link. Sourced by the tests and the benchmark after their lib.sh.

centre_ip=10.215.0.1

# sites_network COUNT RATE: namespaces $centre_host and ${edge_hosts[1]} to [COUNT], each edge on the centre's switch by a
# link of RATE in both directions (as tc says it). Their addresses are $centre_ip and $(edge_ip N).
sites_network() {
  local count=$1 rate=$2 i
  sites_switch=samara-x$$
  ip netns add "$sites_switch" && on_exit ip netns delete "$sites_switch"
  ip -n "$sites_switch" link add switch type bridge
  ip -n "$sites_switch" link set switch up
  centre_host=$sites_switch-centre
  site_host "$centre_host" 0 "$centre_ip"
  for ((i = 1; i <= count; i++)); do
    edge_hosts[i]=$sites_switch-$i
    site_host "${edge_hosts[i]}" "$i" "$(edge_ip "$i")"
    tc -n "${edge_hosts[i]}" qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 100ms
    tc -n "$sites_switch" qdisc add dev "port$i" root tbf rate "$rate" burst 64kb latency 100ms
  done
}

# site_host NAME PORT ADDRESS
site_host() {
  ip netns add "$1" && on_exit ip netns delete "$1"
  ip link add eth0 netns "$1" type veth peer name "port$2" netns "$sites_switch"
  ip -n "$1" link set lo up
  ip -n "$1" addr add "$3/24" dev eth0
  ip -n "$1" link set eth0 up
  ip -n "$sites_switch" link set "port$2" master switch up
}

edge_ip() { echo "10.215.0.$(($1 + 1))"; }

# cut_link N, mend_link N
cut_link() { ip -n "$sites_switch" link set "port$1" down; }
mend_link() { ip -n "$sites_switch" link set "port$1" up; }

# start_centre: the registry, and the site that asks it.
start_centre() {
  start_registry "$images_directory/registry" "$centre_ip" "$centre_host"
  start_site "$work/centre" "$centre_ip" "$centre_host"
  centre_address=$site_address
}

# start_edge N [LINE…]: a samara-site that has everything from the centre; LINE… are more of its [parent]. Started again,
# it goes on. Sets $site_address and so on, as start_site.
start_edge() {
  local number=$1
  shift
  extra_site_configuration=$(edge_configuration "$@") start_site "$work/edge$number" "$(edge_ip "$number")" "${edge_hosts[number]}"
}

# Set before start_edge where its parent isn't the centre: HOST:PORT.
parent_address=''

edge_configuration() {
  printf '%s\n' '[parent]' "urls = [\"http://${parent_address:-$centre_address}\"]" 'registries = "only"' "$@"
}

# edge_address N
edge_address() { cat "$work/edge$1/address"; }

# edge_metric N NAME: the sum over all labels.
edge_metric() { metric "$(edge_address "$1")" "$2" "${edge_hosts[$1]}"; }

# edge_get N PATH [CURL OPTION…]: what the edge's site answers.
edge_get() {
  local number=$1 path=$2
  shift 2
  in_namespace "${edge_hosts[number]}" curl -sf "$@" "http://$(edge_address "$number")$path"
}

# link_payload N: bytes that came to the edge from the centre since the site of the edge was started.
link_payload() { edge_metric "$1" samara_link_bytes_total; }

# edge_ledger N: what `samara links --json` says of the edge's link.
edge_ledger() {
  in_namespace "${edge_hosts[$1]}" "$build_directory/apps/samara" links --site "http://$(edge_address "$1")" --json | jq '.links[0]'
}

# has_come_to N BYTES: more than that since the site of the edge was started.
has_come_to() { (($(link_payload "$1") > $2)); }

# received_by HOST: bytes that have come into the namespace HOST, whatever they were.
received_by() { ip -n "$1" -s -j link show eth0 | jq '.[0].stats64.rx.bytes'; }

# begin_edge_node DIRECTORY N: a node of the edge's site, with a containerd.
begin_edge_node() {
  site_url=http://$(edge_address "$2")
  start_node "$1" "${edge_hosts[$2]}"
  write_hosts "$1/containerd" _default "$site_url"
  start_containerd "$1/containerd" samara "$1/snapshotter.sock" "${edge_hosts[$2]}"
}

# begin_ordinary_in_centre: a containerd in $work/ordinary with overlayfs, straight from the registry.
begin_ordinary_in_centre() {
  write_hosts "$work/ordinary/containerd" "$local_registry" "http://$registry_address"
  start_containerd "$work/ordinary/containerd" overlayfs '' "$centre_host"
}

# swarm_bytes_of DIRECTORY NETNS: what the node got through the swarm.
swarm_bytes_of() {
  in_namespace "$2" curl -sf "http://$(node_address "$1")/metrics" |
    awk '/^samara_fetched_bytes_total{source="swarm"}/ { sum += $NF } END { printf "%d\n", sum }'
}

# edge_has_all N: nothing is on its way to the edge any more.
edge_has_all() {
  [[ $(edge_metric "$1" samara_site_conversions) == 0 && $(edge_metric "$1" samara_site_arriving_blobs) == 0 ]]
}

# site_layers ADDRESS NETNS IMAGE [WAIT]: what a site says of each layer of IMAGE, a line each:
# "<layer> <index> <blob> <index bytes> <blob bytes>".
site_layers() {
  local address=$1 netns=$2 image=$3 name repository digest
  name=${image#"$local_registry"/} repository=${name%:*}
  for digest in $(manifest_of "$image" | jq -r '.layers[].digest'); do
    in_namespace "$netns" curl -sf "http://$address/samara/v1/layers/$digest?ns=$local_registry&repo=$repository&wait=${4:-600000}" |
      awk '{ v[$1] = $2 } END { print v["layer"], v["index"], v["blob"], v["index_size"], v["blob_size"] }'
  done
}
