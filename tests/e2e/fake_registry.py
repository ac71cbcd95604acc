#!/usr/bin/env python3
"""A registry that misbehaves on purpose, for the tests of bad input.

usage: fake_registry.py PORT PROGRAM

Serves, over HTTP, one small image under many names; each name has a fault of its own:

  good                 none; its layer holds PROGRAM (a static program) as /hello, and 2 MiB of noise
  corrupt-gzip         a layer whose gzip data is damaged, under the digest of the damaged bytes
  cut-tar              a layer whose tar ends in the middle of a file, likewise
  not-a-tar            a layer that is gzipped noise
  unknown-media-type   a layer of a media type that nobody knows
  wrong-bytes          a layer whose bytes don't match its digest
  wrong-diff-id        a layer whose tar isn't the one that the config names
  cut                  the connection ends in the middle of the layer; a request for the rest is answered well
  cut-for-good         nothing of the layer's second half is ever sent
  hang                 the layer's first half, then silence
  layer-401 -404 -500  the layer is answered with that status; likewise manifest-401 -404 -500
  not-a-manifest       a manifest that is no JSON
  huge-manifest        a manifest of 32 MiB

GET /counts gives {"<method> <path>": how often} as JSON.
"""
import collections
import gzip
import hashlib
import http.server
import io
import json
import random
import re
import sys
import tarfile
import threading

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
STATUS_FAULTS = [f"{what}-{status}" for what in ("layer", "manifest") for status in (401, 404, 500)]
FAULTS = ["good", "corrupt-gzip", "cut-tar", "not-a-tar", "unknown-media-type", "wrong-bytes", "wrong-diff-id", "cut",
          "cut-for-good", "hang", "not-a-manifest", "huge-manifest"] + STATUS_FAULTS


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_tar(program, name):
    """A layer's tar; `name` makes it another one than those of the other images."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for path, mode, data in (("hello", 0o755, program), ("name", 0o644, name.encode()),
                                 ("noise", 0o644, random.Random(name).randbytes(2 << 20))):
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(data)
            tar.addfile(entry, io.BytesIO(data))
    return output.getvalue()


class Image:
    """One name: its manifest and blobs as they are sent."""

    def __init__(self, fault, program):
        self.fault = fault
        tar = make_tar(program, fault)
        layer = gzip.compress(tar, 1, mtime=0)
        if fault == "corrupt-gzip":
            middle = len(layer) // 2
            layer = layer[:middle] + bytes(64) + layer[middle + 64:]
        elif fault == "cut-tar":
            layer = gzip.compress(tar[:1 << 20], 1, mtime=0)
        elif fault == "not-a-tar":
            layer = gzip.compress(random.Random(1).randbytes(1 << 20), 1, mtime=0)
        diff_id = digest_of(b"another" if fault == "wrong-diff-id" else tar)
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
                             "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
        self.layer = digest_of(layer)
        media_type = "application/x-nobody-knows" if fault == "unknown-media-type" else LAYER
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": media_type, "digest": self.layer, "size": len(layer)}]}).encode()
        if fault == "not-a-manifest":
            manifest = b"<html>Sign in to continue</html>"
        elif fault == "huge-manifest":
            manifest = manifest[:-1] + b', "annotations": {"x": "' + b"x" * (32 << 20) + b'"}}'
        self.manifest = manifest
        if fault == "wrong-bytes":
            layer = layer[:-100] + bytes(100)
        self.blobs = {self.layer: layer, digest_of(config): config}


class Registry(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, program):
        super().__init__(("127.0.0.1", port), Handler)
        self.images = {fault: Image(fault, program) for fault in FAULTS}
        self.counts = collections.Counter()
        self.ended = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.partition("?")[0]
        self.server.counts[f"{self.command} {path}"] += 1
        if path == "/counts":
            return self.send(json.dumps(self.server.counts).encode(), "application/json")
        if path == "/v2/":
            return self.send(b"{}", "application/json")
        match = re.fullmatch(r"/v2/fault/([^/]+)/(manifests|blobs)/(.+)", path)
        image = self.server.images.get(match[1]) if match else None
        if image is None:
            return self.fail(404)
        return self.manifest(image, match[3]) if match[2] == "manifests" else self.blob(image, match[3])

    def manifest(self, image, reference):
        if image.fault.startswith("manifest-"):
            return self.fail(int(image.fault[-3:]))
        digest = digest_of(image.manifest)
        if reference.startswith("sha256:") and reference != digest:
            return self.fail(404)
        return self.send(image.manifest, MANIFEST, digest)

    def blob(self, image, digest):
        if digest not in image.blobs:
            return self.fail(404)
        fault = image.fault if digest == image.layer and self.command == "GET" else "good"
        if fault.startswith("layer-"):
            return self.fail(int(fault[-3:]))
        data = image.blobs[digest]
        limits = {"cut": lambda begin: len(data) if begin else len(data) // 2, "hang": lambda begin: len(data) // 2,
                  "cut-for-good": lambda begin: len(data) // 2}
        self.send(data, "application/octet-stream", digest, limits.get(fault))
        if fault == "hang":
            self.server.ended.wait(600)
        return None

    def send(self, data, media_type, digest=None, limit=None):
        """The part of `data` that is asked for; nothing of it from limit(its begin) on."""
        begin, status, whole = 0, 200, data
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin = min(int(match[1]), len(data))
            end = min(int(match[2]) + 1, len(data)) if match[2] else len(data)
            status, data = 206, data[begin:end]
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(data) - 1}/{len(whole)}")
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(whole[begin:max(begin, limit(begin))] if limit else data)
            self.wfile.flush()
        self.close_connection = limit is not None

    def fail(self, status):
        body = json.dumps({"errors": [{"code": "FAULT", "message": f"on purpose: {status}"}]}).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="fault"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format, *arguments):
        print(self.command, self.path, *arguments[1:], file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], "rb") as file:
        Registry(int(sys.argv[1]), file.read()).serve_forever()
