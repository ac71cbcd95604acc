# shellcheck shell=bash
# A registry that gives nothing to strangers, and a site before it that has no credential of its own. Sourced.

readonly owner=me:hunter2 stranger=you:secret

# start_private_registry STORAGE [HOST] [NETNS]: everything in it is for $owner alone, or for whoever is in
# $work/private/htpasswd, once that is there. Sets $private_address and $private_pid.
start_private_registry() {
  local directory=$work/private host=${2:-127.0.0.1} netns=${3:-} port prefix=()
  port=$(free_port)
  mkdir -p "$directory"
  [[ -f $directory/htpasswd ]] || write_htpasswd "$directory/htpasswd"
  cat >"$directory/config.yml" <<YAML
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $1}}
http: {addr: "$host:$port"}
auth: {htpasswd: {realm: private, path: $directory/htpasswd}}
YAML
  private_address=$host:$port
  mapfile -t prefix < <(namespace_words "$netns")
  start_process docker-registry "$directory/log" "${prefix[@]}" docker-registry serve "$directory/config.yml"
  private_pid=$started
  wait_ready "$private_pid" docker-registry "$directory/log" registry_knocks "$netns"
}

# It answers, if only that it wants a credential.
registry_knocks() { [[ $(in_namespace "$1" curl -s -o /dev/null -w '%{http_code}' "http://$private_address/v2/") == 401 ]]; }

# start_private_site [HOST] [NETNS]: $local_registry is the private registry.
start_private_site() {
  local host=${1:-127.0.0.1}
  mkdir -p "$work/site"
  echo "$host:$(free_port)" >"$work/site/address"
  cat >"$work/site/site.toml" <<TOML
listen = "$(<"$work/site/address")"
$([[ $host == 127.* ]] || echo 'access = "open"')
root = "$work/site/cache"
default_registry = "$local_registry"
ask_to_log_in = true
[upstream."$local_registry"]
urls = ["http://$private_address"]
TOML
  start_site "$work/site" "$@"
}
