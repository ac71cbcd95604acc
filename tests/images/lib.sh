# shellcheck shell=bash
# What tests and benchmarks know of the images that build.sh makes. Sourced; asks the registry of start_registry.
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/stack.sh"

# image_of NAME: its reference.
image_of() {
  case $1 in
    python2) echo "$local_registry/samara/python:2" ;;
    *) echo "$local_registry/samara/$1:1" ;;
  esac
}

# What its program prints.
output_of() {
  case $1 in
    python) echo "python says 45 with flask flask and numpy numpy" ;;
    python2) echo "python says 45 with flask flask, numpy numpy and requests" ;;
    node) echo "node says 9ef10000" ;;
    java) echo "java says 1 4 9 16" ;;
  esac
}

registry_get() {
  in_namespace "$registry_netns" curl -sfL -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$registry_address/v2/$1"
}

# manifest_of IMAGE: from the registry.
manifest_of() {
  local name=${1#"$local_registry"/}
  registry_get "${name%:*}/manifests/${name##*:}"
}

# Compressed bytes of an image's layers.
image_bytes() { manifest_of "$1" | jq '[.layers[].size] | add'; }

# Name of the snapshot of all of an image's layers (OCI image spec, "Layer ChainID").
chain_id() {
  local name=${1#"$local_registry"/} config chain='' diff
  config=$(manifest_of "$1" | jq -r .config.digest)
  for diff in $(registry_get "${name%:*}/blobs/$config" | jq -r '.rootfs.diff_ids[]'); do
    if [[ -z $chain ]]; then chain=$diff; else chain=sha256:$(printf '%s' "$chain $diff" | sha256sum | cut -d' ' -f1); fi
  done
  printf '%s\n' "$chain"
}
