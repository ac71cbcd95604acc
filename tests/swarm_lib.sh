# shellcheck shell=bash
# Machines of a swarm in network namespaces: a switch, one seed, nodes, and peers that lie. Sourced by the test and the
# benchmark after their lib.sh.

swarm_peer=$build_directory/tests/tools/swarm_peer
swarm_seed_ip=10.214.0.1 swarm_switches=0

# swarm_hosts COUNT [RATE]: namespaces ${swarm_hosts[0]} (the seed's) to [COUNT], each on a switch by a link of its own,
# of RATE in each direction (as tc says it).
swarm_hosts() {
  local count=$1 rate=${2:-} i host switch=samara-w$$-$((++swarm_switches))
  ip netns add "$switch" && on_exit ip netns delete "$switch"
  ip -n "$switch" link add switch type bridge
  ip -n "$switch" link set switch up
  swarm_hosts=()
  for ((i = 0; i <= count; i++)); do
    host=$switch-$i
    ip netns add "$host" && on_exit ip netns delete "$host"
    swarm_hosts+=("$host")
    ip link add eth0 netns "$host" type veth peer name "port$i" netns "$switch"
    ip -n "$host" link set lo up
    ip -n "$host" addr add "10.214.0.$((i + 1))/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$switch" link set "port$i" master switch up
    [[ -z $rate ]] || tc -n "$host" qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 50ms
    [[ -z $rate ]] || tc -n "$switch" qdisc add dev "port$i" root tbf rate "$rate" burst 256kb latency 50ms
  done
}

# swarm_start KIND NUMBER ARGUMENT…: a peer in its namespace; it prints into $work/NUMBER.out. Sets $started.
swarm_start() {
  local kind=$1 number=$2
  shift 2
  ip netns exec "${swarm_hosts[number]}" "$swarm_peer" "$kind" --root "$work/$number" --listen 0.0.0.0:7702 "$@" \
    >"$work/$number.out" 2>"$work/$number.log" &
  started=$!
  on_exit kill_quietly "$started"
}

kill_quietly() { kill "$1" 2>/dev/null || true; }

# swarm_stop PID: waits until it has printed what it gave; its status is the peer's.
swarm_stop() {
  kill -TERM "$1"
  wait "$1"
}

has_line() { [[ -s $1 ]]; }

# swarm_seed FILE OPTION…: shares FILE from namespace 0. Sets $swarm_blob and $swarm_seed_pid.
swarm_seed() {
  local file=$1
  shift
  swarm_start seed 0 --http "$swarm_seed_ip:7700" "$@" "$file"
  swarm_seed_pid=$started
  wait_until 60 "the seed" has_line "$work/0.out" || die "the seed doesn't start: $(<"$work/0.log")"
  swarm_blob=$(head -n 1 "$work/0.out")
}

# swarm_join KIND NUMBER OPTION…: a node or a liar that knows the seed's site. Sets $started.
swarm_join() {
  local kind=$1 number=$2
  shift 2
  swarm_start "$kind" "$number" --site "http://$swarm_seed_ip:7700" "$@" "$swarm_blob"
}

# swarm_seconds NUMBER: how long that node took; waits for it.
swarm_seconds() {
  wait_until 300 "node $1" has_line "$work/$1.out" || die "node $1 doesn't end: $(tail -n 5 "$work/$1.log")"
  awk '$1 == "seconds" { print $2 }' "$work/$1.out"
}

# swarm_sent NUMBER, swarm_wrong NUMBER, swarm_cpu NUMBER: bytes that it gave, pieces that it got wrong, seconds of
# processor time; after swarm_stop.
swarm_sent() { awk '$1 == "sent" { print $2 }' "$work/$1.out"; }
swarm_cpu() { awk '$1 == "sent" { print $6 }' "$work/$1.out"; }
swarm_wrong() { awk '$1 == "sent" { print $4 }' "$work/$1.out"; }
