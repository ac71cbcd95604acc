#!/usr/bin/env python3
"""Checks that the code is built as docs/design.md says: who may include whom, and where a library may appear.

Reads every #include of the C++ sources below the folder given (default: the project). Prints each breach as
file:line and exits 1 when there is one.
"""
import pathlib
import re
import sys

# Component -> (folder, include prefix of its public headers, what it may use besides itself).
BASE = {"base"}
CACHE = BASE | {"cache-index"}
PEER = CACHE | {"peer"}
COMPONENTS = {
    "base": ("base", "base/", set()),
    "cache-index": ("cache-index", "cache_index/", BASE),
    "peer": ("peer", "peer/", CACHE),
    "seed": ("seed", "seed/", PEER),
    "convert": ("registry-proxy/convert", "convert/", CACHE),
    "registry-proxy": ("registry-proxy", "registry_proxy/", PEER | {"convert"}),
    "fuse-fs": ("fuse-fs", "fuse_fs/", PEER),
    "snapshotter": ("fuse-fs/snapshotter", "snapshotter/", PEER | {"fuse-fs"}),
}
EVERYTHING = set(COMPONENTS)
ABOVE = {"apps": EVERYTHING, "tests": EVERYTHING}

# Library -> (its headers, the folders whose .cc files may include them, may its headers stand in public headers?).
LIBRARIES = {
    "spdlog": (r"spdlog/", ["base"], False),
    "toml++": (r"toml\+\+/", ["base"], False),
    "prometheus-cpp": (r"prometheus/", ["base"], False),
    "Boost": (r"boost/", ["base"], False),
    "libcurl": (r"curl/", ["base"], False),
    "RocksDB": (r"rocksdb/", ["cache-index"], False),
    "zstd": (r"zstd\.h|zdict\.h", ["cache-index", "registry-proxy/convert"], False),
    "OpenSSL": (r"openssl/", ["base/src/http", "base/testing", "cache-index"], False),
    "libtorrent": (r"libtorrent/", ["peer"], False),
    "isa-l": (r"isa-l|isa-l\.h|igzip", ["registry-proxy/convert"], False),
    "zlib": (r"zlib\.h", ["registry-proxy/convert"], False),
    "nlohmann-json": (r"nlohmann/", ["registry-proxy", "apps/samara"], False),
    "libfuse3": (r"fuse3/|fuse_lowlevel\.h|fuse\.h|fuse_opt\.h", ["fuse-fs"], False),
    "gRPC": (r"grpc|grpcpp/|google/protobuf|[a-z_]+\.(grpc\.)?pb\.h",
             ["seed", "fuse-fs/snapshotter", "apps/samara"], False),
    "RE2": (r"re2/", ["fuse-fs/snapshotter"], False),
    "yaml-cpp": (r"yaml-cpp/", ["apps/samara"], False),
    "CLI11": (r"CLI/", ["apps"], False),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def component_of(path):
    """The innermost component (or "apps", "tests") that holds this path."""
    best = None
    for name, (folder, _, _) in COMPONENTS.items():
        if path.is_relative_to(folder) and (best is None or len(folder) > len(COMPONENTS[best][0])):
            best = name
    return best or path.parts[0]


def check_order(path, header, breaches, where):
    own = component_of(path)
    allowed = ABOVE.get(own) or COMPONENTS[own][2] | {own}
    for name, (_, prefix, _) in COMPONENTS.items():
        if header.startswith(prefix) and name not in allowed:
            breaches.append(f"{where}: {own} may not include {name} ({header})")


def check_libraries(path, header, breaches, where):
    for library, (pattern, folders, public) in LIBRARIES.items():
        if not re.match(pattern, header) or path.parts[0] == "tests":
            continue
        if not any(path.is_relative_to(folder) for folder in folders):
            breaches.append(f"{where}: {library} lives only in {', '.join(folders)} ({header})")
        elif "include" in path.parts and not public:
            breaches.append(f"{where}: {library} in a public header ({header})")


def breaches_below(root):
    breaches = []
    sources = [p for top in list(dict(COMPONENTS)) + list(ABOVE) for p in (root / top).rglob("*")
               if p.suffix in (".h", ".cc")]
    for source in sorted(set(sources)):
        path = source.relative_to(root)
        for number, line in enumerate(source.read_text(errors="replace").splitlines(), 1):
            if match := INCLUDE.match(line):
                where = f"{path}:{number}"
                check_order(path, match[1], breaches, where)
                check_libraries(path, match[1], breaches, where)
    return len(set(sources)), breaches


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    count, breaches = breaches_below(root)
    print("\n".join(breaches) if breaches else f"{count} files, no breach")
    return 1 if breaches or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
