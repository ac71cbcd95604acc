#!/usr/bin/env bash
# The rootfs on lazy layers serves what isn't runc: a chroot in a user namespace of root's and of nobody's, an overlay
# that is mounted in such a namespace, and reads by handle, as servers of a sandbox's files do them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

begin
begin_ordinary
image=$(image_of python)
cri "$work/lazy/containerd" pull "$image"
cri "$work/ordinary/containerd" pull "$image"
mount_image "$work/lazy" samara "$image" "$work/view"
chmod 755 "$work" "$work/lazy" "$work/lazy/node"

hello=(chroot "$work/view" /usr/bin/python3 /srv/hello.py)
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
equal "in a user namespace of root's" "$(unshare --user --map-root-user --mount --pid --fork "${hello[@]}")" \
  "$(output_of python)"
equal "in one of nobody's" "$("${nobody[@]}" unshare --user --map-root-user --mount --pid --fork "${hello[@]}")" \
  "$(output_of python)"

# A runtime in a user namespace mounts the overlay by itself.
mkdir -p "$work/rootless"
# shellcheck disable=SC2016  # the namespace's shell is to expand it
equal "on an overlay that was mounted in one" "$(unshare --user --map-root-user --mount sh -euc '
  mount -t tmpfs tmpfs "$2"; mkdir "$2/upper" "$2/work" "$2/merged"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,userxattr" "$2/merged"
  echo changed >"$2/merged/srv/added"; rm "$2/merged/usr/share/common-licenses/GPL-3"
  test ! -e "$2/merged/usr/share/common-licenses/GPL-3"
  chroot "$2/merged" /usr/bin/python3 /srv/hello.py' - "$work/view" "$work/rootless")" "$(output_of python)"

# What a virtiofsd or a gofer does: open_by_handle_at, and openat without following links.
cat >"$work/handles.py" <<'PYTHON'
import ctypes, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_char * 128)]
root, count, unequal = sys.argv[1], 0, 0
mount = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
for directory, _, names in os.walk(root + "/usr/bin"):
    for name in names:
        path = os.path.join(directory, name)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            continue
        handle, number = Handle(bytes=128), ctypes.c_int()
        if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(number), 0) != 0:
            sys.exit(f"no handle: {os.strerror(ctypes.get_errno())}")
        opened = libc.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY)
        if opened < 0:
            sys.exit(f"no file by handle: {os.strerror(ctypes.get_errno())}")
        count += 1
        unequal += os.fstat(opened).st_ino != os.stat(path).st_ino
        os.close(opened)
print(count > 100, unequal)
PYTHON
layer=$work/lazy/node/l/1
[[ -d $layer ]] || layer=$(find "$work/lazy/node/l" -maxdepth 2 -name '[0-9]*' -type d | head -n 1)
equal "files by handle in a layer" "$(python3 "$work/handles.py" "$layer")" "True 0"

mount_image "$work/ordinary" overlayfs "$image" "$work/plain"
tree_of "$work/plain" >"$work/plain.tree"
tree_of "$work/view" >"$work/view.tree"
succeeds "the tree is the one that an unpacked image has" cmp "$work/plain.tree" "$work/view.tree"
umount "$work/plain" "$work/view"
