#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A full filesystem: what was acknowledged stays, what cannot be done says so,
# what frees works, and every block comes back.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 22

cat >"$work/full.py" <<'PY'
import calls, errno, functools, mmap, os, signal, sys
from calls import fallocate
os.chdir(sys.argv[1])
refused = functools.partial(calls.refused, errno.ENOSPC)

def pattern(i, size):
    return (b"%08d" % i) * (size // 8 + 1)

def fill_file(path, piece):
    """Append until ENOSPC; the acknowledged length."""
    fd, size = os.open(path, os.O_WRONLY | os.O_CREAT), 0
    try:
        while True:
            data = pattern(size // piece, piece)[:piece]
            n = os.write(fd, data)
            assert n > 0
            size += n
            if n < piece:
                os.write(fd, b"x")
                raise AssertionError("there was room after a short write")
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    assert os.fstat(fd).st_size == size, (os.fstat(fd).st_size, size)
    os.close(fd)
    return size

def check_file(path, size, piece):
    with open(path, "rb") as f:
        at = 0
        while at < size:
            data = f.read(piece)
            assert data == pattern(at // piece, piece)[:len(data)] and data, at
            at += len(data)
        assert f.read(1) == b"" and at == size

def big():
    for name in "rest", "hole":         # there will be no room for a name
        os.mknod(name)
    size = fill_file("big", 1 << 20)
    fill_file("rest", 4096)
    assert size > 40 << 20, size
    check_file("big", size, 1 << 20)
    open("../said", "w").write(str(size))

def big_there():
    check_file("big", int(open("../said").read()), 1 << 20)

def small():
    sizes, i, refused = [10, 4000, 100, 9000, 0, 60000], 0, 0
    said = open("../said", "w")
    os.makedirs("small", exist_ok=True)
    while refused < 6:
        size = sizes[i % len(sizes)]
        try:
            with open(f"small/{i}", "wb", buffering=0) as f:
                data = pattern(i, size)[:size]
                n = f.write(data) if size else 0
                said.write(f"{i} {n}\n")
                refused += n < size
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
            refused += 1
            if os.path.exists(f"small/{i}"):
                said.write(f"{i} 0\n")
        i += 1
    assert i > 2000, i

def small_there():
    seen = set()
    for line in open("../said"):
        i, n = map(int, line.split())
        with open(f"small/{i}", "rb") as f:
            assert f.read() == pattern(i, n)[:n], i
        seen.add(str(i))
    assert set(os.listdir("small")) == seen

# Only inodes: empty files until there is no room for one more.
def inodes():
    os.mkdir("inodes")
    i = 0
    try:
        while True:
            os.mknod(f"inodes/{i}")
            i += 1
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    assert len(os.listdir("inodes")) == i
    assert i > 50000, i

def on_full():
    """All of it with not a block free: done, or ENOSPC, and then as before."""
    names = set(os.listdir("."))
    refused(os.mkdir, "new")
    refused(os.mknod, "new")
    refused(os.symlink, "x" * 1000, "new")
    refused(os.setxattr, "big", "user.a", bytes(50000))
    fd = os.open("big", os.O_RDWR)
    size = os.fstat(fd).st_size
    refused(os.pwrite, fd, b"x" * 100000, size)
    refused(fallocate, fd, 0, size, 10 << 20)
    refused(fallocate, fd, 1, size, 10 << 20)
    assert os.fstat(fd).st_size == size
    assert set(os.listdir(".")) == names
    os.pwrite(fd, pattern(0, 1 << 20)[:1 << 20], 0)         # in place
    os.rename("rest", "renamed")
    os.rename("renamed", "rest")
    os.chmod("big", 0o600)
    os.utime("big")
    os.ftruncate(fd, size + (1 << 30))                      # a hole costs nothing
    os.ftruncate(fd, size)
    os.close(fd)

def punch():
    fd = os.open("big", os.O_RDWR)
    size = os.fstat(fd).st_size
    free = os.statvfs(".").f_bfree
    fallocate(fd, 3, 10 << 20, 1 << 20)
    assert os.statvfs(".").f_bfree >= free + 250, (free, os.statvfs(".").f_bfree)
    assert os.pread(fd, 1 << 20, 10 << 20) == bytes(1 << 20)
    assert os.fstat(fd).st_size == size
    for i in range(0, 256, 2):          # every other page of another: extents split
        fallocate(fd, 3, (20 << 20) + i * 4096, 4096)
    # filled again by its own data
    data = pattern(10, 1 << 20)[:1 << 20]
    n = 0
    while n < len(data):
        n += os.pwrite(fd, data[n:], (10 << 20) + n)
    data = pattern(20, 1 << 20)[:1 << 20]
    for i in range(0, 256, 2):
        os.pwrite(fd, data[i * 4096:i * 4096 + 4096], (20 << 20) + i * 4096)
    os.close(fd)

def store_to_hole():
    """SIGBUS in the storing process, nobody else notices."""
    fd = os.open("hole", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 64 << 20)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        m = mmap.mmap(fd, 0)
        for at in range(0, len(m), 4096):
            m[at] = 255
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS, status
    # through the page cache (dax=never) a hole of a file that is open for
    # writing is no more readable than storable
    os.close(fd)
    data = open("hole", "rb").read()
    stored = data.count(b"\xff")
    # what was stored before the fault is there, all else is zeros
    assert data == b"".join((b"\xff" if i < stored else b"\0") + bytes(4095) for i in range((64 << 20) // 4096))

def last_blocks():
    """Longer names take what is kept in reserve; then everything still goes."""
    os.mkdir("names")
    for i in range(6000):
        os.mknod(f"names/{i}")
    fill_file("big", 1 << 20)
    renamed = 0
    try:
        for i in range(6000):
            os.rename(f"names/{i}", f"names/{i:0250d}")
            renamed += 1
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    assert 0 < renamed < 6000, renamed
    assert {int(name) for name in os.listdir("names")} == set(range(6000))
    fd = os.open("big", os.O_RDWR)
    for i in range(2, 2000, 2):         # needs nodes for the extents
        fallocate(fd, 3, i * 4096, 4096)
    for i in range(6000):
        os.chmod(f"names/{i:0250d}" if i < renamed else f"names/{i}", 0o600)
    os.ftruncate(fd, 100000)
    os.close(fd)

def delete():
    import shutil
    for name in os.listdir("."):
        if os.path.isdir(name):
            shutil.rmtree(name)
        else:
            os.unlink(name)

globals()[sys.argv[2]]()
PY
full() { timeout 60 python3 "$work/full.py" "$mnt" "$1"; }
now() { stat -f -c '%f %a %d' "$mnt"; }
as_before() { [ "$(now)" = "$before" ]; }
all_back() { full delete && wait_until 5 as_before || { echo "before: $before, now: $(now)"; return 1; }; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
before=$(now)
ok "one big file until ENOSPC" full big
ok "what is refused on a full filesystem, and what is not" full on_full
ok "all of it is there" full big_there
ok "a punched hole is room" full punch
ok "all of it is there" full big_there
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "full, it mounts again" udax_mount pmem0
ok "all of it is there" full big_there
ok "a store to a hole raises SIGBUS" full store_to_hole
ok "all of it is there" full big_there
ok "deleted: all is free again" all_back
ok "small files until ENOSPC" full small
ok "all of them are there" full small_there
ok "deleted: all is free again" all_back
ok "empty files until ENOSPC" full inodes
ok "deleted: all is free again" all_back
ok "a big file has room" full big
ok "deleted: all is free again" all_back
ok "to the last block" full last_blocks
ok "deleted: all is free again" all_back
ok "umount and check" eval 'udax_umount && device_clean pmem0'
