#!/usr/bin/env bash
# `samara hosts-toml` makes a containerd pull through the site, and `samara doctor` tells when it doesn't.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

samara() { "$build_directory/apps/samara" "$@"; }
doctor() { samara doctor --site "http://$site_address" --json --containerd-config "$1"; }
# findings CONFIG: the ids of what is wrong.
findings() { doctor "$1" | jq -r '[.findings[] | select(.wrong) | .id] | join(" ")'; }
# hosts_toml SITE [OPTION…]
hosts_toml() { samara hosts-toml --site "http://$1" --only --output "$work/one/containerd/certs.d" "${@:2}"; }

need_root
need_overlayfs
temporary_directory work
start_registry "$images_directory/registry"
start_site "$work/site"

# What Debian's containerd says when nobody has configured it.
containerd config default >"$work/default.toml"
equal "what is wrong with containerd's defaults" "$(findings "$work/default.toml")" "config-path-missing"
fails "doctor's exit code says so" doctor "$work/default.toml"

start_containerd "$work/one/containerd" overlayfs
config=$work/one/containerd/config.toml
equal "what is wrong without any hosts.toml" "$(findings "$config")" "mirror-unused"

contains "hosts-toml" "$(hosts_toml "$site_address")" "_default/hosts.toml: written"
contains "hosts-toml, again" "$(hosts_toml "$site_address")" "unchanged"
equal "what is wrong with it" "$(findings "$config")" ""
succeeds "doctor's exit code says so" doctor "$config" >/dev/null
equal "the output of an image pulled so" "$(run_image "$work/one" "$(image_of python)")" "$(output_of python)"
at_least "the blobs that the site was asked for" "$(grep -c 'path=/v2/samara/python/blobs/' "$work/site/log")" 2

contains "hosts-toml for another site" "$(hosts_toml 127.0.0.1:1)" '\+\[host."http://127.0.0.1:1"\]'
equal "what is wrong then" "$(findings "$config")" "mirror-unused"
echo '# by hand' >"$work/one/containerd/certs.d/_default/hosts.toml"
fails "hosts-toml leaves alone what somebody else wrote" hosts_toml "$site_address"
succeeds "unless it is told to replace it" hosts_toml "$site_address" --force

# The snapshotter: configured, but not there.
sed -e 's/snapshotter = "overlayfs"/snapshotter = "samara"/' -e 's/annotations = false/annotations = true/' \
  "$config" >"$work/lazy.toml"
equal "what is wrong with a snapshotter that isn't declared" "$(findings "$work/lazy.toml")" "snapshotter-unknown"
printf '[proxy_plugins.samara]\n  type = "snapshot"\n  address = "%s"\n' "$work/no.sock" >>"$work/lazy.toml"
equal "and with one that isn't there and is told nothing" "$(findings "$work/lazy.toml")" "snapshotter-socket annotations-off"

stop_site "$work/site"
equal "what is wrong without the site" "$(findings "$config")" "site-unreachable"
