#!/usr/bin/env bash
# Images are carried in a file from a site with a network to one without: no registry, no other site, no route. There a
# node starts them lazily, and their signatures are still what they were.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root
need_fuse
need_overlayfs
temporary_directory work
samara=$build_directory/apps/samara
says() { contains "what it says" "$("${@:2}" 2>&1 || true)" "$1"; }

# ---- a signed image ----------------------------------------------------------------------------------------------

# put_blob REPOSITORY FILE: into the registry; prints its digest.
put_blob() {
  local digest upload
  digest=sha256:$(sha256sum <"$2" | cut -d' ' -f1)
  upload=$(curl -sf -X POST -o /dev/null -D - "http://$registry_address/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" \
    "$upload$([[ $upload == *\?* ]] && echo '&' || echo '?')digest=$digest" >&2
  echo "$digest"
}
# put_manifest REPOSITORY REFERENCE FILE TYPE
put_manifest() { curl -sf -X PUT -H "Content-Type: $4" --data-binary "@$3" "http://$registry_address/v2/$1/manifests/$2"; }

# sign REPOSITORY DIGEST: what cosign leaves beside an image, and an SBOM that refers to it, under the tags that registries
# without an API for referrers have.
sign() {
  local oci=application/vnd.oci.image subject config payload
  subject='"subject":{"mediaType":"'$oci'.manifest.v1+json","digest":"'$2'","size":1}'
  echo '{}' >"$work/config.json"
  echo '{"critical":{"image":{"docker-manifest-digest":"'"$2"'"}}}' >"$work/payload.json"
  config=$(put_blob "$1" "$work/config.json")
  payload=$(put_blob "$1" "$work/payload.json")
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":"%s","size":%s,"annotations":{"dev.cosignproject.cosign/signature":"MEUCIQ"}}]}' \
    $oci $oci "$config" "$(stat -c %s "$work/config.json")" "$payload" "$(stat -c %s "$work/payload.json")" >"$work/signature.json"
  put_manifest "$1" "${2/:/-}.sig" "$work/signature.json" $oci.manifest.v1+json
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/spdx+json","digest":"%s","size":%s}],%s}' \
    $oci "$config" "$(stat -c %s "$work/config.json")" "$payload" "$(stat -c %s "$work/payload.json")" "$subject" >"$work/sbom.json"
  sbom=sha256:$(sha256sum <"$work/sbom.json" | cut -d' ' -f1)
  put_manifest "$1" "$sbom" "$work/sbom.json" $oci.manifest.v1+json
  printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[{"mediaType":"%s.manifest.v1+json","digest":"%s","size":%s,"artifactType":"application/spdx+json"}]}' \
    $oci $oci "$sbom" "$(stat -c %s "$work/sbom.json")" >"$work/referrers.json"
  put_manifest "$1" "${2/:/-}" "$work/referrers.json" $oci.index.v1+json
}

cp -al "$images_directory/registry" "$work/registry" # what is pushed below stays out of the others' tests
start_registry "$work/registry"
image=$(image_of python)
manifest_of "$image" >"$work/manifest.json"
digest=sha256:$(sha256sum <"$work/manifest.json" | cut -d' ' -f1)
sign samara/python "$digest"
chain=$(chain_id "$image")

# ---- site A, with a network --------------------------------------------------------------------------------------

extra_node_configuration='[wait]
base = "300s"
[background]
fetch = false
[traces]
settle = "1s"'
start_site "$work/a"
a=http://$site_address
begin_node "$work/a-node"
equal "what it prints at site A" "$(run_image "$work/a-node" "$image")" "$(output_of python)"
eventually 60 "site A knows how it starts" curl -sf -o /dev/null "$a/samara/v1/traces/$chain"
stop_containerd "$work/a-node/containerd"
stop_node "$work/a-node"

says 'nothing:1 isn.t there' "$samara" export --address "$a" "$local_registry/samara/nothing:1" "$work/nothing.samara"
fails "nothing is written of it" test -e "$work/nothing.samara"
says 'no image for' "$samara" export --address "$a" "$image" "$work/nothing.samara" --platform linux/none
succeeds "images are exported" "$samara" export --address "$a" "$image" "$pause_image" "$work/images.samara" --json >"$work/exported.json"
equal "the manifest" "$(jq -r '.images[0].manifest' "$work/exported.json")" "$digest"
equal "manifests with signature and SBOM" "$(jq '.images[0].manifests' "$work/exported.json")" 3
equal "start traces" "$(jq '.images[0].traces' "$work/exported.json")" 1
succeeds "again" "$samara" export --address "$a" "$image" "$pause_image" "$work/again.samara"
succeeds "the same images give the same file" cmp "$work/images.samara" "$work/again.samara"
succeeds "into a directory, with the original layers" "$samara" export --address "$a" "$image" "$work/layout/" --originals
equal "what skopeo reads there" "sha256:$(skopeo inspect --raw "oci:$work/layout:$image" | sha256sum | cut -d' ' -f1)" "$digest"
succeeds "tar reads the file" tar -tf "$work/images.samara" >"$work/names"
contains "its files" "$(<"$work/names")" samara.json

stop_process "$site_pid" samara-site
stop_process "$registry_pid" docker-registry

# ---- site B: a network namespace with nothing in it --------------------------------------------------------------

b=samara-b$$
ip netns add "$b" && on_exit ip netns delete "$b"
ip -n "$b" link set lo up
start_site "$work/b" 127.0.0.1 "$b"
at_b() { in_namespace "$b" "$samara" "$@" --address "http://$site_address"; }
import() { "$samara" import --seed "unix://$work/b/seed.sock" "$@"; }
is_listed() { at_b image ls --json | jq -r '.images[].name' | grep -qxF "$image"; }

# What isn't whole, or was altered, is refused, and leaves nothing that shows.
head -c 1000000 "$work/images.samara" >"$work/cut.samara"
says "can't be an archive of ours: it ends in the middle" import "$work/cut.samara"
head -c 1000000 /dev/urandom >"$work/noise.samara"
says "can't be an archive of ours" import "$work/noise.samara"
says "isn't what .samara export. writes" import "$work/b"
mkdir "$work/altered" && tar -xf "$work/images.samara" -C "$work/altered"
blob=$(find "$work/altered/blobs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
printf 'altered' | dd of="$blob" bs=1 seek=1000000 conv=notrunc status=none
says "$(basename "$blob")" import "$work/altered"
fails "an image with an altered blob isn't there" is_listed
sed -e "s/$(basename "$blob")/$(printf '%064d' 0)/g" -i "$work/altered/samara.json"
says 'has no blobs/sha256/0000' import "$work/altered"
says 'no seed answers' "$samara" import --seed "unix://$work/nothing.sock" "$work/images.samara"

# Killed in the middle, it goes on.
import "$work/images.samara" >"$work/import.log" 2>&1 &
importing=$!
kill_process "$site_pid"
fails "the import whose site was killed" wait "$importing"
start_site "$work/b" 127.0.0.1 "$b"
fails "nothing shows of it" is_listed
succeeds "it is imported" import "$work/images.samara" --json >"$work/imported.json"
at_least "bytes that had come before" "$(jq '.images[0].bytes_here_already' "$work/imported.json")" 1000
succeeds "site B lists it" is_listed
equal "whether all of it is there" "$(at_b image show "$image" --json | jq .complete)" true
says 'is pinned as .*imported by' at_b image rm "$image"
succeeds "a second time" import "$work/images.samara" --json >"$work/imported.json"
equal "the bytes that were brought then" "$(jq '[.images[].bytes_brought] | add' "$work/imported.json")" 0

# A node starts it lazily.
site_url=http://$site_address
start_node "$work/b-node" "$b"
write_hosts "$work/b-node/containerd" _default "http://$site_address"
start_containerd "$work/b-node/containerd" samara "$work/b-node/snapshotter.sock" "$b"
equal "what it prints at site B" "$(run_image "$work/b-node" "$image")" "$(output_of python)"
equal "layers that containerd has fetched itself" \
  "$(jq -r '.layers[].digest' "$work/manifest.json" | while read -r layer; do
    find "$work/b-node/containerd/root/io.containerd.content.v1.content/blobs/sha256" -name "${layer#sha256:}"
  done | wc -l)" 0
less_than "bytes that the node has fetched" "$(node_fetched_bytes "$work/b-node")" "$(jq '[.layers[].size] | add' "$work/manifest.json")"

# Signatures, SBOM and start trace are what they were.
get_at_b() { in_namespace "$b" curl -sf "http://$site_address$1"; }
get_at_b "/v2/samara/python/manifests/${digest/:/-}.sig?ns=$local_registry" >"$work/signature.b"
succeeds "the signature" cmp "$work/signature.b" "$work/signature.json"
equal "what it signs" "$(get_at_b "/v2/samara/python/blobs/$(jq -r '.layers[0].digest' "$work/signature.json")?ns=$local_registry")" "$(<"$work/payload.json")"
equal "what refers to the image" "$(get_at_b "/v2/samara/python/referrers/$digest?ns=$local_registry" | jq -r '.manifests[].digest')" "$sbom"
get_at_b "/v2/samara/python/manifests/$sbom?ns=$local_registry" >"$work/sbom.b"
succeeds "the SBOM" cmp "$work/sbom.b" "$work/sbom.json"
contains "how it starts" "$(get_at_b "/samara/v1/traces/$chain")" 'starts [1-9]'
