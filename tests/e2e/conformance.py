#!/usr/bin/env python3
"""Is a mirror's pull API what the OCI Distribution Specification v1.1 says?

usage: conformance.py fill REGISTRY STATE            puts test content into a registry (HOST:PORT)
       conformance.py check SITE NAMESPACE STATE     asks a mirror for it
       conformance.py offline SITE NAMESPACE STATE   the same of what it holds, its registry being away

STATE is a file that `fill` writes. Each check says which endpoint of the specification's table it is about (end-1 to
end-13); the requirements are those of "Pull" and "Content Discovery", and that all else is refused. Ends with the number
of checks, or with exit code 1 and what failed.
"""
import hashlib
import http.client
import json
import sys
import urllib.parse

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
ALL_TYPES = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))
REPOSITORY = "conformance/app"
NOT_THERE = "sha256:" + "0123456789abcdef" * 4
ERROR_CODES = {"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
               "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
               "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"}


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Server:
    def __init__(self, address, namespace=None):
        self.address, self.namespace = address, namespace

    def ask(self, method, path, body=None, query=(), **fields):
        query = list(query) + ([("ns", self.namespace)] if self.namespace else [])
        target = path + ("&" if "?" in path else "?") * bool(query) + urllib.parse.urlencode(query)
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, target, body=body, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()


# ---- fill ------------------------------------------------------------------------------------------------------

class Registry(Server):
    def push_blob(self, data, algorithm="sha256"):
        digest = digest_of(data, algorithm)
        location = self.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").fields["Location"]
        parts = urllib.parse.urlsplit(location)
        answer = self.ask("PUT", f"{parts.path}?{parts.query}", data, [("digest", digest)],
                          Content_Type="application/octet-stream")
        if answer.status != 201:
            raise SystemExit(f"the registry refuses a blob: {answer.status} {answer.body}")
        return {"digest": digest, "size": len(data)}

    def push_manifest(self, reference, manifest, media_type):
        data = json.dumps(manifest, indent=1).encode()  # a form of its own, so that "verbatim" means something
        answer = self.ask("PUT", f"/v2/{REPOSITORY}/manifests/{reference or digest_of(data)}", data, Content_Type=media_type)
        if answer.status != 201:
            raise SystemExit(f"the registry refuses a manifest: {answer.status} {answer.body}")
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}, data.decode()


def fill(address, state_file):
    registry = Registry(address)
    config = registry.push_blob(b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    layer = registry.push_blob(bytes(range(256)) * 1000)
    empty = registry.push_blob(b"")
    empty_json = registry.push_blob(b"{}")

    def image(media_type, config_type, layers, **more):
        return {"schemaVersion": 2, "mediaType": media_type, "config": {"mediaType": config_type, **config},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob} for blob in layers], **more}

    manifests = {}

    def push(tag, manifest, media_type):
        descriptor, text = registry.push_manifest(tag, manifest, media_type)
        manifests[tag or descriptor["digest"]] = {"type": media_type, "digest": descriptor["digest"], "text": text}
        return descriptor

    plain = push("test0", image(OCI_MANIFEST, OCI_CONFIG, [layer, empty]), OCI_MANIFEST)
    for tag in ("test1", "test2", "test3"):
        push(tag, image(OCI_MANIFEST, OCI_CONFIG, [layer, empty]), OCI_MANIFEST)
    docker = push("docker", image(DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json", [layer]), DOCKER_MANIFEST)
    push("list", {"schemaVersion": 2, "mediaType": DOCKER_LIST,
                  "manifests": [{**docker, "platform": {"architecture": "amd64", "os": "linux"}}]}, DOCKER_LIST)
    index = push("index", {"schemaVersion": 2, "mediaType": OCI_INDEX,
                           "manifests": [{**plain, "platform": {"architecture": "amd64", "os": "linux"}}]}, OCI_INDEX)
    push("nested", {"schemaVersion": 2, "mediaType": OCI_INDEX,
                    "manifests": [{**index, "platform": {"architecture": "amd64", "os": "linux"}}]}, OCI_INDEX)
    artifact = push(None, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "example/sbom",
                           "config": {"mediaType": "application/vnd.oci.empty.v1+json", **empty_json},
                           "layers": [{"mediaType": "example/sbom+json", **empty_json}],
                           "subject": plain, "annotations": {"test": "sbom"}}, OCI_MANIFEST)
    signature = push(None, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "example/signature",
                            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **empty_json},
                            "layers": [], "subject": plain}, OCI_MANIFEST)
    # This registry has no referrers endpoint: clients keep the list under a tag.
    push(plain["digest"].replace(":", "-"),
         {"schemaVersion": 2, "mediaType": OCI_INDEX,
          "manifests": [{**artifact, "artifactType": "example/sbom"},
                        {**signature, "artifactType": "example/signature"}]}, OCI_INDEX)
    state = {"manifests": manifests, "layer": layer, "empty": empty, "subject": plain["digest"],
             "index": index["digest"], "referrers": [artifact["digest"], signature["digest"]]}
    with open(state_file, "w", encoding="utf-8") as file:
        json.dump(state, file)


# ---- check -----------------------------------------------------------------------------------------------------

class Checks:
    def __init__(self, site, state):
        self.site, self.state = site, state
        self.count, self.failures = 0, []

    def that(self, requirement, holds, seen):
        self.count += 1
        if not holds:
            self.failures.append(f"{requirement}: {seen}")

    def equal(self, requirement, seen, expected):
        self.that(requirement, seen == expected, f"is {seen!r} and should be {expected!r}")

    def ask(self, method, path, **more):
        return self.site.ask(method, f"/v2/{path}", **more)

    def error(self, requirement, answer, status, code):
        self.equal(f"{requirement}: status", answer.status, status)
        errors = answer.json().get("errors", []) if answer.body else []
        self.equal(f"{requirement}: code", [error.get("code") for error in errors], [code])
        self.that(f"{requirement}: a code of the table", code in ERROR_CODES, code)
        self.equal(f"{requirement}: type", answer.fields["Content-Type"], "application/json")

    # -- end-1
    def base(self):
        for path in ("", "?"):
            answer = self.ask("GET", path)
            self.equal("end-1 GET /v2/", answer.status, 200)
        self.equal("end-1 API version", answer.fields["Docker-Distribution-Api-Version"], "registry/2.0")

    # -- end-2, end-10
    def blobs(self):
        layer = self.state["layer"]
        path = f"{REPOSITORY}/blobs/{layer['digest']}"
        head = self.ask("HEAD", path)
        self.equal("end-2 HEAD of a blob", head.status, 200)
        self.equal("end-2 HEAD: Content-Length", head.fields["Content-Length"], str(layer["size"]))
        self.equal("end-2 HEAD: Docker-Content-Digest", head.fields["Docker-Content-Digest"], layer["digest"])
        self.equal("end-2 HEAD: no body", head.body, b"")
        get = self.ask("GET", path)
        self.equal("end-2 GET of a blob", get.status, 200)
        self.equal("end-2 GET: the bytes", digest_of(get.body), layer["digest"])
        self.equal("end-2 GET: Docker-Content-Digest", get.fields["Docker-Content-Digest"], layer["digest"])
        empty = self.ask("GET", f"{REPOSITORY}/blobs/{self.state['empty']['digest']}")
        self.equal("end-2 GET of an empty blob", (empty.status, empty.body), (200, b""))
        self.ranges(path, get.body)
        for method in ("GET", "HEAD"):
            missing = self.ask(method, f"{REPOSITORY}/blobs/{NOT_THERE}")
            self.equal(f"end-2 {method} of a blob that isn't there", missing.status, 404)
        self.error("end-2 of a blob that isn't there", self.ask("GET", f"{REPOSITORY}/blobs/{NOT_THERE}"), 404, "BLOB_UNKNOWN")
        self.error("end-2 of a malformed digest", self.ask("GET", f"{REPOSITORY}/blobs/sha256:short"), 400, "DIGEST_INVALID")

    # RFC 9110 §14, which the specification asks for with "SHOULD support the Range request header"
    def ranges(self, path, whole):
        size = len(whole)
        for value, begin, end in (("bytes=0-99", 0, 100), ("bytes=100-100", 100, 101), (f"bytes={size - 1}-", size - 1, size),
                                  ("bytes=1000-", 1000, size), ("bytes=-7", size - 7, size), ("bytes=5-99999999", 5, size)):
            part = self.ask("GET", path, Range=value)
            self.equal(f"end-2 {value}: status", part.status, 206)
            self.equal(f"end-2 {value}: Content-Range", part.fields["Content-Range"], f"bytes {begin}-{end - 1}/{size}")
            self.that(f"end-2 {value}: the bytes", part.body == whole[begin:end], f"{len(part.body)} bytes")
        beyond = self.ask("GET", path, Range=f"bytes={size}-")
        self.equal("end-2 beyond the end: status", beyond.status, 416)
        self.equal("end-2 beyond the end: Content-Range", beyond.fields["Content-Range"], f"bytes */{size}")
        for value in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-1"):
            self.equal(f"end-2 {value}: the whole", self.ask("GET", path, Range=value).status, 200)
        etag = self.ask("HEAD", path).fields["ETag"]
        self.equal("end-2 If-Range of these bytes", self.ask("GET", path, Range="bytes=1-2", If_Range=etag).status, 206)
        self.equal("end-2 If-Range of others", self.ask("GET", path, Range="bytes=1-2", If_Range='"x"').status, 200)
        self.equal("end-2 If-None-Match", self.ask("GET", path, If_None_Match=etag).status, 304)

    # -- end-3
    def manifests(self):
        for name, manifest in self.state["manifests"].items():
            for reference in {name, manifest["digest"]}:
                path = f"{REPOSITORY}/manifests/{reference}"
                for method in ("HEAD", "GET"):
                    what = f"end-3 {method} of {reference}"
                    answer = self.ask(method, path, Accept=manifest["type"])
                    self.equal(f"{what}: status", answer.status, 200)
                    self.equal(f"{what}: Content-Type", answer.fields["Content-Type"], manifest["type"])
                    self.equal(f"{what}: Content-Length", answer.fields["Content-Length"], str(len(manifest["text"])))
                    self.equal(f"{what}: Docker-Content-Digest", answer.fields["Docker-Content-Digest"], manifest["digest"])
                    self.equal(f"{what}: body", answer.body.decode(), manifest["text"] if method == "GET" else "")
        path = f"{REPOSITORY}/manifests/index"
        self.equal("end-3 all types accepted", self.ask("GET", path, Accept=ALL_TYPES).status, 200)
        self.equal("end-3 any type accepted", self.ask("GET", path, Accept="*/*").status, 200)
        self.equal("end-3 no Accept", self.ask("GET", path).status, 200)
        self.error("end-3 another type accepted", self.ask("GET", path, Accept=DOCKER_MANIFEST), 404, "MANIFEST_UNKNOWN")
        self.error("end-3 of a malformed tag", self.ask("GET", f"{REPOSITORY}/manifests/.x"), 400, "MANIFEST_INVALID")
        self.error("end-3 of a malformed name", self.ask("GET", "Upper/manifests/1"), 400, "NAME_INVALID")

    def missing_manifests(self):
        for reference in ("never", NOT_THERE):
            path = f"{REPOSITORY}/manifests/{reference}"
            self.equal(f"end-3 HEAD of {reference}", self.ask("HEAD", path).status, 404)
            self.error(f"end-3 GET of {reference}", self.ask("GET", path), 404, "MANIFEST_UNKNOWN")

    # -- end-8a, end-8b
    def tags(self, expected):
        path = f"{REPOSITORY}/tags/list"
        answer = self.ask("GET", path)
        self.equal("end-8a status", answer.status, 200)
        self.equal("end-8a Content-Type", answer.fields["Content-Type"].split(";")[0], "application/json")
        self.equal("end-8a tags", answer.json()["tags"], expected)
        self.equal("end-8a name", answer.json()["name"], REPOSITORY)
        seen, link, pages = [], f"/v2/{path}?n=2&ns={self.site.namespace}", 0
        while link and pages < 50:  # follows Link as a client would
            answer = Server(self.site.address).ask("GET", link)
            self.that("end-8b at most n", len(answer.json()["tags"]) <= 2, answer.json())
            seen += answer.json()["tags"]
            link = answer.fields["Link"] and answer.fields["Link"].split(">")[0].lstrip("<")
            pages += 1
        self.equal("end-8b all pages", seen, expected)
        last = self.ask("GET", path, query=[("n", "2"), ("last", expected[0])])
        self.equal("end-8b after last", last.json()["tags"], expected[1:3])

    # -- end-12a, end-12b
    def referrers(self):
        path = f"{REPOSITORY}/referrers/{self.state['subject']}"
        answer = self.ask("GET", path)
        self.equal("end-12a status", answer.status, 200)
        self.equal("end-12a Content-Type", answer.fields["Content-Type"], OCI_INDEX)
        self.equal("end-12a referrers", [entry["digest"] for entry in answer.json()["manifests"]], self.state["referrers"])
        self.equal("end-12a schemaVersion", answer.json()["schemaVersion"], 2)
        filtered = self.ask("GET", path, query=[("artifactType", "example/signature")])
        self.equal("end-12b OCI-Filters-Applied", filtered.fields["OCI-Filters-Applied"], "artifactType")
        self.equal("end-12b referrers", [entry["digest"] for entry in filtered.json()["manifests"]], self.state["referrers"][1:])
        none = self.ask("GET", f"{REPOSITORY}/referrers/{NOT_THERE}")
        self.equal("end-12a of nothing", (none.status, none.json()["manifests"]), (200, []))
        self.equal("end-12a of nothing: Content-Type", none.fields["Content-Type"], OCI_INDEX)
        self.error("end-12a of a malformed digest", self.ask("GET", f"{REPOSITORY}/referrers/x"), 400, "DIGEST_INVALID")

    # -- end-4 to end-7, end-9 to end-11, end-13: a mirror can't be written to
    def writing(self):
        digest = self.state["layer"]["digest"]
        for requirement, method, path, body in (
                ("end-4a", "POST", "blobs/uploads/", None), ("end-4b", "POST", f"blobs/uploads/?digest={digest}", b"body"),
                ("end-5", "PATCH", "blobs/uploads/some-id", b"body"), ("end-6", "PUT", f"blobs/uploads/some-id?digest={digest}", b"body"),
                ("end-7", "PUT", "manifests/test0", b"{}"), ("end-9", "DELETE", "manifests/test0", None),
                ("end-10", "DELETE", f"blobs/{digest}", None), ("end-11", "POST", f"blobs/uploads/?mount={digest}&from=a", None),
                ("end-13", "GET", "blobs/uploads/some-id", None)):
            answer = self.ask(method, f"{REPOSITORY}/{path}", body=body)
            self.error(f"{requirement} {method}", answer, 405, "UNSUPPORTED")
            self.that(f"{requirement} {method}: Allow", answer.fields["Allow"] is not None, answer.fields)
        wrong = self.ask("PUT", f"{REPOSITORY}/manifests/sha256:totallywrong", body=b"blablabla")
        self.error("end-7 of a malformed digest", wrong, 400, "MANIFEST_INVALID")

    def catalog(self):
        answer = self.ask("GET", "_catalog")
        self.equal("_catalog", (answer.status, answer.json()), (200, {"repositories": [REPOSITORY]}))

    def finish(self):
        for failure in self.failures:
            print("FAILED:", failure)
        print(f"{self.count - len(self.failures)} of {self.count} checks passed")
        return 1 if self.failures else 0


def check(address, namespace, state_file, online):
    with open(state_file, encoding="utf-8") as file:
        state = json.load(file)
    checks = Checks(Server(address, namespace), state)
    tags = sorted(name for name in state["manifests"] if ":" not in name)
    for _ in ("cold", "warm"):
        checks.base()
        if online:
            checks.missing_manifests()
            checks.blobs()
        checks.manifests()
        checks.tags(tags)
        checks.referrers() if online else None
        checks.writing()
        checks.catalog()
    return checks.finish()


def main(arguments):
    match arguments:
        case ["fill", registry, state]:
            fill(registry, state)
            return 0
        case ["check", site, namespace, state]:
            return check(site, namespace, state, online=True)
        case ["offline", site, namespace, state]:
            return check(site, namespace, state, online=False)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
