#!/usr/bin/env bash
# kill -9 of the daemons at bad moments; started again, everything goes on.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
image=$(image_of java)

# The site dies while it converts for a pull.
cri "$work/lazy/containerd" pull "$image" >"$work/pull.log" 2>&1 &
pull=$!
half_way() { (($(metric "$site_address" samara_site_upstream_bytes_total) > 10000000)) && ! site_is_idle; }
eventually 60 "the site is in the middle of it" half_way
kill_process "$site_pid"
wait "$pull" || true
start_site "$work/site"
equal "the output after the site was killed" "$(run_image "$work/lazy" "$image")" "$(output_of java)"

# The node dies while it fetches in the background.
kill_process "$node_pid"
start_node_again "$work/lazy"
equal "the output after the node was killed" "$(run_image "$work/lazy" "$image")" "$(output_of java)"
eventually 120 "the background fetch" node_is_complete "$work/lazy"
begin_ordinary
run_image "$work/ordinary" "$image" >/dev/null
same_tree "$work/lazy" "$image"
