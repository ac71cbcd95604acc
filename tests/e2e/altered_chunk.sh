#!/usr/bin/env bash
# Bytes altered in the node's cache are noticed, fetched again, and never reach a container.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
begin_ordinary
image=$(image_of python)
run_image "$work/lazy" "$image" >/dev/null
run_image "$work/ordinary" "$image" >/dev/null
eventually 120 "the background fetch" node_is_complete "$work/lazy"

stop_node "$work/lazy"
end_mounts "$work/lazy"  # with what the kernel remembers of them
python3 - "$work/lazy/node" <<'PY'
import os, sys
altered = 0
for directory, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(directory, name)
        size = os.path.getsize(path)
        if "/objects/" in path and size > 1 << 20:  # blobs; an index is smaller
            with open(path, "r+b") as file:
                for offset in range(size // 8, size, size // 8):
                    file.seek(offset)
                    byte = file.read(1)
                    file.seek(offset)
                    file.write(bytes([byte[0] ^ 0xFF]))
                    altered += 1
print("altered", altered, "bytes")
sys.exit(altered == 0)
PY
sync
echo 1 >/proc/sys/vm/drop_caches
start_node_again "$work/lazy"

equal "the output" "$(run_image "$work/lazy" "$image")" "$(output_of python)"
same_tree "$work/lazy" "$image"
at_least "the bytes fetched again" "$(node_fetched_bytes "$work/lazy")" 1
