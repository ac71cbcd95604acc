#!/usr/bin/env bash
# Registries that send something wrong: containerd is told, the daemons stay up, and the cache keeps nothing of it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A registry whose images are called fault.local/fault/FAULT:1, beside the usual one.
begin_with_fake_registry() {
  temporary_directory work
  printf '#include <stdio.h>\nint main(void) { return puts("hello from the fake registry") < 0; }\n' >"$work/hello.c"
  gcc -static -Os -o "$work/hello" "$work/hello.c"
  fake_address=127.0.0.1:$(free_port)
  start_process fake-registry "$work/fake.log" python3 "$top/tests/e2e/fake_registry.py" "${fake_address#*:}" "$work/hello"
  wait_ready "$started" fake-registry "$work/fake.log" curl -sf -o /dev/null "http://$fake_address/v2/"
  extra_site_configuration="[upstream.\"fault.local\"]
urls = [\"http://$fake_address\"]
idle_timeout = \"1s\""
  begin
}

begin_with_fake_registry

# pull_fails FAULT [PATTERN]: the pull fails, in time, with a message that matches PATTERN; nothing else breaks.
pull_fails() {
  local fault=$1 pattern=${2:-} message
  if message=$(timeout 120 "$build_directory/tests/tools/cri_run" --socket "$work/lazy/containerd/containerd.sock" \
    pull "fault.local/fault/$fault:1" 2>&1); then
    fail "an image with the fault $fault was pulled"
  fi
  [[ -z $pattern ]] || contains "the message about $fault" "$message" "$pattern"
  succeeds "samara-site is up after $fault" is_ready "$site_address"
  succeeds "samara-node is up after $fault" is_ready "$(node_address "$work/lazy")"
}

# layer_of FAULT: the hex of its layer's digest.
layer_of() {
  curl -sf "http://$fake_address/v2/fault/$1/manifests/1" | jq -r '.layers[0].digest | ltrimstr("sha256:")'
}
has_object() { find "${@:2}" -type f -name "*$1*" | grep -q .; }

# nothing_kept FAULT: no object of the site's cache, nor of the node's, is the layer that FAULT has, nor a part of one.
nothing_kept() {
  fails "nothing of the layer of $1 is kept" has_object "$(layer_of "$1")" "$work/site" "$work/lazy/node"
}
# never_an_object FAULT: the same, but for the part that came, which waits in incoming/ for a download to go on from it.
never_an_object() {
  fails "the part of $1's layer that came is no object" has_object "$(layer_of "$1")" "$work/site" "$work/lazy/node" \
    -not -path '*/incoming/*'
}

for fault in wrong-bytes layer-401 layer-404 layer-500; do
  pull_fails "$fault"
  nothing_kept "$fault"
done
for fault in manifest-401 manifest-404 manifest-500 not-a-manifest huge-manifest unknown-media-type; do
  pull_fails "$fault"
done
for fault in corrupt-gzip cut-tar not-a-tar wrong-diff-id; do pull_fails "$fault"; done
for fault in cut-for-good hang; do
  pull_fails "$fault"
  never_an_object "$fault"
done

# A connection that only breaks is taken up where it broke.
equal "the output of an image whose download is cut" "$(run_image "$work/lazy" fault.local/fault/cut:1)" \
  "hello from the fake registry"

# After all of that, a good image still comes, and lazily.
equal "the output of a good image" "$(run_image "$work/lazy" fault.local/fault/good:1)" "hello from the fake registry"
fails "containerd has not fetched its layer itself" has_object "$(layer_of good)" "$work/lazy/containerd/root"
