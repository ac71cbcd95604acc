"""Puts many thin layers on an image of an OCI layout: many_layers.py LAYOUT TAG COUNT NEW_TAG. Each adds a file, changes
one that all change, and removes the one that the third layer below it added."""
import hashlib
import io
import json
import sys
import tarfile

layout, tag, count, new_tag = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def blob(digest):
    return f"{layout}/blobs/{digest.replace(':', '/')}"


def read(digest):
    with open(blob(digest), encoding="utf-8") as file:
        return json.load(file)


def add(data, media_type):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    with open(blob(digest), "wb") as file:
        file.write(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def layer(number):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        directory = tarfile.TarInfo("many")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(directory)
        files = {f"many/{number:03}": f"layer {number}\n" * 2000, "many/last": f"{number}\n"}
        if number >= 3:
            files[f"many/.wh.{number - 3:03}"] = ""
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return tar.getvalue()


with open(layout + "/index.json", encoding="utf-8") as file:
    index = json.load(file)
name = "org.opencontainers.image.ref.name"
manifest = read(next(m["digest"] for m in index["manifests"] if m["annotations"].get(name) == tag))
config = read(manifest["config"]["digest"])
for number in range(count):
    tar = layer(number)
    manifest["layers"].append(add(tar, "application/vnd.oci.image.layer.v1.tar"))
    config["rootfs"]["diff_ids"].append(manifest["layers"][-1]["digest"])
config.pop("history", None)
manifest["config"] = add(json.dumps(config).encode(), manifest["config"]["mediaType"])
described = add(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
index["manifests"].append(described | {"annotations": {name: new_tag}})
with open(layout + "/index.json", "w", encoding="utf-8") as file:
    json.dump(index, file)
