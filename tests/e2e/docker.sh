#!/usr/bin/env bash
# docker, pulling through samara-site: as a mirror of Docker Hub, and as a registry that it names itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly token=0123456789abcdef0123456789abcdef

# begin_site: Docker Hub and $local_registry are the same registry. What is asked of "localhost" means the latter; the
# second address asks for a token.
begin_site() {
  local address token_address
  address=127.0.0.1:$(free_port) token_address=127.0.0.1:$(free_port)
  site_port=${address##*:} token_port=${token_address##*:}
  mkdir -p "$work/site"
  echo "$address" >"$work/site/address"
  printf 'docker %s\n' "$token" >"$work/tokens"
  cat >"$work/site/site.toml" <<TOML
listen = "$address"
root = "$work/site/cache"
convert = "never"
[listener.tokens]
listen = "$token_address"
tokens_file = "$work/tokens"
[upstream."docker.io"]
urls = ["http://$registry_address"]
[upstream."$local_registry"]
urls = ["http://$registry_address"]
hosts = ["localhost"]
TOML
  start_site "$work/site"
}

# start_docker: a dockerd of our own, with a containerd of its own; no bridge and no firewall rules, which are the machine's.
start_docker() {
  local directory=$work/docker
  mkdir -p "$directory/config"
  jq -n --arg mirror "http://$site_address" '{"registry-mirrors": [$mirror]}' >"$directory/daemon.json"
  start_process dockerd "$directory/log" dockerd --config-file "$directory/daemon.json" --data-root "$directory/data" \
    --exec-root "$directory/exec" --pidfile "$directory/pid" --host "unix://$directory/docker.sock" \
    --bridge none --iptables=false --ip-forward=false --ip-masq=false --storage-driver overlay2
  docker_pid=$started
  wait_ready "$started" dockerd "$directory/log" docker_quietly info
  on_exit stop_docker
}
# Its containerd ends with it, if it has the time.
stop_docker() { stop_process "$docker_pid" dockerd; }

docker_() { docker --config "$work/docker/config" --host "unix://$work/docker/docker.sock" "$@"; }
docker_quietly() { docker_ "$@" >>"$work/docker/client.log" 2>&1; }
# run_in_docker IMAGE: what its program prints.
run_in_docker() { docker_ run --rm --network none "$1" 2>>"$work/docker/client.log"; }
asked_for() { grep -c "path=/v2/$1 .*ns=\"\" .*status=200" "$work/site/log" || true; }

need_root
need_overlayfs
command -v dockerd >/dev/null || die "dockerd is missing: it is in deploy/packages.txt"
temporary_directory work
start_registry "$images_directory/registry"
begin_site
start_docker

# Docker Hub's images, by tag and by digest.
succeeds "docker pulls by tag" docker_quietly pull samara/python:1
at_least "the manifests that the site gave for it" "$(asked_for samara/python/manifests/1)" 1
equal "the output of the image" "$(run_in_docker samara/python:1)" "$(output_of python)"
digest=sha256:$(registry_get samara/java/manifests/1 | sha256sum | cut -d' ' -f1)
succeeds "docker pulls by digest" docker_quietly pull "samara/java@$digest"
equal "the output of that image" "$(run_in_docker "samara/java@$digest")" "$(output_of java)"
blobs=$(grep -c 'path=/v2/samara/[a-z]*/blobs/.*status=200' "$work/site/log")
at_least "the blobs that the site gave" "$blobs" 4

# The same registry by a name of the site.
succeeds "docker pulls from a name that stands for a registry" docker_quietly pull "localhost:$site_port/samara/python:2"
equal "the output of that image" "$(run_in_docker "localhost:$site_port/samara/python:2")" "$(output_of python2)"
fails "docker gets no image that isn't there" docker_quietly pull "localhost:$site_port/samara/never:1"
contains "the registry that was meant" "$(curl -sf "http://$site_address/v2/_catalog?ns=$local_registry")" 'samara/python'

# An address that asks for a token.
fails "docker without a token gets nothing" docker_quietly pull "localhost:$token_port/samara/pause:1"
fails "docker can't log in with a wrong one" \
  docker_quietly login --username me --password wrong-wrong-wrong-wrong "localhost:$token_port"
succeeds "docker logs in with the right one" docker_quietly login --username me --password "$token" "localhost:$token_port"
succeeds "and pulls" docker_quietly pull "localhost:$token_port/samara/pause:1"

# What the site holds needs no registry.
stop_process "$registry_pid" docker-registry
docker_quietly image rm --force samara/python:1 "localhost:$site_port/samara/python:2"
succeeds "docker pulls again without the registry" docker_quietly pull samara/python:1
equal "the output of the image" "$(run_in_docker samara/python:1)" "$(output_of python)"
