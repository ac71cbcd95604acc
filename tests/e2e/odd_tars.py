#!/usr/bin/env python3
"""Writes images whose layers are tars of every kind that exists, for the comparison with containerd.

usage: odd_tars.py DIRECTORY

Makes DIRECTORY/layout, an OCI layout with an image for each case, tagged by its name, and DIRECTORY/cases: a line
"NAME EXPECTATION" for each. The expectation is
  same     both show the same tree
  refused  containerd doesn't unpack it, and neither is it converted
  ours     it is converted, though containerd 1.6 doesn't unpack it
"""
import gzip
import hashlib
import json
import os
import struct
import subprocess
import sys

ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in
                                      ((1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF),
                                       (32, 0, 0xFFFFFFFF)))
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
USTAR, GNU, V7 = b"ustar\00000", b"ustar  \0", b"\0" * 8
END = b"\0" * 1024


def number(value, width):
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return (value & ((1 << (8 * width - 1)) - 1) | 1 << (8 * width - 1)).to_bytes(width, "big")  # base 256


def header(name, kind=b"0", size=0, mode=0o644, uid=0, gid=0, mtime=1_600_000_000, link=b"", magic=USTAR, device=(0, 0),
           prefix=b""):
    devices = number(device[0], 8) + number(device[1], 8) if magic != V7 else b""
    block = (name.ljust(100, b"\0") + number(mode, 8) + number(uid, 8) + number(gid, 8) + number(size, 12) +
             number(mtime, 12) + b" " * 8 + kind + link.ljust(100, b"\0") + magic + b"\0" * 64 + devices + prefix)
    block = block.ljust(512, b"\0")
    assert len(block) == 512, name
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data):
    return data + b"\0" * (-len(data) % 512)


def file(name, data=b"content\n", **fields):
    return header(name, size=len(data), **fields) + padded(data)


def directory(name, mode=0o755, **fields):
    return header(name, b"5", mode=mode, **fields)


def symlink(name, target, **fields):
    return header(name, b"2", mode=0o777, link=target, **fields)


def hard_link(name, target, **fields):
    return header(name, b"1", link=target, **fields)


def record(key, value):
    body = b" %s=%s\n" % (key, value)
    size = len(body) + len(str(len(body)))
    size = len(body) + len(str(size))
    return b"%d" % size + body


def pax(records, kind=b"x"):
    data = b"".join(record(key, value) for key, value in records.items())
    return header(b"PaxHeaders/x", kind, size=len(data)) + padded(data)


def gnu_long(kind, text):
    return header(b"././@LongLink", kind, size=len(text) + 1, magic=GNU) + padded(text + b"\0")


def by_gnu_tar(work, script, *options):
    """What GNU tar makes of the directory that a script fills."""
    root = os.path.join(work, "tree")
    subprocess.run(["rm", "-rf", root], check=True)
    os.mkdir(root)
    subprocess.run(["sh", "-eu", "-c", script], cwd=root, check=True)
    return subprocess.run(["tar", "-c", "-C", root, "--mtime=@1600000000", *options, "."], check=True, stdout=subprocess.PIPE).stdout


SPARSE = "truncate -s 3M s; printf x | dd of=s bs=1 seek=1000000 conv=notrunc status=none; truncate -s 64K hole; echo d >d"
LOWER = (directory(b"etc/") + file(b"etc/passwd") + file(b"etc/group") + directory(b"usr/") + directory(b"usr/lib/") +
         file(b"usr/lib/a") + file(b"usr/lib/b") + directory(b"var/", 0o750) + file(b"var/log") + symlink(b"lib", b"usr/lib"))


def cases(work):
    """(name, expectation, tars from the lowest layer up)"""
    bare = lambda name, *parts, expect="same", end=END: (name, expect, [b"".join(parts) + end])
    above = lambda name, *parts, expect="same": (name, expect, [LOWER + END, b"".join(parts) + END])
    deep = b"/".join(b"directory%d" % i for i in range(30))

    yield bare("v7", directory(b"d/", magic=V7), file(b"d/f", magic=V7), header(b"e/", b"\0", magic=V7, mode=0o700))
    yield bare("ustar-prefix", directory(b"p" * 90), directory(b"p" * 90 + b"/q"), file(b"q/" + b"n" * 95, prefix=b"p" * 90))
    yield bare("pax-attributes",
               pax({b"path": "d/ünïcödé".encode(), b"mtime": b"1234567890.123456789", b"uid": b"3000000000",
                    b"gid": b"70000", b"uname": b"nobody", b"SCHILY.xattr.user.note": b"hi",
                    b"SCHILY.xattr.user.binary": b"\x00\xff=\n"}), file(b"short"),
               pax({b"SCHILY.xattr.security.capability": CAPABILITY}), file(b"capable", mode=0o755),
               pax({b"SCHILY.xattr.system.posix_acl_access": ACL}), file(b"acl", mode=0o660),
               pax({b"SCHILY.xattr.system.posix_acl_default": ACL}), directory(b"acl-directory"))
    yield bare("pax-both-xattr-spellings", pax({b"SCHILY.xattr.user.a": b"value", b"LIBARCHIVE.xattr.user.a": b"dmFsdWU"}),
               file(b"f"))
    yield bare("pax-size-in-record", pax({b"size": b"5"}), header(b"f", size=5) + padded(b"12345"), file(b"after"))
    yield bare("pax-not-utf8", pax({b"path": b"latin1-\xe9\xff"}), file(b"x"), file(b"raw-\xe9\xfe"))
    yield bare("pax-binary", pax({b"hdrcharset": b"BINARY", b"path": b"raw-\xff", b"linkpath": b"to-\xfe"}), symlink(b"s", b"y"))
    yield bare("pax-and-gnu-long", pax({b"path": b"by-pax"}), gnu_long(b"L", b"by-gnu"), file(b"f", magic=GNU),
               gnu_long(b"L", b"by-gnu-2"), pax({b"path": b"by-pax-2"}), file(b"g"))
    yield bare("pax-xattr-of-symlink", pax({b"SCHILY.xattr.user.note": b"hi"}), symlink(b"s", b"y"), file(b"f"))
    yield bare("pax-times", *(pax({b"mtime": time}) + file(b"t%d" % i) for i, time in enumerate(
        (b"0", b"0.5", b"-1.25", b"1.1234567891234", b"4102444800", b"20000000000", b"-100000000000"))))
    yield bare("pax-long-values", pax({b"path": deep + b"/f", b"linkpath": b"x" * 4000}), symlink(b"s", b"y"))
    yield bare("pax-global", pax({b"comment": b"4f2c", b"mtime": b"5", b"uid": b"77", b"path": b"other"}, b"g"), file(b"f"),
               file(b"g"))
    yield bare("pax-global-between", pax({b"path": b"lost"}), pax({b"comment": b"x"}, b"g"), file(b"f"))
    yield bare("pax-global-removes", file(b"f"), file(b"d/g"), pax({b"path": b"f"}, b"g"), pax({b"path": b"d"}, b"g"))
    yield bare("pax-last-of-two", pax({b"path": b"first"}), pax({b"path": b"second"}), file(b"f"))
    yield bare("gnu-long", gnu_long(b"L", b"long/" + b"n" * 200 + b"/" + b"m" * 250), file(b"cut", magic=GNU),
               gnu_long(b"K", b"t" * 3000), symlink(b"link", b"cut", magic=GNU))
    yield bare("gnu-base256", file(b"f", uid=2 ** 31 + 5, gid=2 ** 22, mtime=2 ** 34, magic=GNU),
               file(b"before-1970", mtime=-5, magic=GNU))
    for version in ("0.0", "0.1", "1.0"):
        yield "pax-sparse-" + version, "same", [by_gnu_tar(work, SPARSE, "-S", "--format=posix", "--sparse-version=" + version)]
    yield "gnu-sparse", "ours", [by_gnu_tar(work, SPARSE, "-S", "--format=gnu")]
    yield bare("contiguous", header(b"f", b"7", size=4) + padded(b"data"), expect="ours")
    yield bare("type-unknown", header(b"f", b"X"), file(b"g"), expect="refused")

    yield bare("hard-links", file(b"a", mode=0o600), hard_link(b"b", b"a", mode=0o755, uid=7), hard_link(b"d/c", b"./b"),
               symlink(b"s", b"a"), hard_link(b"t", b"s"), file(b"a2"), hard_link(b"/abs", b"/a2"))
    yield bare("hard-link-replaces", file(b"a"), file(b"b", b"other"), hard_link(b"b", b"a"))
    yield bare("hard-link-then-replaced", file(b"a"), hard_link(b"b", b"a"), file(b"a", b"new"))
    yield bare("hard-links-to-special", header(b"pipe", b"6", mode=0o600), hard_link(b"pipe2", b"pipe", mode=0o600),
               header(b"null", b"3", device=(1, 3), mode=0o666), hard_link(b"null2", b"null", mode=0o666))
    yield bare("sizes-of-what-has-no-data", file(b"a"), header(b"b", b"1", size=8, link=b"a"), directory(b"d", size=512),
               header(b"s", b"2", size=3, link=b"a"), header(b"pipe", b"6", size=7))
    yield bare("hard-link-to-later", hard_link(b"b", b"a"), file(b"a"), expect="refused")
    yield bare("hard-link-to-nothing", hard_link(b"b", b"nowhere"), expect="refused")
    yield bare("hard-link-to-directory", directory(b"d"), hard_link(b"b", b"d"), expect="refused")
    yield above("hard-link-to-lower-layer", hard_link(b"etc/shadow", b"etc/passwd"), expect="refused")
    yield bare("symlinks", symlink(b"absolute", b"/etc/passwd"), symlink(b"dangling", b"no/where"), symlink(b"self", b"self"),
               symlink(b"one", b"two"), symlink(b"two", b"one"), symlink(b"up", b"../../../../x"))
    yield bare("through-a-symlink", directory(b"real"), symlink(b"link", b"real"), file(b"link/f"), symlink(b"top", b"/real"),
               file(b"top/g"), symlink(b"out", b"../../../real"), file(b"out/h"))
    yield bare("devices", header(b"null", b"3", device=(1, 3), mode=0o666), header(b"disk", b"4", device=(8, 300)),
               header(b"pipe", b"6", mode=0o600, uid=5))
    yield bare("modes", file(b"suid", mode=0o4755), file(b"sgid", mode=0o2755, gid=5), directory(b"sticky", 0o1777),
               file(b"all", mode=0o7777, uid=12, gid=34), file(b"none", mode=0), directory(b"closed", 0),
               file(b"closed/in"), directory(b"group", 0o2775, gid=50), file(b"group/f"), file(b"group/made/f"),
               file(b"bits", mode=0o100644))

    yield bare("twice", file(b"f"), file(b"f", b"second"), directory(b"d", 0o700), file(b"d/in"), directory(b"d", 0o711, uid=3),
               file(b"x"), directory(b"x"), file(b"x/in"), directory(b"y"), file(b"y/in"), symlink(b"y", b"d"),
               symlink(b"z", b"d"), file(b"z"))
    yield bare("no-parents", file(b"a/b/c/d"), file(b"./e/f"), directory(b"g/h/"), symlink(b"i/j", b"k"))
    yield bare("prefixes", directory(b"./"), file(b"./f"), directory(b".//d//"), file(b"d/./g"), file(b"/h"), file(b"//d/i"),
               directory(b"t/"), file(b"t/./../t/k"))
    yield bare("trailing-slashes", header(b"empty/", b"0", mode=0o640), directory(b"d/"), symlink(b"s/", b"d"),
               header(b"pipe/", b"6"), file(b"d//f"))
    yield bare("dot-dot", directory(b"d"), file(b"d/../f"), file(b"../g"), file(b"../../d/h"), file(b"d/../../i"),
               hard_link(b"j", b"../f"))
    yield bare("root-entry", directory(b"./", 0o700, uid=5, mtime=5), file(b"f"))
    yield bare("names", file(b"-"), file(b"new\nline"), file(b" "), file(b"\\"), file(b"n" * 100), file(b"a\tb\x7f"))
    yield bare("name-too-long", gnu_long(b"L", b"n" * 256), file(b"cut", magic=GNU), expect="refused")
    yield bare("file-as-parent", file(b"f"), file(b"f/g"), expect="refused")
    yield bare("empty-files", file(b"e", b""), header(b"d", b"0", size=0), directory(b"only"))

    yield above("whiteouts", file(b"etc/.wh.passwd", b""), file(b".wh.var", b""), file(b"usr/lib/.wh.never", b""))
    yield above("whiteout-of-directory-remade", file(b".wh.usr", b""), directory(b"etc/"))
    yield above("opaque", directory(b"usr/"), directory(b"usr/lib/", 0o700), file(b"usr/lib/.wh..wh..opq", b""), file(b"usr/lib/new"))
    yield above("opaque-after", directory(b"usr/"), directory(b"usr/lib/", 0o711), file(b"usr/lib/new"), file(b"usr/lib/.wh..wh..opq", b""))
    yield above("replaced", directory(b"etc/"), directory(b"etc/passwd", 0o700), file(b"etc/passwd/f"), symlink(b"usr", b"etc"))
    yield above("aufs", file(b".wh..wh.plnk", b""), directory(b".wh..wh.orph"), file(b".wh..wh.aufs", b""))
    yield above("nothing")
    yield above("directory-changed", directory(b"var/", 0o777, uid=9), directory(b"etc/"), file(b"etc/new"))

    yield bare("trailing-garbage", file(b"f"), end=END + b"garbage behind the end" * 100)
    yield bare("no-end", file(b"f"), end=b"")
    yield bare("one-zero-block", file(b"f"), end=END[:512])
    yield bare("no-padding-at-the-end", file(b"f", b"z" * 512), header(b"g", size=3) + b"abc", end=b"")
    yield bare("much-padding", file(b"f"), end=b"\0" * 20480)
    yield bare("no-bytes", end=b"")
    yield bare("cut-short", file(b"f"), header(b"g", size=5000) + b"abc", end=b"", expect="refused")


def members(tar):
    half = len(tar) // 2
    return gzip.compress(tar[:half], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(tar[half:], mtime=0)


def zstd_frames(tar):
    half = len(tar) // 2
    pack = lambda data: subprocess.run(["zstd", "-qc"], input=data, check=True, stdout=subprocess.PIPE).stdout
    return pack(tar[:half]) + struct.pack("<II", 0x184D2A50, 4) + b"skip" + pack(tar[half:])


PACKERS = {"tar+gzip": members, "tar+zstd": zstd_frames, "tar": bytes}


class Layout:
    def __init__(self, path):
        self.path = path
        self.manifests = []
        os.makedirs(path + "/blobs/sha256")

    def add(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as blob:
            blob.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def add_image(self, name, tars, packing):
        layers = [self.add(PACKERS[packing](tar), "application/vnd.oci.image.layer.v1." + packing) for tar in tars]
        diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers,
                    "config": self.add(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")}
        described = self.add(json.dumps(manifest).encode(), manifest["mediaType"])
        self.manifests.append(described | {"annotations": {"org.opencontainers.image.ref.name": name}})

    def finish(self):
        with open(self.path + "/oci-layout", "w") as marker:
            json.dump({"imageLayoutVersion": "1.0.0"}, marker)
        with open(self.path + "/index.json", "w") as index:
            json.dump({"schemaVersion": 2, "manifests": self.manifests}, index)


def main(output):
    layout = Layout(output + "/layout")
    with open(output + "/cases", "w") as listing:
        for i, (name, expectation, tars) in enumerate(cases(output)):
            layout.add_image(name, tars, list(PACKERS)[i % len(PACKERS)])
            print(name, expectation, file=listing)
    layout.finish()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
