#!/usr/bin/env bash
# Warm jobs from another machine: the seed's API over TCP, by a certificate or a token and by nothing else; certificates
# that are replaced are used without a restart, and no token is written down.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"
source "$top/tests/e2e/certificates.sh"

readonly token=0123456789abcdef0123456789abcdef other_token=ffffffffffffffffffffffffffffffff
make_authorities
issue "$ca" operator
issue "$work/strangers" stranger
start_registry "$images_directory/registry"
seed_address=127.0.0.1:$(free_port)
printf 'tester %s\n' "$token" >"$work/tokens"
printf '%s\n' "$token" >"$work/token"
printf '%s\n' "$other_token" >"$work/other-token"
extra_site_configuration=''
mkdir -p "$work/site"
echo "127.0.0.1:$(free_port)" >"$work/site/address"
cat >"$work/site/site.toml" <<TOML
listen = "$(<"$work/site/address")"
name = "site"
root = "$work/site/cache"
[seed]
socket = "$work/site/seed.sock"
listen = "$seed_address"
certificate = "$ca/site.pem"
key = "$ca/site.key"
client_ca = "$ca/ca.pem"
tokens_file = "$work/tokens"
[upstream."$local_registry"]
urls = ["http://$registry_address"]
TOML
start_site "$work/site"
far=(--seed "$seed_address" --ca "$ca/ca.pem")

# asks OPTION…: what `samara nodes` says, be it an answer or a refusal.
asks() { samara nodes "$@" 2>&1 || true; }

contains "what somebody without a credential gets" "$(asks "${far[@]}")" "asks for a token"
contains "what somebody with another token gets" "$(asks "${far[@]}" --token-file "$work/other-token")" "doesn't know that token"
succeeds "a token lets in" samara nodes "${far[@]}" --token-file "$work/token"
succeeds "a certificate lets in" samara nodes "${far[@]}" --certificate "$ca/operator.pem" --key "$ca/operator.key"
contains "what a stranger's certificate gets" \
  "$(asks "${far[@]}" --certificate "$work/strangers/stranger.pem" --key "$work/strangers/stranger.key")" "no seed answers at"
contains "what somebody gets who doesn't trust the seed" "$(asks --seed "$seed_address" --ca "$work/strangers/ca.pem")" "no seed answers at"

# A job, from there.
begin_warm_node "$work/one"
eventually 30 "the node is heard of" has_nodes 1
succeeds "a job over TCP" samara warm "${far[@]}" --token-file "$work/token" "$(image_of python)" --level index --wait
equal "the jobs that the certificate sees" \
  "$(samara jobs "${far[@]}" --certificate "$ca/operator.pem" --key "$ca/operator.key" --json | jq '.jobs | length')" 1

# The seed's certificate is replaced by one of another authority.
issue "$work/strangers" site "DNS:localhost,IP:127.0.0.1"
cp "$work/strangers/site.key" "$ca/site.key.new"
cp "$work/strangers/site.pem" "$ca/site.pem.new"
mv "$ca/site.key.new" "$ca/site.key"
mv "$ca/site.pem.new" "$ca/site.pem"
eventually 30 "the new certificate is used" samara nodes --seed "$seed_address" --ca "$work/strangers/ca.pem" --token-file "$work/token"
contains "what the old authority is worth" "$(asks "${far[@]}" --token-file "$work/token")" "no seed answers at"

# A second site without a socket of its own says what to do.
mkdir -p "$work/second"
sed -e "s#$(<"$work/site/address")#127.0.0.1:$(free_port)#; s#$work/site/cache#$work/second/cache#; s#^socket.*##; s#$seed_address#127.0.0.1:$(free_port)#" \
  "$work/site/site.toml" >"$work/second/site.toml"
sed -i "s#$ca/site.pem#$work/nothing.pem#" "$work/second/site.toml"
contains "what a certificate that isn't there gets" \
  "$("$build_directory/apps/samara-site" --config "$work/second/site.toml" 2>&1 || true)" "$work/nothing.pem"

! grep -rqaF -e "$token" -e "$other_token" "$work/site/log" "$work/site/cache" || fail "a token is written down: $(grep -rlaF -e "$token" -e "$other_token" "$work/site/log" "$work/site/cache")"
passed "no token is in the log or the tables of the site"
