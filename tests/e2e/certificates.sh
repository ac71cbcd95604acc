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
