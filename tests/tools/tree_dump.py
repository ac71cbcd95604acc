#!/usr/bin/env python3
"""Prints what a user can see of a directory tree, one line a file, sorted: two equal trees print the same.

usage: tree_dump.py ROOT

A line is: path, type and mode, owner, size, mtime, link target or device, hard-link group, attributes, SHA-256.
Left out is what a file system chooses for itself: inode numbers, the size and the link count of directories,
attributes of overlayfs' own (trusted.overlay.*), and the root's time, which is that of its unpacking when no layer names
the root. Stays on one file system, like find -xdev.
"""
import hashlib
import os
import stat
import sys

KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
         stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}


def attributes(path):
    pairs = []
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if not name.startswith("trusted.overlay."):
            value = os.getxattr(path, name, follow_symlinks=False)
            pairs.append(repr(name)[1:-1] + "=" + value.hex())
    return ",".join(pairs) or "-"


def content_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe(path, shown, groups):
    """One line; `groups` maps inodes with several names to the first of them."""
    status = os.lstat(path)
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    target, group, digest = "-", "-", "-"
    size = "-" if kind == "d" else str(status.st_size)
    mtime = "-" if shown == "/" else status.st_mtime_ns
    if kind == "l":
        target = repr(os.readlink(path))[2:-1]
    elif kind in "bc":
        target = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    elif kind == "f":
        digest = content_digest(path)
    if kind != "d" and status.st_nlink > 1:
        group = f"{status.st_nlink}:" + groups.setdefault((status.st_dev, status.st_ino), shown)
    return (f"{shown} {kind}{stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid} {size} "
            f"{mtime} {target} {group} {attributes(path)} {digest}")


def walk(directory, device):
    """Every path below, in the order of their names."""
    yield directory
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            if os.lstat(entry.path).st_dev == device:
                yield from walk(entry.path, device)
        else:
            yield entry.path


def main(root):
    root = os.fsencode(root.rstrip("/"))
    groups = {}
    for path in walk(root, os.lstat(root).st_dev):
        shown = repr(path[len(root):] or b"/")[2:-1]
        print(describe(path, shown, groups))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
