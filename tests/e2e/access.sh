#!/usr/bin/env bash
# Who may talk to a site: over TLS with a client certificate, with a token, and nobody else; with containerd and skopeo.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/e2e/certificates.sh"

readonly token=0123456789abcdef0123456789abcdef

# A site with three addresses: plain and open on loopback, one for certificates ($tls_url), one for tokens
# ($token_url).
begin_site() {
  local tls_address token_address
  mkdir -p "$work/site"
  echo "127.0.0.1:$(free_port)" >"$work/site/address"
  tls_address=127.0.0.1:$(free_port) token_address=127.0.0.1:$(free_port)
  tls_url=https://$tls_address token_url=https://$token_address
  printf '# who may\ntester %s\n' "$token" >"$work/tokens"
  cat >"$work/site/site.toml" <<TOML
listen = "$(<"$work/site/address")"
root = "$work/site/cache"
default_registry = "$local_registry"
[listener.certificates]
listen = "$tls_address"
certificate = "$ca/site.pem"
key = "$ca/site.key"
client_ca = "$ca/ca.pem"
[listener.tokens]
listen = "$token_address"
certificate = "$ca/site.pem"
key = "$ca/site.key"
tokens_file = "$work/tokens"
[upstream."$local_registry"]
urls = ["http://$registry_address"]
TOML
  start_site "$work/site"
}

# hosts DIRECTORY URL [LINE…]: the containerd of DIRECTORY asks URL, with these lines in its [host] table.
hosts() {
  local directory=$1/containerd/certs.d/_default url=$2
  shift 2
  mkdir -p "$directory"
  printf '%s\n' "server = \"$url\"" "[host.\"$url\"]" 'capabilities = ["pull", "resolve"]' "ca = \"$ca/ca.pem\"" "$@" \
    >"$directory/hosts.toml"
}

# begin_stranger NAME URL [LINE…]: a containerd with overlayfs behind URL.
begin_stranger() {
  hosts "$work/$1" "$2" "${@:3}"
  start_containerd "$work/$1/containerd" overlayfs
}

# status CURL_OPTION…: the HTTP status, 000 when there is none.
status() { curl -s -o /dev/null -w '%{http_code}' --max-time 10 --cacert "$ca/ca.pem" "$@" || true; }

# requests STATUS: how many requests of the site's log were answered so.
requests() { grep -c "msg=request .*status=$1 " "$work/site/log" || true; }

check_config() { "$build_directory/apps/samara-site" --config "$1" --check-config 2>>"$work/check.log"; }

need_root
need_fuse
need_overlayfs
temporary_directory work
make_authorities
issue "$ca" node
issue "$work/strangers" node
start_registry "$images_directory/registry"

# An address that others reach needs a word on who may use it.
printf 'listen = "0.0.0.0:7700"\n' >"$work/bare.toml"
fails "a site for everybody isn't started by accident" check_config "$work/bare.toml"
contains "why" "$(<"$work/check.log")" "0.0.0.0:7700.*client_ca.*tokens_file.*access"
printf 'listen = "0.0.0.0:7700"\naccess = "open"\n' >"$work/open.toml"
succeeds "it is when that is said" check_config "$work/open.toml"

begin_site
manifest=v2/samara/python/manifests/1
blob=v2/samara/python/blobs/$(manifest_of "$(image_of python)" | jq -r '.layers[0].digest')

# Certificates.
known=(--cert "$ca/node.pem" --key "$ca/node.key")
equal "a certificate's owner" "$(status "${known[@]}" "$tls_url/$manifest")" 200
equal "one without a certificate" "$(status "$tls_url/$manifest")" 403
equal "a stranger's certificate" \
  "$(status --cert "$work/strangers/node.pem" --key "$work/strangers/node.key" "$tls_url/$manifest")" 000
for path in "$blob" v2/ v2/_catalog metrics samara/v1/objects/sha256:0; do
  equal "/$path for a stranger" "$(status "$tls_url/$path")" 403
  equal "/$path without a token" "$(status "$token_url/$path")" 401
done
for url in "$tls_url" "$token_url"; do
  equal "/healthz for everybody" "$(status "$url/healthz")" 200
  equal "/readyz for everybody" "$(status "$url/readyz")" 200
done
equal "/metrics for a certificate's owner" "$(status "${known[@]}" "$tls_url/metrics")" 200

# Tokens, in each of the three ways.
equal "a Samara-Token" "$(status -H "Samara-Token: $token" "$token_url/$manifest")" 200
equal "a bearer token" "$(status -H "Authorization: Bearer $token" "$token_url/$manifest")" 200
equal "a token as password" "$(status --user "me:$token" "$token_url/$manifest")" 200
equal "a wrong token" "$(status --user "me:0123456789abcdef" "$token_url/$manifest")" 403
printf 'tester fedcba9876543210fedcba9876543210\n' >"$work/tokens.new"
mv "$work/tokens.new" "$work/tokens"
equal "a token that was taken away" "$(status --user "me:$token" "$token_url/$manifest")" 403
printf 'tester %s\n' "$token" >"$work/tokens.new"
mv "$work/tokens.new" "$work/tokens"
equal "a token that was given back" "$(status --user "me:$token" "$token_url/$manifest")" 200

# A node and its containerd, lazily, over mTLS.
site_url=$tls_url
wait_configuration=$extra_node_configuration
extra_node_configuration="site_ca = \"$ca/ca.pem\"
site_certificate = \"$ca/node.pem\"
site_key = \"$ca/node.key\"
$wait_configuration"
start_node "$work/lazy"
hosts "$work/lazy" "$tls_url" "client = [[\"$ca/node.pem\", \"$ca/node.key\"]]"
start_containerd "$work/lazy/containerd" samara "$work/lazy/snapshotter.sock"
equal "the output over mTLS" "$(run_image "$work/lazy" "$(image_of python)")" "$(output_of python)"
equal "layers that containerd fetched" "$(layers_fetched_by_containerd "$work/lazy" "$(image_of python)")" 0
contains "samara status" "$(status_of "$work/lazy")" '"answers": ?true'

# Another one with a token.
site_url=$token_url
printf '%s\n' "$token" >"$work/node-token"
extra_node_configuration="site_ca = \"$ca/ca.pem\"
site_token_file = \"$work/node-token\"
$wait_configuration"
start_node "$work/token"
"$build_directory/apps/samara" hosts-toml --site "$token_url" --only --ca "$ca/ca.pem" --token-file "$work/node-token" \
  --output "$work/token/containerd/certs.d" >"$work/hosts-toml.out"
fails "hosts-toml keeps the token to itself" grep -q "$token" "$work/hosts-toml.out"
start_containerd "$work/token/containerd" samara "$work/token/snapshotter.sock"
equal "the output with a token" "$(run_image "$work/token" "$(image_of python)")" "$(output_of python)"
equal "layers that containerd fetched" "$(layers_fetched_by_containerd "$work/token" "$(image_of python)")" 0

# containerd sends Authorization from [header] as it is.
begin_stranger bearer "$token_url" "[host.\"$token_url\".header]" "Authorization = \"Bearer $token\""
succeeds "a pull with a bearer token" cri "$work/bearer/containerd" pull "$pause_image"

# The command line shows itself in the same ways.
samara() { "$build_directory/apps/samara" "$@"; }
by_certificate=(--site "$tls_url" --ca "$ca/ca.pem" --client-cert "$ca/node.pem" --client-key "$ca/node.key")
by_token=(--site "$token_url" --ca "$ca/ca.pem" --token-file "$work/node-token")
for how in by_certificate by_token; do
  declare -n shown=$how
  contains "samara tag refresh, $how" "$(samara tag refresh "${shown[@]}" "$(image_of python)")" "unchanged"
  equal "what samara doctor finds, $how" "$(samara doctor "${shown[@]}" --json \
    --containerd-config "$work/token/containerd/config.toml" | jq -r '.findings[] | select(.id | startswith("site")) | .id')" ""
done
fails "samara tag refresh with nothing to show" samara tag refresh "${by_token[@]:0:4}" "$(image_of python)"
contains "what samara doctor finds then" \
  "$(samara doctor "${by_token[@]:0:4}" --containerd-config "$work/token/containerd/config.toml" || true)" "site-refuses"

# Strangers get nothing, and are told so at once: containerd asks each of its hosts once or twice, not in a loop.
begin_stranger nobody "$tls_url"
fails "a pull without a certificate" cri "$work/nobody/containerd" pull "$(image_of node)"
begin_stranger impostor "$tls_url" \
  "client = [[\"$work/strangers/node.pem\", \"$work/strangers/node.key\"]]"
fails "a pull with a stranger's certificate" cri "$work/impostor/containerd" pull "$(image_of node)"
before=$(requests 401)
begin_stranger tokenless "$token_url"
fails "a pull without a token" cri "$work/tokenless/containerd" pull "$(image_of node)"
less_than "the requests that were answered 401 then" $(($(requests 401) - before)) 8

begin_stranger elsewhere "$token_url" "[host.\"http://$site_address\"]" 'capabilities = ["pull", "resolve"]'
succeeds "a pull that goes on with the next host" cri "$work/elsewhere/containerd" pull "$pause_image"

# skopeo and docker log in with a name and a token.
skopeo_inspect() {
  skopeo inspect --cert-dir "$work/skopeo" "$@" "docker://${token_url#https://}/samara/python:1" 2>>"$work/skopeo.log"
}
mkdir "$work/skopeo"
cp "$ca/ca.pem" "$work/skopeo/ca.crt"
succeeds "skopeo with a token" skopeo_inspect --creds "me:$token"
fails "skopeo without one" skopeo_inspect --no-creds
fails "skopeo with a wrong one" skopeo_inspect --creds me:0123456789abcdef

fails "no token stands in the site's log" grep -q "$token" "$work/site/log"
