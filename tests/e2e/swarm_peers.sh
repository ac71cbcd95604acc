#!/usr/bin/env bash
# One seed and eight nodes in namespaces of their own, and one that gives wrong bytes: every node ends with the blob.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/swarm_lib.sh"

need_root
temporary_directory work
head -c 24M /dev/urandom >"$work/blob"
swarm_hosts 9
swarm_seed "$work/blob"

swarm_join liar 9
pids=()
for number in {1..8}; do
  swarm_join node "$number"
  pids+=("$started")
done
for number in {1..8}; do passed "node $number has it after $(swarm_seconds "$number") s"; done

# A node that has other bytes than the seed, and says so, fails here.
total=0
for number in {1..8}; do
  succeeds "node $number ends with the right bytes" swarm_stop "${pids[number - 1]}"
  total=$((total + $(swarm_sent "$number")))
done
succeeds "the seed stops" swarm_stop "$swarm_seed_pid"
less_than "what the seed gave" "$(swarm_sent 0)" $((8 * 24 << 20))
at_least "what nodes gave each other" "$total" $((24 << 20))
