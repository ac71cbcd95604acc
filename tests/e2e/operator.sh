#!/usr/bin/env bash
# What an operator does with a cache: pins, proofs and exports beside the running daemons, and fsck of a stopped one.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

samara=$build_directory/apps/samara

# exits CODE COMMAND…: its output is in $work/output.
exits() {
  local expected=$1 code=0
  shift
  "$@" >"$work/output" 2>&1 || code=$?
  equal "the exit code of samara ${*:2}" "$code" "$expected"
}
said() { contains "what it says" "$(<"$work/output")" "$1"; }

# pin_and_unpin ADDRESS NAME
pin_and_unpin() {
  exits 0 "$samara" pins --address "$1"
  said 'no pins'
  exits 0 "$samara" pin add "$2" --for 1h --reason 'a nightly batch' --address "$1"
  exits 0 "$samara" pins --address "$1"
  said 'a nightly batch'
  exits 0 "$samara" pins --address "$1" --json
  equal "the pin's name" "$(jq -r '.pins[0].name' "$work/output")" "$2"
  at_least "what it keeps" "$(jq '.pins[0].bytes' "$work/output")" 1000000
  exits 0 "$samara" pin rm "$2" --address "$1"
  exits 1 "$samara" pin rm "$2" --address "$1"
  exits 1 "$samara" pin add nobody/has:this --address "$1"
  exits 1 "$samara" pin add "$2" --for tomorrow --address "$1"
  exits 2 "$samara" pin add --address "$1"
}

begin
image=$(image_of python)
equal "the output" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
eventually 120 "the background fetch" node_is_complete "$work/lazy"

pin_and_unpin "unix:$work/lazy/node.sock" "$image"
pin_and_unpin "http://$site_address" "$image"
exits 1 "$samara" pins --address "unix:$work/nobody.sock"

# Layers of a running site and a running node give their tars back.
read -r layer < <(manifest_of "$image" | jq -r '.layers[-1].digest')
for cache in "$work/site/cache" "$work/lazy/node"; do
  exits 0 "$samara" verify --cache "$cache"
  said "$layer"
  exits 0 "$samara" tar --cache "$cache" "$layer" -o "$work/layer.tar"
  equal "the tar's digest" "sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)" \
    "$("$samara" verify --cache "$cache" "$layer" | cut -d' ' -f1)"
done
exits 1 "$samara" tar --cache "$work/site/cache" "sha256:$(printf '%064d' 0)" -o "$work/none.tar"
exits 1 "$samara" tar --cache "$work/site/cache" no-digest -o "$work/none.tar"
fails "nothing is written of a layer that isn't there" test -e "$work/none.tar"

# A site that was killed, and whose disk altered a byte meanwhile.
exits 1 "$samara" fsck "$work/site/cache"
said 'stop it first'
exits 2 "$samara" fsck
exits 1 "$samara" fsck "$work/nothing"
kill_process "$site_pid"
exits 0 "$samara" fsck --config "$work/site/site.toml"
said 'nothing is wrong'
find "$work/site/cache/objects" -size +20M >"$work/large"  # blobs, and the layers that they were made of
while read -r file; do printf 'altered' | dd of="$file" bs=1 seek=1000000 conv=notrunc status=none; done <"$work/large"
exits 3 "$samara" fsck "$work/site/cache"
said 'altered object'
said 'altered chunk'
exits 3 "$samara" fsck --json "$work/site/cache"
at_least "the problems that it names" "$(jq '.problems | length' "$work/output")" 1
exits 4 "$samara" fsck --mend "$work/site/cache"
exits 0 "$samara" fsck "$work/site/cache"

start_site "$work/site"
begin_node "$work/again"
equal "the output of a node that begins" "$(run_image "$work/again" "$image")" "$(output_of python)"
