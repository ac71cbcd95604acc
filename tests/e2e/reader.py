"""Reads every file below some directories again and again, in several processes, until the file /tmp/stop appears.

Each pass drops what the kernel remembers of a file's contents, so that the file system has to give them again. Any
error and any difference from the first pass is told. The last line says how it went, and how long the longest wait for
one file was.
"""
import hashlib
import multiprocessing
import os
import sys
import time


def files_below(tops):
    for top in tops:
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def sum_of(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        digest = hashlib.sha256()
        while data := os.read(fd, 1 << 20):
            digest.update(data)
        return digest.hexdigest()
    finally:
        os.close(fd)


def read(paths, results):
    sums, waits, errors = {}, [], []
    while not os.path.exists("/tmp/stop"):
        for path in paths:
            start = time.monotonic()
            try:
                found = sum_of(path)
            except OSError as error:
                errors.append(f"{path}: {error}")
                continue
            waits.append(time.monotonic() - start)
            if sums.setdefault(path, found) != found:
                errors.append(f"{path}: other content")
    results.put((len(sums), waits, errors))


def main():
    paths = sorted(files_below(sys.argv[1:]))
    results = multiprocessing.Queue()
    readers = [multiprocessing.Process(target=read, args=(paths[i::4], results)) for i in range(4)]
    for reader in readers:
        reader.start()
    print(f"reading {len(paths)} files", flush=True)
    found = [results.get() for _ in readers]
    waits = sorted(wait for _, each, _ in found for wait in each)
    errors = [error for _, _, each in found for error in each]
    for error in errors[:20]:
        print(error)
    print(f"done files={sum(count for count, _, _ in found)} reads={len(waits)} errors={len(errors)} "
          f"longest_ms={waits[-1] * 1000:.0f}", flush=True)


main()
