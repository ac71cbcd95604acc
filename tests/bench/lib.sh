# shellcheck shell=bash
# What the benchmarks share: figures as a table and as JSON, two hosts joined by a shaped link, runs of containers.
source "$(dirname "${BASH_SOURCE[0]}")/../images/lib.sh"

# ---- figures ---------------------------------------------------------------------------------------------------

figures=()

# figure NAME VALUE UNIT [OPERATOR TARGET]: one figure; OPERATOR is "<=" or ">=".
figure() {
  local name=$1 value=$2 unit=$3 operator=${4:-} target=${5:-} met=null
  [[ -z $target ]] || met=$(awk -v a="$value" -v b="$target" -v op="$operator" \
    'BEGIN { print (op == "<=" ? a <= b : a >= b) ? "true" : "false" }')
  figures+=("$(jq -cn --arg name "$name" --argjson value "$value" --arg unit "$unit" --arg operator "$operator" \
    --argjson target "${target:-null}" --argjson met "$met" \
    '{name: $name, value: $value, unit: $unit, target: $target, met: $met, operator: $operator}')")
}

# report BENCH: prints the figures and writes build/bench/BENCH.json.
report() {
  mkdir -p "$build_directory/bench"
  printf '%s\n' "${figures[@]}" | jq -r '[.name, .value, .unit,
      (if .target == null then "" else "\(.operator) \(.target)" end),
      (if .met == null then "" elif .met then "met" else "missed" end)] | @tsv' |
    awk -F'\t' '{ printf "%-52s %10s %-8s %10s  %s\n", $1, $2, $3, $4, $5 }'
  printf '%s\n' "${figures[@]}" | jq -s --arg bench "$1" '{bench: $bench, figures: map(del(.operator))}' \
    >"$build_directory/bench/$1.json"
}

# calc EXPRESSION: with three digits after the point.
calc() { awk "BEGIN { printf \"%.3f\", $1 }"; }

# median NUMBER…
median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# ---- two hosts and a link --------------------------------------------------------------------------------------

# two_hosts RATE: namespaces $site_host and $node_host, joined by a link of RATE (as tc says it) in each direction.
# The site's address is $site_ip.
two_hosts() {
  local rate=$1
  site_host=samara-s$$ node_host=samara-n$$ site_ip=10.213.0.1
  ip netns add "$site_host" && on_exit ip netns delete "$site_host"
  ip netns add "$node_host" && on_exit ip netns delete "$node_host"
  ip link add eth0 netns "$site_host" type veth peer name eth0 netns "$node_host"
  set_up_host "$site_host" "$site_ip/24" "$rate"
  set_up_host "$node_host" 10.213.0.2/24 "$rate"
}

set_up_host() {
  ip -n "$1" link set lo up
  ip -n "$1" addr add "$2" dev eth0
  ip -n "$1" link set eth0 up
  tc -n "$1" qdisc add dev eth0 root tbf rate "$3" burst 1mb latency 100ms
}

# ---- containers on them ----------------------------------------------------------------------------------------

# The two hosts with a registry on the site's.
begin_two_hosts() {
  need_root
  need_fuse
  need_overlayfs
  "$top/tests/images/build.sh"
  temporary_directory work
  two_hosts 1gbit
  start_registry "$images_directory/registry" "$site_ip" "$site_host"
}

# begin_site NAME, end_site NAME: a samara-site with an empty cache beside the registry.
begin_site() { start_site "$work/$1" "$site_ip" "$site_host"; }
end_site() {
  stop_site "$work/$1"
  remove_directory "$work/$1"
}

# begin_lazy NAME: on the other host, a samara-node with an empty cache, and a containerd that starts pods already.
begin_lazy() {
  start_node "$work/$1" "$node_host"
  write_hosts "$work/$1/containerd" _default "http://$site_address"
  start_containerd "$work/$1/containerd" samara "$work/$1/snapshotter.sock" "$node_host"
  cri "$work/$1/containerd" pull "$pause_image"
}

# begin_ordinary NAME: the same with overlayfs, straight from the registry.
begin_ordinary() {
  write_hosts "$work/$1/containerd" _default "http://$registry_address"
  start_containerd "$work/$1/containerd" overlayfs "" "$node_host"
  cri "$work/$1/containerd" pull "$pause_image"
}

end_node() {
  stop_containerd "$work/$1/containerd"
  [[ ! -d $work/$1/node ]] || { stop_node "$work/$1" && end_mounts "$work/$1"; }
  remove_directory "$work/$1"
}

# run_json NAME IMAGE: runs the image's program there, to its end; the figures are in $work/run.json.
run_json() {
  cri "$work/$1/containerd" run --json "$(image_of "$2")" >"$work/run.json"
  [[ $(jq -r .exit_code "$work/run.json") == 0 ]] || die "$2 failed: $(<"$work/run.json")"
}

first_output() { jq .first_output_ms "$work/run.json"; }
