#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""crash_load.py load TOP SEED WORKERS: operations on TOP/SEED-WORKER until one
fails; says "SEED WORKER N" on standard output when its N-th has returned.

crash_load.py check TOP SEED WORKERS SAID: what a crash left of that. The same
operations follow from the same seed: what is there must be the state after
some operation, none before the last one that was said; of the next one, if it
stores data, aligned 8-byte units may be there.

Imports little: it starts in an emulated machine, too.
"""
import errno
import mmap
import os
import stat
import sys
from binascii import crc32

AHEAD = 3000            # operations that may have returned unsaid


class Random:
    def __init__(self, seed):
        self.x = crc32(seed.encode())

    def below(self, n):
        self.x = (self.x * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.x >> 33) % n

    def one(self, of):
        return of[self.below(len(of))]


class Node:
    def __init__(self, kind, data=b""):
        self.kind, self.data, self.mode, self.xattrs = kind, data, 0o700, {}


DIRECTORIES = "d0", "d1", "d2"
PLACES = [f"{d}n{i}" for d in ("", "d0/", "d1/", "d2/") for i in range(5)]
NUMBERED = [f"user.x{i}" for i in range(4)]


def pattern(n, length):
    """Each 8 bytes say which operation wrote them, and where."""
    return b"".join(b"%05x%03x" % (n % (1 << 20), i % (1 << 12)) for i in range(length // 8 + 1))[:length]


class World:
    """What one worker's directory should hold."""

    def __init__(self, seed):
        self.random, self.names, self.n = Random(seed), {}, 0

    def files(self):
        return sorted(p for p in self.names if self.names[p].kind == "f")

    def free(self):
        return [p for p in PLACES if p not in self.names and
                (p[:-3] == "" or p[:2] in self.names)]

    def next(self):
        """The next operation that can succeed: a name and arguments."""
        self.n += 1
        while True:
            verb = self.random.one(VERBS)
            arguments = getattr(self, "pick_" + verb)()
            if arguments is not None:
                return verb, arguments

    def pick_create(self):
        free = self.free()
        return [self.random.one(free)] if free else None

    def pick_symlink(self):
        free = self.free()
        return [f"target {self.n}", self.random.one(free)] if free else None

    def pick_write(self):
        files = self.files()
        if not files:
            return None
        path = self.random.one(files)
        size = len(self.names[path].data)
        at = self.random.one((0, size, self.random.below(size + 1), size + self.random.below(9000)))
        length = self.random.one((1, 20, 500, 4096, 9000, 70000)) + self.random.below(9)
        if at + length > 300000:
            at = 0
        return [path, at, pattern(self.n, length)]

    def pick_store(self):
        files = [p for p in self.files() if len(self.names[p].data) >= 64]
        if not files:
            return None
        path = self.random.one(files)
        size = len(self.names[path].data)
        at = self.random.below(size - 8) // 8 * 8
        return [path, at, pattern(self.n, min(size - at, self.random.one((8, 700, 20000))))]

    def pick_truncate(self):
        files = self.files()
        return [self.random.one(files), self.random.one((0, 10, 5000, 8192, 100000))] if files else None

    def pick_fsync(self):
        files = self.files()
        return [self.random.one(files)] if files else None

    def pick_unlink(self):
        names = sorted(p for p in self.names if self.names[p].kind != "d")
        return [self.random.one(names)] if len(names) > 4 else None

    def pick_rename(self):
        names, free = sorted(p for p in self.names if self.names[p].kind != "d"), self.free()
        return [self.random.one(names), self.random.one(names + free)] if names else None

    def pick_link(self):
        files, free = self.files(), self.free()
        return [self.random.one(files), self.random.one(free)] if files and free else None

    def pick_setxattr(self):
        files = self.files()
        return [self.random.one(files), self.random.one(NUMBERED),
                pattern(self.n, self.random.one((0, 8, 100, 2000)))] if files else None

    def pick_removexattr(self):
        files = [p for p in self.files() if self.names[p].xattrs]
        if not files:
            return None
        path = self.random.one(files)
        return [path, self.random.one(sorted(self.names[path].xattrs))]

    def pick_chmod(self):
        files = self.files()
        return [self.random.one(files), 0o600 + self.random.below(64)] if files else None

    def pick_mkdir(self):
        free = [d for d in DIRECTORIES if d not in self.names]
        return [free[0]] if free else None

    def pick_rmdir(self):
        empty = [d for d in DIRECTORIES if d in self.names and
                 not any(p.startswith(d + "/") for p in self.names)]
        return [empty[0]] if empty else None

    def pick_move(self):
        """A directory with what is in it."""
        there = [d for d in DIRECTORIES if d in self.names]
        free = [d for d in DIRECTORIES if d not in self.names]
        return [self.random.one(there), free[0]] if there and free else None

    def apply(self, verb, a):
        names = self.names
        if verb == "create":
            names[a[0]] = Node("f")
        elif verb == "symlink":
            names[a[1]] = Node("l", a[0].encode())
        elif verb == "mkdir":
            names[a[0]] = Node("d")
        elif verb in ("write", "store"):
            node, end = names[a[0]], a[1] + len(a[2])
            node.data = node.data[:a[1]].ljust(a[1], b"\0") + a[2] + node.data[end:]
        elif verb == "truncate":
            node = names[a[0]]
            node.data = node.data[:a[1]].ljust(a[1], b"\0")
        elif verb in ("unlink", "rmdir"):
            del names[a[0]]
        elif verb == "rename":
            if names.get(a[1]) is not names[a[0]]:      # else it does nothing
                names[a[1]] = names.pop(a[0])
        elif verb == "link":
            names[a[1]] = names[a[0]]
        elif verb == "setxattr":
            names[a[0]].xattrs[a[1]] = a[2]
        elif verb == "removexattr":
            del names[a[0]].xattrs[a[1]]
        elif verb == "chmod":
            names[a[0]].mode = a[1]
        elif verb == "move":
            for p in [p for p in names if p == a[0] or p.startswith(a[0] + "/")]:
                names[a[1] + p[len(a[0]):]] = names.pop(p)

    def state(self):
        groups = {}
        for p in sorted(self.names):
            groups.setdefault(id(self.names[p]), []).append(p)
        return {p: describe(node.kind, node.mode, node.data, node.xattrs, groups[id(node)])
                for p, node in self.names.items()}


VERBS = ("create write write write store truncate fsync unlink unlink rename rename link symlink "
         "setxattr removexattr chmod mkdir rmdir move").split()


def describe(kind, mode, data, xattrs, names):
    if kind != "f":
        return kind, data
    return kind, mode, tuple(sorted(xattrs.items())), tuple(names), data


# --- the real ones ------------------------------------------------------------

def with_fd(path, flags, do):
    fd = os.open(path, flags, 0o700)
    try:
        return do(fd)
    finally:
        os.close(fd)


def store(fd, at, data):
    size = os.fstat(fd).st_size         # of a daemon that is gone mmap would ask in vain: EINVAL
    with mmap.mmap(fd, size) as m:
        m[at:at + len(data)] = data
        m.flush()


def perform(top, verb, a):
    path = f"{top}/{a[0]}"
    if verb == "create":
        with_fd(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, lambda fd: 0)
    elif verb == "symlink":
        os.symlink(a[0], f"{top}/{a[1]}")
    elif verb == "write":
        done = with_fd(path, os.O_WRONLY, lambda fd: os.pwrite(fd, a[2], a[1]))
        assert done == len(a[2])
    elif verb == "store":
        with_fd(path, os.O_RDWR, lambda fd: store(fd, a[1], a[2]))
    elif verb == "fsync":
        with_fd(path, os.O_RDONLY, os.fsync)
    elif verb in ("rename", "link", "move"):
        getattr(os, "rename" if verb == "move" else verb)(path, f"{top}/{a[1]}")
    else:
        getattr(os, verb)(path, *a[1:])


def is_there(top, device):
    """The mount that we began on: else it is what the daemon's death looks like."""
    try:
        return os.stat(top).st_dev == device
    except OSError:
        return False


def work(top, seed, worker):
    said = f"{seed} {worker} "
    world = World(said)
    top = f"{top}/{seed}-{worker}"
    os.umask(0)
    try:
        os.mkdir(top)
        device = os.stat(top).st_dev
        while True:
            os.write(1, f"{said}{world.n}\n".encode())
            verb, arguments = world.next()
            perform(top, verb, arguments)
            world.apply(verb, arguments)
    except OSError as e:
        if e.errno not in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO) and is_there(top, device):
            os.write(1, f"{said}failed: {verb} {arguments[0]}: {e}\n".encode())


def found(top):
    """The state that is there, by path."""
    names, groups = {}, {}
    for at, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(at, name)
            s = os.lstat(path)
            names[path[len(top) + 1:]] = s
            groups.setdefault(s.st_ino, []).append(path[len(top) + 1:])
    state = {}
    for p, s in names.items():
        path = f"{top}/{p}"
        if stat.S_ISDIR(s.st_mode):
            state[p] = describe("d", 0, b"", {}, [])
        elif stat.S_ISLNK(s.st_mode):
            state[p] = describe("l", 0, os.readlink(path).encode(), {}, [])
        else:
            with open(path, "rb") as f:
                data = f.read()
            assert len(data) == s.st_size
            xattrs = {x: os.getxattr(path, x) for x in os.listxattr(path) if x.startswith("user.")}
            state[p] = describe("f", stat.S_IMODE(s.st_mode), data, xattrs, sorted(groups[s.st_ino]))
    return state


def torn(old, new, there):
    """Between two states of a file: units of either; the size of one, or one at
    which a page ends: a kernel that caches hands a write over in pieces."""
    grows = len(old) < len(there) < len(new) and len(there) % 4096 == 0
    if len(there) not in (len(old), len(new)) and not grows:
        return False
    old, new = old.ljust(len(there), b"\0"), new[:len(there)].ljust(len(there), b"\0")
    return all(there[i:i + 8] in (old[i:i + 8], new[i:i + 8]) for i in range(0, len(there), 8))


def between(before, after, there):
    if before.keys() != there.keys() or after.keys() != there.keys():
        return False
    return all(there[p] in (before[p], after[p]) or
               (there[p][:-1] in (before[p][:-1], after[p][:-1]) and
                torn(before[p][-1], after[p][-1], there[p][-1])) for p in there)


def difference(expected, there):
    lines = []
    for p in sorted(expected.keys() | there.keys()):
        a, b = expected.get(p), there.get(p)
        if a is None or b is None or a[:-1] != b[:-1]:
            lines.append(f"  {p}: {a and a[:-1]}, there: {b and b[:-1]}")
        elif a != b:
            at = next((i for i in range(min(len(a[-1]), len(b[-1]))) if a[-1][i] != b[-1][i]), None)
            lines.append(f"  {p}: {len(a[-1])} bytes, there: {len(b[-1])}, different from {at}")
    return "\n".join(lines)[:3000]


def verify(top, seed, worker, last):
    world = World(f"{seed} {worker} ")
    there = found(f"{top}/{seed}-{worker}")
    before = world.state()
    least = None
    while world.n < last + AHEAD:
        if world.n >= last and before == there:
            return True
        if world.n == last:
            least = before
        verb, arguments = world.next()
        world.apply(verb, arguments)
        after = world.state()
        if world.n > last and verb in ("write", "store") and between(before, after, there):
            return True
        before = after
    print(f"{seed} worker {worker}: nothing like after operation {last}, or later:")
    print(difference(least, there))
    return False


def check(top, seed, workers, said):
    last, good = {}, True
    with open(said) as f:
        for line in f:
            words = line.split()
            if len(words) < 3 or not line.endswith("\n") or words[0] != seed:
                continue
            if words[2] == "failed:":
                print(line, end="")
                good = False
            else:
                last[int(words[1])] = int(words[2])
    for worker in range(workers):
        if worker in last:
            good = verify(top, seed, worker, last[worker]) and good
    print(f"{seed}: {sum(last.values())} operations of {len(last)} workers")
    return good


def main():
    verb, top, seed, workers = sys.argv[1:5]
    if verb == "check":
        sys.exit(not check(top, seed, int(workers), sys.argv[5]))
    for worker in range(int(workers)):
        if os.fork() == 0:
            work(top, seed, worker)
            os._exit(0)
    for worker in range(int(workers)):
        os.wait()


if __name__ == "__main__":
    main()
