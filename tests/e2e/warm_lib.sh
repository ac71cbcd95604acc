# shellcheck shell=bash
# What the tests of warm jobs share: nodes whose containerd asks the node itself first, and links that can be cut.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root
need_fuse
need_overlayfs
temporary_directory work
samara() { "$build_directory/apps/samara" "$@"; }
seed=(--seed "unix://$work/site/seed.sock")

# begin_warm_node DIRECTORY [NETNS]: a node, and its containerd, which asks the node before the site.
begin_warm_node() {
  local hosts=$1/containerd/certs.d/_default
  start_node "$1" "${2:-}"
  mkdir -p "$hosts"
  cat >"$hosts/hosts.toml" <<TOML
server = "http://$site_address"
[host."http://$(node_address "$1")"]
  capabilities = ["pull", "resolve"]
[host."http://$site_address"]
  capabilities = ["pull", "resolve"]
TOML
  start_containerd "$1/containerd" samara "$1/snapshotter.sock" "${2:-}"
}

nodes_here() { samara nodes "${seed[@]}" --json | jq '[.nodes[] | select(.away | not)] | length'; }
has_nodes() { (($(nodes_here) == $1)); }
job_state() { samara job show "${seed[@]}" "$1" --json | jq -r .state; }
is_in_state() { [[ $(job_state "$1") == "$2" ]]; }
verified_on() { (($(samara job show "${seed[@]}" "$1" --json | jq .counts.verified) >= $2)); }
