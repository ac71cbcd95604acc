#!/usr/bin/env bash
# containerd pulls an image through a site whose cache is smaller than the image.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root
need_overlayfs
temporary_directory work
start_registry "$images_directory/registry"
extra_site_configuration='convert = "never"
[cache]
quota = "64MiB"'
start_site "$work/site"
at_least "the bytes of the image" "$(image_bytes "$(image_of python)")" $((100 << 20))

for client in first second; do
  write_hosts "$work/$client/containerd" _default "http://$site_address"
  start_containerd "$work/$client/containerd" overlayfs
  equal "the output, $client client" "$(run_image "$work/$client" "$(image_of python)")" "$(output_of python)"
done
small_enough() { (($(du -s --block-size=1 "$work/site/cache" | cut -f1) <= 64 << 20)); }
eventually 30 "the cache is within its quota" small_enough
