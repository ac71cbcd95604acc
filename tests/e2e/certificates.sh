# shellcheck shell=bash
# A certificate authority of a test's own. Sourced.

# make_authority DIRECTORY: ca.pem and its key there.
make_authority() {
  mkdir -p "$1"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$(basename "$1")" \
    -keyout "$1/ca.key" -out "$1/ca.pem" 2>>"$work/openssl.log"
}

# make_authorities: $ca, which has issued a certificate to "site", and that of strangers in $work/strangers.
make_authorities() {
  ca=$work/ca
  make_authority "$ca"
  make_authority "$work/strangers"
  issue "$ca" site "DNS:localhost,IP:127.0.0.1"
}

# issue DIRECTORY NAME [SUBJECT_ALT_NAMES]: NAME.pem and NAME.key, signed by the authority in DIRECTORY.
issue() {
  local directory=$1 name=$2 names=${3:-DNS:$2}
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$directory/$name.key" -out "$directory/$name.csr" 2>>"$work/openssl.log"
  openssl x509 -req -in "$directory/$name.csr" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" -CAcreateserial \
    -days 1 -extfile <(printf 'subjectAltName=%s\n' "$names") -out "$directory/$name.pem" 2>>"$work/openssl.log"
}

# start_site_with_certificates CONFIGURATION: plain for the test and containerd on loopback, with certificates for nodes at
# $nodes_url.
start_site_with_certificates() {
  local lan
  lan=127.0.0.1:$(free_port)
  nodes_url=https://$lan
  extra_site_configuration="$1
[listener.lan]
listen = \"$lan\"
certificate = \"$ca/site.pem\"
key = \"$ca/site.key\"
client_ca = \"$ca/ca.pem\""
  start_site "$work/site"
}

# begin_certified NAME SUBJECT_ALT_NAMES CONFIGURATION: a node that shows that certificate to such a site.
begin_certified() {
  issue "$ca" "$1" "$2"
  extra_node_configuration="site_ca = \"$ca/ca.pem\"
site_certificate = \"$ca/$1.pem\"
site_key = \"$ca/$1.key\"
[wait]
base = \"300s\"
$3"
  site_url=$nodes_url begin_node "$work/$1"
}
