#!/usr/bin/env python3
"""Pushes an image with one large file to a registry, without ever having it on the disk uncompressed.

usage: big_image.py REGISTRY_HOST:PORT REPOSITORY:TAG GIB PROGRAM

The file is /model: blocks of 4 KiB, each of which begins with its number and a word made of it, and is zeros else. So no
two chunks are alike, and it takes less than a hundredth of its size. PROGRAM (static) becomes /program and is what the
image runs.
"""
import hashlib
import http.client
import io
import json
import struct
import subprocess
import sys
import tarfile
import tempfile

BLOCK, PART = 4096, 1 << 20
WORD = 0x9E3779B97F4A7C15


class Model(io.RawIOBase):
    """The file's content, as it is read."""

    def __init__(self):
        self.block, self.part, self.at = 0, memoryview(b""), 0

    def next_part(self):
        part = bytearray(PART)
        for offset in range(0, PART, BLOCK):
            struct.pack_into("<QQ", part, offset, self.block, self.block * WORD & (1 << 64) - 1)
            self.block += 1
        return memoryview(part)

    def read(self, size=-1):
        if self.at == len(self.part):
            self.part, self.at = self.next_part(), 0
        given = self.part[self.at : self.at + size]
        self.at += len(given)
        return bytes(given)


class Layer:
    """A tar on its way into zstd; its digests are known once it is closed."""

    def __init__(self, file):
        self.tar, self.file, self.position = hashlib.sha256(), file, 0
        self.zstd = subprocess.Popen(["zstd", "-q", "-1", "-c"], stdin=subprocess.PIPE, stdout=file)

    def write(self, data):
        self.tar.update(data)
        self.zstd.stdin.write(data)
        self.position += len(data)
        return len(data)

    def tell(self):
        return self.position

    def close(self):
        self.zstd.stdin.close()
        if self.zstd.wait() != 0:
            sys.exit("zstd failed")
        self.file.seek(0)
        compressed = hashlib.file_digest(self.file, "sha256").hexdigest()
        return compressed, self.tar.hexdigest(), self.file.seek(0, io.SEEK_END)


def add(tar, name, size, content, mode):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    tar.addfile(entry, content)


def push(address, repository, digest, body, size):
    connection = http.client.HTTPConnection(address, timeout=600)
    connection.request("POST", f"/v2/{repository}/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    place = answer.getheader("Location").split(address, 1)[-1]
    connection.request("PUT", f"{place}&digest=sha256:{digest}", body=body,
                       headers={"Content-Length": str(size), "Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    if answer.status != 201:
        sys.exit(f"the registry answers {answer.status}: {answer.read()}")


def push_bytes(address, repository, data):
    digest = hashlib.sha256(data).hexdigest()
    push(address, repository, digest, data, len(data))
    return f"sha256:{digest}"


def main(address, name, gib, program):
    repository, tag = name.split(":")
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        layer = Layer(file)
        with tarfile.open(fileobj=layer, mode="w|", format=tarfile.PAX_FORMAT, bufsize=PART) as tar:
            with open(program, "rb") as content:
                add(tar, "program", len(content.read()), (content.seek(0), content)[1], 0o755)
            add(tar, "model", int(gib) << 30, Model(), 0o644)
        digest, diff_id, size = layer.close()
        file.seek(0)
        push(address, repository, digest, file, size)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/program"]},
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config),
                   "digest": push_bytes(address, repository, config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "size": size,
                    "digest": f"sha256:{digest}"}]}).encode()
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("PUT", f"/v2/{repository}/manifests/{tag}", body=manifest,
                       headers={"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
    if connection.getresponse().status != 201:
        sys.exit("the registry doesn't take the manifest")
    print(size)


main(*sys.argv[1:])
