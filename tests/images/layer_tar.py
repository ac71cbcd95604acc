#!/usr/bin/env python3
"""Writes an overlayfs upper directory as the tar of an OCI layer.

usage: layer_tar.py UPPER_DIRECTORY LAYER.tar

What overlayfs keeps as 0:0 character devices and opaque attributes becomes .wh. entries (OCI image spec, "Layer
Filesystem Changeset"). Hard links, all attributes, devices and nanosecond times are kept.
"""
import os
import stat
import sys
import tarfile

OVERLAY = "trusted.overlay."


def attributes(path):
    """{name: value} of what belongs into the layer."""
    found = {}
    for name in os.listxattr(path, follow_symlinks=False):
        if not name.startswith(OVERLAY):
            value = os.getxattr(path, name, follow_symlinks=False)
            found["SCHILY.xattr." + name] = value.decode("utf-8", "surrogateescape")
    return found


def is_opaque(path):
    try:
        return os.getxattr(path, OVERLAY + "opaque") == b"y"
    except OSError:
        return False


def whiteout(tar, directory, name):
    entry = tarfile.TarInfo(os.path.join(directory, ".wh." + name))
    entry.mode = 0o600
    tar.addfile(entry)


def add(tar, path, name):
    """One file, directory or special file; `name` is its path in the layer."""
    status = os.lstat(path)
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        whiteout(tar, os.path.dirname(name), os.path.basename(name))
        return
    entry = tar.gettarinfo(path, arcname=name)
    if entry is None:  # a socket
        return
    entry.uname = entry.gname = ""
    entry.mtime, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    entry.pax_headers = attributes(path)
    if nanoseconds or entry.mtime < 0:
        sign = "-" if status.st_mtime_ns < 0 else ""
        whole, part = divmod(abs(status.st_mtime_ns), 10**9)
        entry.pax_headers["mtime"] = f"{sign}{whole}.{part:09d}"
    if entry.isreg():
        with open(path, "rb") as content:
            tar.addfile(entry, content)
    else:
        tar.addfile(entry)


def main(upper, output):
    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as tar:
        for directory, subdirectories, files in os.walk(upper):
            subdirectories.sort()
            inside = os.path.relpath(directory, upper)
            if inside != ".":
                add(tar, directory, inside)
            prefix = "" if inside == "." else inside
            if is_opaque(directory):
                whiteout(tar, prefix, ".wh..opq")
            links = [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
            for name in sorted(files + links):
                add(tar, os.path.join(directory, name), os.path.join(prefix, name))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
