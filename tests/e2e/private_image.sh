#!/usr/bin/env bash
# A private image: its owner gets it through the site, a stranger nothing, also once it is cached and while the registry
# is away. containerd with the credential of a pod's secret and with none, skopeo with and without --src-creds.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/private.sh"

readonly image=$local_registry/samara/python:1

# begin_client NAME: an empty containerd behind the site.
begin_client() {
  write_hosts "$work/$1/containerd" _default "http://$site_address"
  start_containerd "$work/$1/containerd" overlayfs
}

pull() { cri "$work/$1/containerd" pull "${@:2}" 2>>"$work/cri.log"; }
skopeo_pull() {
  local target=$work/skopeo-$RANDOM$RANDOM
  skopeo copy --insecure-policy --src-tls-verify=false "${@}" "docker://$site_address/samara/python:1" "dir:$target" \
    >>"$work/skopeo.log" 2>&1
}
# What the site answers to a plain request: status_of_get PATH [CURL OPTION…]
status_of_get() { curl -s -o /dev/null -w '%{http_code}' "${@:2}" "http://$site_address$1"; }

need_root
need_overlayfs
temporary_directory work
start_private_registry "$images_directory/registry"
start_private_site
for name in owner stranger third; do begin_client $name; done

# Nothing is cached yet.
fails "containerd without a credential gets nothing" pull stranger "$image"
succeeds "containerd with the owner's credential gets the image" pull owner --auth "$owner" "$image"

# Now it is.
fails "containerd without a credential gets nothing of what is cached" pull stranger "$image"
fails "containerd with a wrong credential gets nothing of what is cached" pull stranger --auth "$stranger" "$image"
fails "skopeo without a credential gets nothing of what is cached" skopeo_pull
fails "skopeo with a wrong credential gets nothing of what is cached" skopeo_pull --src-creds "$stranger"
succeeds "skopeo with the owner's credential gets the image" skopeo_pull --src-creds "$owner"

curl -sf -u "$owner" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
  "http://$site_address/v2/samara/python/manifests/1" >"$work/manifest"
manifest=sha256:$(sha256sum <"$work/manifest" | cut -d' ' -f1)
layer=$(jq -r '.layers[0].digest' "$work/manifest")
for path in "/v2/samara/python/manifests/$manifest" "/v2/samara/python/blobs/$layer" /v2/samara/python/tags/list; do
  equal "a stranger's answer for ${path%%sha256*}" "$(status_of_get "$path")" 401
  equal "the owner's answer for ${path%%sha256*}" "$(status_of_get "$path" -u "$owner")" 200
done
for digest in "$manifest" "$layer"; do
  equal "what nodes are given of an object that isn't of a converted layer" \
    "$(status_of_get "/samara/v1/objects/$digest")" 404
done
fails "no secret is in the site's log" grep -e hunter2 -e "$(printf %s "$owner" | base64)" "$work/site/log"

# A stranger whose containerd has another host for the image is served by that one: the site's 401 doesn't end the pull.
start_registry "$images_directory/registry"
mkdir -p "$work/elsewhere/containerd/certs.d/$local_registry"
cat >"$work/elsewhere/containerd/certs.d/$local_registry/hosts.toml" <<TOML
server = "http://$registry_address"
[host."http://$site_address"]
  capabilities = ["pull", "resolve"]
[host."http://$registry_address"]
  capabilities = ["pull", "resolve"]
TOML
start_containerd "$work/elsewhere/containerd" overlayfs
succeeds "containerd without a credential goes on to its next host" pull elsewhere "$image"

# The registry goes away.
stop_process "$private_pid" docker-registry
succeeds "containerd with the owner's credential gets what is cached" pull third --auth "$owner" "$image"
succeeds "skopeo with the owner's credential gets what is cached" skopeo_pull --src-creds "$owner"
fails "containerd without a credential gets nothing while the registry is away" pull stranger "$image"
fails "containerd with a wrong credential gets nothing while the registry is away" pull stranger --auth "$stranger" "$image"
fails "skopeo without a credential gets nothing while the registry is away" skopeo_pull

stop_site "$work/site"
start_site "$work/site"
equal "the owner's answer after a restart of the site" \
  "$(status_of_get /v2/samara/python/manifests/1 -u "$owner")" 200
equal "a stranger's answer after a restart of the site" "$(status_of_get /v2/samara/python/manifests/1)" 401
