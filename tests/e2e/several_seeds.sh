#!/usr/bin/env bash
# Two samara-sites of one site, and nodes that know both. The first is killed while a container reads from it: the reads
# go on from the second, which never saw the image, and so do pulls, the list of nodes, warm jobs and the swarm. The first
# comes back to what it left. Then both go away and the nodes are started anew: they have what they lack from each other.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/sites_lib.sh"

swarm_configuration='[swarm]
enabled = true
listen = "127.0.0.1:0"'

samara() { "$build_directory/apps/samara" "$@"; }
seed_of() { echo "--seed=unix://$work/$1/seed.sock"; }
address_of() { cat "$work/$1/address"; }

# begin_seed_node NAME: a node that asks the first site and then the second, as its containerd does.
begin_seed_node() {
  extra_node_configuration="[wait]
base = \"300s\"
[background]
fetch = false
[neighbours]
enabled = true
listen = \"127.0.0.1:$(free_port)\"
$swarm_configuration"
  start_node "$work/$1"
  samara hosts-toml --only --site "${site_urls[0]}" --site "${site_urls[1]}" --output "$work/$1/containerd/certs.d" >/dev/null
  start_containerd "$work/$1/containerd" samara "$work/$1/snapshotter.sock"
  cri "$work/$1/containerd" pull "$pause_image"
}

# bytes_from NAME SOURCE: what the node has fetched from there since it was started.
bytes_from() {
  curl -sf "http://$(node_address "$work/$1")/metrics" |
    awk -v source="source=\"$2\"" '/^samara_fetched_bytes_total/ && index($0, source) { sum += $NF } END { printf "%d\n", sum }'
}
has_fetched() { (($(node_fetched_bytes "$work/$1") > $2)); }
converted_at() { curl -sf "http://$(address_of "$1")/metrics" | awk '/^samara_site_layers_total{result="converted"}/ { print $2 }'; }
nodes_at() { samara nodes "$(seed_of "$1")" --json | jq '[.nodes[] | select(.away | not)] | length'; }
has_nodes() { (($(nodes_at "$1") == $2)); }
job_is() { [[ $(samara job show "$(seed_of "$1")" "$2" --json | jq -r .state) == "$3" ]]; }
# asked_for SITE PATH: how often somebody asked the site for something below PATH.
asked_for() { grep -c "msg=request.*path=$2" "$work/$1/log" || true; }
# told_at SITE BLOB: how often the site has told somebody who reads the blob.
told_at() { grep -c "msg=request.*path=/samara/v1/neighbours/$2.*status=200" "$work/$1/log" || true; }
has_told() { (($(told_at "$1" "$2") >= $3)); }

need_root
need_fuse
need_overlayfs
temporary_directory work
start_registry "$images_directory/registry"
extra_site_configuration=$swarm_configuration
start_site "$work/second" && site_urls=("$site_url")
start_site "$work/first" && site_urls=("$site_url" "${site_urls[@]}")
image=$(image_of python) other=$(image_of node) later=$(image_of python2)
begin_ordinary
for each in "$image" "$other"; do run_image "$work/ordinary" "$each" --first-output >/dev/null; done
begin_seed_node one
for site in first second; do eventually 30 "the $site site hears of the node" has_nodes "$site" 1; done

# Only what it takes to mount it; then all of it is read, and the first site is killed on the way.
cri "$work/one/containerd" pull "$image"
equal "layers converted by the second site before" "$(converted_at second)" 0
mount_image "$work/one" samara "$image" "$work/view"
before=$(node_fetched_bytes "$work/one")
tree_of "$work/view" >"$work/read.tree" &
reader=$!
eventually 60 "a part of it has been read" has_fetched one $((before + (4 << 20)))
job=$(samara warm "$(seed_of first)" "$later" --level full)
kill_process "$(<"$work/first/pid")"
succeeds "the rest is read" wait "$reader"
equal "reads that failed" "$(node_metric "$work/one" samara_fuse_read_errors_total)" 0
mount_image "$work/ordinary" overlayfs "$image" "$work/tree-ordinary"
tree_of "$work/tree-ordinary" >"$work/ordinary.tree"
umount "$work/tree-ordinary" "$work/view"
succeeds "every byte is right" cmp "$work/ordinary.tree" "$work/read.tree"
at_least "layers converted by the second site, since it was asked for them" "$(converted_at second)" 1
equal "the output" "$(run_image "$work/one" "$image" --no-pull)" "$(output_of python)"

# What is new goes on with the second: a node, a pull, a job, a swarm.
begin_seed_node two
eventually 30 "the second site hears of both nodes" has_nodes second 2
equal "the output of a new pull" "$(run_image "$work/one" "$other" --first-output)" "$(output_of node)"
samara warm "$(seed_of second)" "$image" --level full --wait >/dev/null || fail "a job of the second site doesn't end well"
passed "a job of the second site ends well"
at_least "what the new node got through the swarm" "$(bytes_from two swarm)" 1
equal "the output on the new node" "$(run_image "$work/two" "$image")" "$(output_of python)"

# The first comes back: its job goes on, and nobody falls upon it.
start_site "$work/first"
eventually 180 "the job that it had when it was killed is done" job_is first "$job" "done"
has_nodes first 2 || fail "the first site knows $(nodes_at first) nodes"
same_tree "$work/one" "$other"
equal "layers of that image that the first site was asked for" \
  "$(for layer in $(manifest_of "$other" | jq -r '.layers[1:][].digest'); do asked_for first "/samara/v1/layers/$layer"; done | sort -u)" 0

# The second goes in turn; what only it made the first makes now.
blob=$(site_layers "$(address_of second)" '' "$other" | tail -n 1 | cut -d' ' -f3)
told=$(told_at second "$blob")
cri "$work/two/containerd" pull "$other"
eventually 60 "both nodes are told of each other" has_told second "$blob" $((told + 2))
kill_process "$(<"$work/second/pid")"
equal "the output without the second site" "$(run_image "$work/two" "$other" --first-output)" "$(output_of node)"

# Both away, and the nodes started anew.
stop_site "$work/first"
for node in one two; do
  stop_node "$work/$node"
  start_node_again "$work/$node"
done
same_tree "$work/two" "$other"
at_least "what the second node got from the first without any site" "$(bytes_from two neighbours)" $((1 << 20))
equal "reads that failed" "$(node_metric "$work/two" samara_fuse_read_errors_total)" 0
