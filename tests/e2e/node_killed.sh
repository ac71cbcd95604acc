#!/usr/bin/env bash
# A container reads heavily while its node is killed, stopped, upgraded, and while containerd comes and goes: no read
# fails, every byte is right.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
image=$(image_of python)
mkdir "$work/logs"
cri "$work/lazy/containerd" run --detach --logs "$work/logs" "$image" -- \
  python3 -c "$(<"$top/tests/e2e/reader.py")" /usr/bin /usr/lib /usr/local >"$work/ids"
read -r _ container <"$work/ids"

output() { cat "$work/logs"/*/output; }
said() { output | grep -q "$1"; }
reads() { node_metric "$work/lazy" samara_fuse_read_bytes_total; }
has_read_more() { (($(reads) > 20000000)); }
takeovers() { node_metric "$work/lazy" samara_fuse_takeovers_total; }

eventually 60 "the container reads" said 'reading'
eventually 60 "it has read a lot" has_read_more

# The first time in the middle of fetching, later from the cache.
for round in 1 2 3 4; do
  kill_process "$node_pid"
  start_node "$work/lazy"
  at_least "the mounts taken over in round $round" "$(takeovers)" 1
  eventually 60 "the container reads on" has_read_more
done

# Twice in a row: the second one dies before or while it takes over.
kill_process "$node_pid"
start_process samara-node "$work/lazy/node.log" "$build_directory/apps/samara-node" --config "$work/lazy/node.toml"
kill_process "$started"
start_node "$work/lazy"
eventually 60 "the container reads on after a double crash" has_read_more

# An upgrade: the old one stops, the new one starts.
stop_node "$work/lazy"
succeeds "the mount stays" grep -q " $(realpath "$work/lazy/node")/l .*fuse.samara" /proc/self/mountinfo
start_node "$work/lazy"
at_least "the mounts taken over after a stop" "$(takeovers)" 1
eventually 60 "the container reads on after a stop" has_read_more

# containerd goes first, and comes back before the node does.
stop_process "$(<"$work/lazy/containerd/pid")" containerd
kill_process "$node_pid"
start_process containerd "$work/lazy/containerd/log" containerd --config "$work/lazy/containerd/config.toml"
echo "$started" >"$work/lazy/containerd/pid"
start_node_again "$work/lazy"
eventually 60 "the container reads on after containerd came first" has_read_more

eventually 60 "containerd answers" containerd_answers "$work/lazy/containerd"
cri "$work/lazy/containerd" exec "$container" -- touch /tmp/stop
eventually 120 "the container ends" said '^.* done '
result=$(output | grep -o 'done .*')
contains "what the container says" "$result" 'errors=0'
at_least "the files that it read" "$(grep -o 'files=[0-9]*' <<<"$result" | cut -d= -f2)" 1000
note "$result"

# What must end, ends: the mounts with their holder.
remove_pods "$work/lazy/containerd"
fails "ending a running node's mounts is refused" end_mounts "$work/lazy"
stop_node "$work/lazy"
succeeds "a stopped node's mounts are ended" end_mounts "$work/lazy"
equal "the number of mounts left" "$(grep -c "$(realpath "$work/lazy/node")/l .*fuse.samara" /proc/self/mountinfo)" 0

# Nobody comes back: what reads gets an error when the holder's time is over.
cat >>"$work/lazy/node.toml" <<TOML
[holder]
abort_after = "1s"
TOML
start_node_again "$work/lazy"
kill_process "$node_pid"
is_dead() { ! timeout -s KILL 5 ls "$work/lazy/node/l" && ! timeout -s KILL 5 stat -f "$work/lazy/node/l"; }
eventually 30 "the abandoned mount answers with an error" is_dead
start_node_again "$work/lazy"
equal "the output of a container after all of that" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
