"""Looks at files as programs do and prints what it sees, so that two containers can be compared. Runs inside of one."""
import errno
import fcntl
import hashlib
import mmap
import os
import socket
import stat
import struct
import sys

BIG = "/usr/bin/python3"  # a link to a program of some MiB
say = print


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def whole(path):
    with open(path, "rb") as file:
        return file.read()


def direct_reads(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    size = os.fstat(fd).st_size
    got = b""
    with mmap.mmap(-1, 1 << 20) as buffer:
        while len(got) < size:
            count = os.preadv(fd, [buffer], len(got))
            got += buffer[:count]
            if count < len(buffer):
                break
    os.close(fd)
    say("O_DIRECT", digest(got) == digest(whole(path)), len(got))


def send_files(path):
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    ours, theirs = socket.socketpair()
    ours.setblocking(True)
    pid = os.fork()
    if pid == 0:
        ours.close()
        sent = 0
        while sent < size:
            sent += os.sendfile(theirs.fileno(), fd, sent, size - sent)
        os._exit(0)
    theirs.close()
    got = b""
    while part := ours.recv(1 << 16):
        got += part
    os.waitpid(pid, 0)
    with open("/tmp/copy", "wb") as copy:
        os.sendfile(copy.fileno(), fd, 0, size)
    say("sendfile", digest(got), digest(whole("/tmp/copy")) == digest(got[: os.stat("/tmp/copy").st_size]))
    os.close(fd)


def maps(path):
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    shared = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
    private = mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    runnable = mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    before = digest(shared[:])
    private[0:4] = b"mine"
    say("mmap", before, digest(runnable[:]) == before, digest(shared[:]) == before, private[:4])
    try:
        mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        say("mmap for writing")
    except OSError as error:
        say("mmap for writing", errno.errorcode[error.errno])


def locks():
    path = "/usr/share/common-licenses/GPL-3"
    one, two = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
    fcntl.flock(one, fcntl.LOCK_SH)
    fcntl.flock(two, fcntl.LOCK_SH)
    try:
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        say("flock: taken")
    except OSError as error:
        say("flock", errno.errorcode[error.errno])
    fcntl.flock(one, fcntl.LOCK_UN)
    fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    writing = os.open(path, os.O_RDWR)  # copied up by this
    fcntl.fcntl(writing, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 10, 20, 0))
    pid = os.fork()
    if pid == 0:
        other = os.open(path, os.O_RDWR)
        try:
            fcntl.fcntl(other, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 15, 1, 0))
            os._exit(0)
        except OSError:
            os._exit(1)
    say("POSIX locks exclude", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def writes():
    path = "/usr/share/common-licenses/Artistic"
    before = whole(path)
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"HERE")
    after = whole(path)
    say("a write in the middle", after[100:104], after[:100] + after[104:] == before[:100] + before[104:])
    os.rename(path, path + ".renamed")
    os.link(path + ".renamed", path + ".linked")
    say("rename and link", os.path.exists(path), os.stat(path + ".linked").st_nlink)
    os.chmod("/etc/issue", 0o600)
    os.utime("/etc/issue", ns=(1, 2))
    info = os.stat("/etc/issue")
    say("chmod and utime", oct(info.st_mode), info.st_mtime_ns, info.st_size)
    os.truncate("/etc/issue", 5)
    say("truncate", whole("/etc/issue"))


def names():
    for directory in ("/odd/many", "/usr/bin", "/odd/names"):
        first, second = os.listdir(os.fsencode(directory)), os.listdir(os.fsencode(directory))
        say("the order of", directory, first == second, len(first), digest(b"\0".join(sorted(first))))
    deep = "/odd/deep"
    while entries := [e for e in os.listdir(deep) if e != "file"]:
        deep += "/" + entries[0]
    say("deep", len(deep), whole(deep + "/file"))
    try:
        os.stat("/odd/names/" + "n" * 256)
    except OSError as error:
        say("a name of 256 bytes", errno.errorcode[error.errno])


def odd_files():
    info = os.stat("/odd/nanoseconds")
    say("nanoseconds", info.st_mtime_ns, info.st_uid, info.st_gid)
    say("before 1970", os.stat("/odd/before-1970").st_mtime_ns, os.stat("/odd/after-2038").st_mtime_ns)
    fd = os.open("/odd/hole", os.O_RDONLY)
    say("hole", os.fstat(fd).st_size, digest(os.read(fd, 1 << 23)))
    for name in ("link-a", "setuid", "setgid", "fifo", "null", "block", "empty", "sticky"):
        info = os.lstat("/odd/" + name)
        rdev = (os.major(info.st_rdev), os.minor(info.st_rdev))
        say(name, oct(info.st_mode), info.st_nlink if not stat.S_ISDIR(info.st_mode) else "", info.st_uid, info.st_gid, rdev)
    say("one inode", len({os.stat(p).st_ino for p in ("/odd/link-a", "/odd/link-b", "/odd/names/link-c")}))
    say("user xattrs", sorted((n, os.getxattr("/odd/attributes", n)) for n in os.listxattr("/odd/attributes") if n.startswith("user.")))
    say("capability", os.getxattr("/odd/capable", "security.capability"))
    try:
        os.getxattr("/odd/link-a", "user.none")
    except OSError as error:
        say("no such xattr", errno.errorcode[error.errno])
    space = os.statvfs("/usr")
    say("statvfs", space.f_namemax, space.f_blocks > 0)


def random_reads(path):
    data = whole(path)
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    state, wrong = 1, 0
    for _ in range(2000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        offset, size = (state >> 33) % len(data), 1 + (state >> 20) % 20000
        wrong += os.pread(fd, size, offset) != data[offset : offset + size]
    say("random reads", wrong, os.pread(fd, 10, len(data)), os.pread(fd, 10, len(data) + 5000))


def main():
    big = os.path.realpath(BIG)
    direct_reads(big)
    send_files(big)
    maps(big)
    random_reads(big)
    locks()
    writes()
    names()
    odd_files()
    sys.stdout.flush()


main()
