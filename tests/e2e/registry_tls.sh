#!/usr/bin/env bash
# An upstream as companies have them: Debian's docker-registry over TLS with a certificate of a private authority, that
# asks for a client certificate and for a password.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$top/tests/e2e/certificates.sh"

start_tls_registry() {
  local directory=$work/upstream port
  port=$(free_port)
  mkdir -p "$directory"
  write_htpasswd "$directory/htpasswd"
  cat >"$directory/config.yml" <<YAML
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $1}}
http:
  addr: "127.0.0.1:$port"
  tls: {certificate: $ca/registry.pem, key: $ca/registry.key, clientcas: [$ca/ca.pem]}
auth: {htpasswd: {realm: private, path: $directory/htpasswd}}
YAML
  tls_registry=https://127.0.0.1:$port
  start_process docker-registry "$directory/log" docker-registry serve "$directory/config.yml"
  wait_ready "$started" docker-registry "$directory/log" \
    curl -sf -o /dev/null --cacert "$ca/ca.pem" --cert "$ca/site.pem" --key "$ca/site.key" -u me:hunter2 "$tls_registry/v2/"
}

# begin_site NAME LINE…: a site over that registry, with these lines in its upstream's table.
begin_site() {
  mkdir -p "$work/$1"
  echo "127.0.0.1:$(free_port)" >"$work/$1/address"
  {
    printf 'listen = "%s"\nroot = "%s"\nconvert = "never"\ndefault_registry = "%s"\n' "$(<"$work/$1/address")" \
      "$work/$1/cache" "$local_registry"
    printf '[upstream."%s"]\nurls = ["%s"]\n' "$local_registry" "$tls_registry"
    printf '%s\n' "${@:2}"
  } >"$work/$1/site.toml"
  start_site "$work/$1"
}
# status PATH: what the last site answers.
status() { curl -s -o "$work/answer" -w '%{http_code}' "http://$site_address/v2/samara/python/$1"; }

temporary_directory work
ca=$work/ca
make_authority "$ca"
issue "$ca" registry "DNS:localhost,IP:127.0.0.1"
issue "$ca" site
start_tls_registry "$images_directory/registry"
printf 'hunter2\n' >"$work/password"
printf 'wrong\n' >"$work/other-password"
authority="ca_file = \"$ca/ca.pem\""
certificate="client_certificate = \"$ca/site.pem\"
client_key = \"$ca/site.key\""
login="username = \"me\"
password_file = \"$work/password\""

begin_site whole "$authority" "$certificate" "$login"
equal "the answer for a manifest" "$(status manifests/1)" 200
layer=$(jq -r '.layers[-1].digest' "$work/answer")
equal "the answer for a layer" "$(status "blobs/$layer")" 200
equal "its digest" "sha256:$(sha256sum <"$work/answer" | cut -d' ' -f1)" "$layer"
equal "the answer for what isn't there" "$(status manifests/never)" 404

begin_site stranger "$certificate" "$login"
equal "the answer of a site that doesn't know the authority" "$(status manifests/1)" 502
begin_site bare "$authority" "$login"
equal "the answer of a site without a certificate" "$(status manifests/1)" 502
begin_site wrong "$authority" "$certificate" "${login/password\"/other-password\"}"
equal "the answer of a site with a wrong password" "$(status manifests/1)" 401
mv "$work/password" "$work/other-password"
is_given() { [[ $(status manifests/1) == 200 ]]; }
eventually 60 "the right password is taken without a restart" is_given
fails "no secret is in any log" grep -r hunter2 "$work"/*/log
