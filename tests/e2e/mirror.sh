#!/usr/bin/env bash
# containerd with overlayfs, pulling ordinarily through samara-site.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# begin_mirrored NAME: an empty containerd behind the site.
begin_mirrored() {
  write_hosts "$work/$1/containerd" _default "http://$site_address"
  start_containerd "$work/$1/containerd" overlayfs
}

need_root
need_overlayfs
temporary_directory work
start_registry "$images_directory/registry"
start_site "$work/site"
begin_mirrored first

for name in python node java; do
  equal "the output of $name" "$(run_image "$work/first" "$(image_of $name)")" "$(output_of $name)"
done

# The pull API itself: by tag and by digest, whole and in part.
site() { curl -sf "$@"; }
query="ns=$local_registry"
registry_get samara/python/manifests/1 >"$work/manifest"
digest=sha256:$(sha256sum <"$work/manifest" | cut -d' ' -f1)
accept='Accept: application/vnd.oci.image.manifest.v1+json'
headers=$(site -I -H "$accept" "http://$site_address/v2/samara/python/manifests/1?$query" | tr -d '\r')
contains "HEAD of a tag" "$headers" "[Dd]ocker-[Cc]ontent-[Dd]igest: $digest"
contains "HEAD of a tag" "$headers" "[Cc]ontent-[Ll]ength: $(wc -c <"$work/manifest")"
site -H "$accept" "http://$site_address/v2/samara/python/manifests/$digest?$query" >"$work/mirrored"
succeeds "a manifest by digest is the registry's, byte for byte" cmp "$work/manifest" "$work/mirrored"

layer=$(jq -r '.layers[-1].digest' "$work/manifest")
blob="http://$site_address/v2/samara/python/blobs/$layer?$query"
site "$blob" >"$work/blob"
equal "the digest of a blob" "sha256:$(sha256sum <"$work/blob" | cut -d' ' -f1)" "$layer"
site -r 1000-1999 "$blob" >"$work/part"
succeeds "a range of a blob is that range" cmp "$work/part" <(tail -c +1001 "$work/blob" | head -c 1000)
contains "the access log" "$(grep 'class=blob-range' "$work/site/log" | tail -n 1)" \
  'status=206 bytes=1000 first_byte_ms=[0-9.]+ ms=[0-9.]+ source=disk'
contains "the metrics" "$(site "http://$site_address/metrics")" \
  'samara_site_requests_total\{class="blob-range",source="disk",status="206"\} 1'
equal "the status of a range beyond the end" \
  "$(curl -s -o /dev/null -w '%{http_code}' -r 999999999999- "$blob")" 416
equal "the status of an unknown blob" "$(curl -s -o /dev/null -w '%{http_code}' \
  "http://$site_address/v2/samara/python/blobs/sha256:$(printf '0%.0s' {1..64})?$query")" 404

# What the site holds needs no registry.
stop_process "$registry_pid" docker-registry
begin_mirrored second
equal "the output without the registry" "$(run_image "$work/second" "$(image_of python)")" "$(output_of python)"
fails "an image that the site never saw is reported as a failure" \
  cri "$work/second/containerd" pull "$local_registry/samara/never:1"
