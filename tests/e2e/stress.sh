#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random operations here and on a shadow tree elsewhere: the same results, the
# same trees; after a remount, and after a kill -9 in the middle of it, when
# what was not acknowledged is there or is not.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
seed=${UDAX_SEED:-$RANDOM}
plan 13
diag "UDAX_SEED=$seed"

cat >"$work/stress.py" <<'PY'
import errno, mmap, os, random, shutil, stat, sys, time
from calls import fallocate, renameat2

top, shadow, seed, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
log = open(sys.argv[5], "w", buffering=1) if len(sys.argv) > 5 else None
rng = random.Random(seed)
TREES = top, shadow
DIRS = ["", "d1", "d2", "d1/e", "d1/e/f"]

def any_path():
    return os.path.join(rng.choice(DIRS), f"n{rng.randrange(8)}")

def any_file(kind=stat.S_ISREG):
    found = []
    for d in DIRS:
        try:
            for name in sorted(os.listdir(os.path.join(shadow, d))):
                p = os.path.join(d, name)
                if kind(os.lstat(os.path.join(shadow, p)).st_mode):
                    found.append(p)
        except OSError:
            pass
    return rng.choice(sorted(found)) if found else any_path()

def offset():
    at = rng.choice((0, 1, 100, 4095, 4096, 5000, 70000, 1 << 20, 2 << 20, (2 << 20) + 4096, 5 << 20))
    return at + (rng.randrange(5000) if rng.random() < 0.5 else 0)

def length():
    return rng.choice((1, 20, 300, 4096, 5000, 8192, 70000, 300000)) + rng.randrange(3)

def with_fd(path, flags, fn):
    fd = os.open(path, flags)
    try:
        return fn(fd)
    finally:
        os.close(fd)

def zero_range(fd, at, n):      # tmpfs has no ZERO_RANGE
    size = os.fstat(fd).st_size
    if at + n > size:
        os.ftruncate(fd, at + n)
    os.pwrite(fd, bytes(n), at)

def store(fd, at, data):
    size = os.fstat(fd).st_size
    if size == 0:
        return 0
    at %= size
    data = data[:size - at]
    with mmap.mmap(fd, size) as m:
        m[at:at + len(data)] = data
        # Else nobody is told when the daemon dies before the kernel writes:
        # the mapping closes a descriptor of its own, and drops the error.
        if log:
            m.flush()
    return len(data)

def load(fd):
    size = os.fstat(fd).st_size
    if size == 0 or stat.S_ISDIR(os.fstat(fd).st_mode):
        return b""
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as m:
        return m[:]

def choose():
    """(name, function of the tree's top)"""
    kind = rng.randrange(100)
    if kind < 12:
        p, n, s = any_path(), rng.choice((0, 0, 10, 200, 5000, 100000)), rng.randrange(1 << 30)
        data = random.Random(s).randbytes(n)
        return f"create {p} {n}", lambda t: with_fd(os.path.join(t, p), os.O_CREAT | os.O_EXCL | os.O_WRONLY, lambda fd: os.write(fd, data))
    if kind < 30:
        p, at, s = any_file(), offset(), rng.randrange(1 << 30)
        data = random.Random(s).randbytes(length())
        return f"write {p} {at} {len(data)}", lambda t: with_fd(os.path.join(t, p), os.O_WRONLY, lambda fd: os.pwrite(fd, data, at))
    if kind < 34:
        p, s = any_file(), rng.randrange(1 << 30)
        data = random.Random(s).randbytes(length())
        return f"append {p} {len(data)}", lambda t: with_fd(os.path.join(t, p), os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, data))
    if kind < 40:
        p, at, n = any_file(), offset(), length()
        return f"read {p} {at} {n}", lambda t: with_fd(os.path.join(t, p), os.O_RDONLY, lambda fd: os.pread(fd, n, at))
    if kind < 47:
        p, at, s = any_file(), offset(), rng.randrange(1 << 30)
        data = random.Random(s).randbytes(length())
        return f"store {p} {at} {len(data)}", lambda t: with_fd(os.path.join(t, p), os.O_RDWR, lambda fd: store(fd, at, data))
    if kind < 50:
        p = any_file()
        return f"load {p}", lambda t: with_fd(os.path.join(t, p), os.O_RDONLY, load)
    if kind < 56:
        p, n = any_file(), offset()
        return f"truncate {p} {n}", lambda t: os.truncate(os.path.join(t, p), n)
    if kind < 62:
        p, at, n = any_file(), offset(), length()
        mode = rng.choice((3, 3, 0, 1))
        return f"fallocate {p} {mode} {at} {n}", lambda t: with_fd(os.path.join(t, p), os.O_WRONLY, lambda fd: fallocate(fd, mode, at, n))
    if kind < 65:
        p, at, n = any_file(), offset(), length()
        return f"zero {p} {at} {n}", lambda t: with_fd(os.path.join(t, p), os.O_WRONLY, lambda fd: fallocate(fd, 0x10, at, n) if t == top else zero_range(fd, at, n))
    if kind < 72:
        a, b = (any_file(), any_path()) if rng.random() < 0.5 else (any_path(), any_path())
        flags = rng.choice((0, 0, 0, 1, 2))
        return f"rename {a} {b} {flags}", lambda t: renameat2(os.path.join(t, a), os.path.join(t, b), flags)
    if kind < 74:
        a, b = rng.choice(DIRS[1:]), rng.choice(DIRS[1:]) if rng.random() < 0.5 else any_path()
        return f"rename {a} {b}", lambda t: os.rename(os.path.join(t, a), os.path.join(t, b))
    if kind < 79:
        p = any_path()
        return f"unlink {p}", lambda t: os.unlink(os.path.join(t, p))
    if kind < 83:
        p = rng.choice(DIRS[1:]) if rng.random() < 0.5 else any_path()
        return f"mkdir {p}", lambda t: os.mkdir(os.path.join(t, p))
    if kind < 84:
        p = rng.choice(DIRS[1:]) if rng.random() < 0.3 else any_path()
        return f"rmdir {p}", lambda t: os.rmdir(os.path.join(t, p))
    if kind < 88:
        a, b = any_file(), any_path()
        return f"link {a} {b}", lambda t: os.link(os.path.join(t, a), os.path.join(t, b))
    if kind < 90:
        p, n = any_path(), rng.choice((1, 100, 200, 208, 300, 4000))
        return f"symlink {p} {n}", lambda t: os.symlink("s" * n, os.path.join(t, p))
    if kind < 92:
        p, mode = any_file(), rng.randrange(0o1000)
        return f"chmod {p} {mode:o}", lambda t: os.chmod(os.path.join(t, p), mode)
    if kind < 94:
        p, ns = any_file(), rng.randrange(1 << 60)
        return f"utime {p} {ns}", lambda t: os.utime(os.path.join(t, p), ns=(ns, ns))
    if kind < 97:
        p, name, n = any_file(), f"trusted.x{rng.randrange(4)}", rng.choice((0, 10, 300, 5000, 20000))
        if rng.random() < 0.3:
            return f"removexattr {p} {name}", lambda t: os.removexattr(os.path.join(t, p), name)
        return f"setxattr {p} {name} {n}", lambda t: os.setxattr(os.path.join(t, p), name, b"v" * n)
    if kind < 98:
        p = any_file()
        return f"fsync {p}", lambda t: with_fd(os.path.join(t, p), os.O_RDONLY, os.fsync)
    a, b, at, n = any_file(), any_file(), offset(), length()
    def copy(t):
        def inner(src):
            def do(dst):
                data, done = os.pread(src, n, at), 0
                if os.path.sameopenfile(src, dst):
                    return len(data)
                if t == shadow:
                    return os.pwrite(dst, data, at) if data else 0
                while done < len(data):
                    got = os.copy_file_range(src, dst, len(data) - done, at + done, at + done)
                    assert got > 0
                    done += got
                return len(data)
            return with_fd(os.path.join(t, b), os.O_WRONLY, do)
        return with_fd(os.path.join(t, a), os.O_RDONLY, inner)
    return f"copy {a} {b} {at} {n}", copy

def outcome(call, tree):
    try:
        return call(tree)
    except OSError as e:
        return errno.errorcode[e.errno]

for d in DIRS[1:]:
    for t in TREES:
        os.makedirs(os.path.join(t, d), exist_ok=True)
end, count = time.monotonic() + seconds, 0
while time.monotonic() < end and count < 6000:
    name, call = choose()
    count += 1
    if log:
        # One that is under way when the daemon is killed is repeated on
        # neither: the shadow gets it after the mount has acknowledged it.
        log.write(f"{count} {name}\n")
        got = outcome(call, top)
        if got in ("ENOTCONN", "ECONNABORTED", "EIO"):
            log.write("killed\n")
            sys.exit(0)
        expected = outcome(call, shadow)
        log.write("done\n")
    else:
        got, expected = outcome(call, top), outcome(call, shadow)
    if got != expected:
        short = lambda x: x if not isinstance(x, bytes) else f"{len(x)} bytes"
        print(f"seed {seed}: call {count}: {name}: {short(got)}, expected {short(expected)}")
        sys.exit(1)
print(count, "calls")
PY
cat >"$work/compare.py" <<'PY'
import os, stat, sys
# compare.py TOP SHADOW [LOG]: the same trees; with a log, what its last,
# unacknowledged call touches may be otherwise.
top, shadow = sys.argv[1:3]
loose = set()
if len(sys.argv) > 3:
    lines = open(sys.argv[3]).read().splitlines()
    if lines[-1] != "done":
        last = lines[-2 if lines[-1] == "killed" else -1]
        print("under way:", last)
        loose = set(w for w in last.split()[2:] if not w.isdigit() or w.startswith("n"))

def tree(root):
    found = {}
    for where, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(where, name)
            found[os.path.relpath(path, root)] = path
    return found

def describe(path):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    d = {"mode": st.st_mode}
    if kind == stat.S_IFREG:
        d["nlink"] = st.st_nlink
        d["size"] = st.st_size
        fd = os.open(path, os.O_RDONLY)
        data, at = [], 0
        while True:
            piece = os.pread(fd, 1 << 20, at)
            if not piece:
                break
            data.append(piece)
            at += len(piece)
        os.close(fd)
        d["data"] = hash(b"".join(data))
        d["bytes"] = b"".join(data)
    elif kind == stat.S_IFLNK:
        d["target"] = os.readlink(path)
    else:
        d["nlink"] = st.st_nlink
    d["xattrs"] = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)
                   if n.startswith("trusted.")}
    return d

def is_loose(path):
    # names of one inode go with each other; so do those below a directory
    return any(path == l or path.startswith(l + "/") for l in loose)

a, b = tree(top), tree(shadow)
loose_inodes = {os.lstat(t[p]).st_ino for t in (a, b) for p in t if is_loose(p)}
bad = 0
for path in sorted(set(a) | set(b)):
    if is_loose(path):
        continue
    if path not in a or path not in b:
        print(f"{path}: only in {'the shadow' if path in b else 'the mount'}")
        bad += 1
        continue
    if loose and os.lstat(a[path]).st_ino in loose_inodes:
        continue
    got, expected = describe(a[path]), describe(b[path])
    if loose and stat.S_ISDIR(got["mode"]):
        got.pop("nlink", 0), expected.pop("nlink", 0)
    if got != expected:
        bad += 1
        diff = [k for k in got if got[k] != expected.get(k)]
        print(f"{path}: differs in {diff}", {k: (got[k], expected.get(k)) for k in diff if k not in ("bytes", "data", "xattrs")})
        if "bytes" in diff:
            x, y = got["bytes"], expected["bytes"]
            at = next((i for i in range(min(len(x), len(y))) if x[i] != y[i]), min(len(x), len(y)))
            print(f"  first at {at} of {len(x)} and {len(y)}")
sys.exit(bad != 0)
PY
shadow=$work/shadow
mkdir "$shadow"
stress() { timeout 60 python3 "$work/stress.py" "$mnt" "$shadow" "$@"; }
same() { timeout 60 python3 "$work/compare.py" "$mnt" "$shadow" "$@"; }

UDAX_SIZE=256M udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
ok "random calls, the same results" stress "$seed" 5
diag "$(cat "$work/.said")"
ok "the same trees" same
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
ok "mounts again" udax_mount pmem0 pmem1
ok "the same trees" same
ok "more of it, through the page cache" eval 'udax_umount && udax_mount -o dax=never pmem0 pmem1 && stress $((seed + 1)) 2 && same'

udax_umount
udax_mount pmem0 pmem1
killed_under_load() {
	stress $((seed + 2)) 20 "$work/log" & local pid=$!
	sleep "1.$((RANDOM % 10))"
	kill -9 "$daemon" && wait_until 10 gone "$daemon"
	daemon=
	wait $pid || [ $? = 135 ]	# by SIGBUS, if it had a file mapped
	umount -l "$mnt"
}
ok "killed in the middle of it" killed_under_load
diag "$(tail -3 "$work/log")"
ok "mounts" udax_mount pmem0 pmem1
ok "the same trees, but for what was under way" same "$work/log"
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
