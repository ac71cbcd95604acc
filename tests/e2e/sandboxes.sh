#!/usr/bin/env bash
# The rootfs on lazy layers serves what isn't runc: a chroot in a user namespace of root's and of nobody's, an overlay
# that is mounted in such a namespace, one whose layers are id-mapped into it as for a pod with hostUsers: false, and
# reads by handle, as servers of a sandbox's files do them.
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

# What containerd 2 does for a pod in a user namespace of its own: each lower directory mounted with mapped ids
# (mount_setattr(2)), an overlay on them whose upper directory belongs to the namespace's root.
cat >"$work/idmapped.py" <<'PYTHON'
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, AT_EMPTY_PATH, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_IDMAP = 1, 0x1000, 4, 0x00100000
def checked(what, result):
    if result < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result
class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "namespace")]
lower, scratch, program = sys.argv[1].split(":"), sys.argv[2], sys.argv[3:]
inside = subprocess.Popen(["unshare", "--user", "sleep", "1000"])  # its user namespace; the map comes from here
while os.readlink(f"/proc/{inside.pid}/ns/user") == os.readlink("/proc/self/ns/user"):
    pass
for kind in "uid", "gid":
    with open(f"/proc/{inside.pid}/{kind}_map", "w") as file:
        file.write("0 100000 65536")
namespace = os.open(f"/proc/{inside.pid}/ns/user", os.O_RDONLY)
try:
    mapped = []
    for number, directory in enumerate(lower):
        tree = checked("open_tree", libc.syscall(OPEN_TREE, -100, directory.encode(), OPEN_TREE_CLONE))
        attributes = Attributes(MOUNT_ATTR_IDMAP, 0, 0, namespace)
        checked(f"map the ids of {directory}", libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attributes), 32))
        mapped.append(f"{scratch}/lower{number}")
        os.makedirs(mapped[-1])
        checked("move_mount", libc.syscall(MOVE_MOUNT, tree, b"", -100, mapped[-1].encode(), MOVE_MOUNT_F_EMPTY_PATH))
    for name in "upper", "work", "merged":
        os.mkdir(f"{scratch}/{name}")
    os.chown(f"{scratch}/upper", 100000, 100000)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={':'.join(mapped)},upperdir={scratch}/upper,workdir={scratch}/work", f"{scratch}/merged"], check=True)
    sys.stdout.flush()
    result = subprocess.run(["nsenter", "--user", f"--target={inside.pid}", "--setuid=0", "--setgid=0", "chroot", f"{scratch}/merged"] + program)
    sys.exit(result.returncode)
finally:
    inside.kill()
    inside.wait()
PYTHON
layers_below=$(awk -v view="$work/view" '$2 == view { print $4 }' /proc/mounts | tr ',' '\n' | sed -n 's/^lowerdir=//p')
mkdir -p "$work/idmapped"
chmod 755 "$work/idmapped"
# shellcheck disable=SC2016  # the container's shell is to expand it
equal "in a user namespace over id-mapped layers" "$(unshare --mount python3 "$work/idmapped.py" "$layers_below" "$work/idmapped" sh -euc '
  test "$(stat -c %u:%g /usr/bin/python3.11 /etc/shadow | xargs)" = "0:0 0:42"
  echo changed >>/etc/hostname; chown 7:8 /srv/hello.py; test "$(stat -c %u:%g /srv/hello.py)" = 7:8
  python3 /srv/hello.py')" "$(output_of python)"
equal "whose that is on the host" "$(stat -c %u:%g "$work/idmapped/upper/srv/hello.py" "$work/idmapped/upper/etc/hostname" | xargs)" \
  "100007:100008 100000:100000"

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
