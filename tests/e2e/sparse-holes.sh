#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sparse files and the limits: holes as they are told, made and filled, sizes
# up to 8 TiB, names of 255, 65 000 links.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 14

cat >"$work/sparse.py" <<'PY'
import errno, os, random, sys
from calls import fallocate, refused
os.chdir(sys.argv[1])
KEEP, PUNCH, ZERO = 1, 3, 0x10
B, MB, TB = 4096, 1 << 20, 1 << 40

def data_ranges(fd):
    size, at, found = os.fstat(fd).st_size, 0, []
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            assert e.errno == errno.ENXIO
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        assert start < at <= size
        found.append((start, at))
    return found

def make(name):
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

def seek():
    fd = make("seek")
    refused(errno.ENXIO, os.lseek, fd, 0, os.SEEK_DATA)
    refused(errno.ENXIO, os.lseek, fd, 0, os.SEEK_HOLE)
    for at in 0, 5 * B, 6 * B, 100 * B, 4 * MB:
        os.pwrite(fd, b"x" * B, at)
    assert data_ranges(fd) == [(0, B), (5 * B, 7 * B), (100 * B, 101 * B), (4 * MB, 4 * MB + B)], data_ranges(fd)
    assert os.lseek(fd, 5 * B + 7, os.SEEK_DATA) == 5 * B + 7
    assert os.lseek(fd, B + 7, os.SEEK_HOLE) == B + 7
    assert os.lseek(fd, 4 * MB, os.SEEK_HOLE) == 4 * MB + B
    refused(errno.ENXIO, os.lseek, fd, 4 * MB + B, os.SEEK_HOLE)
    os.ftruncate(fd, 8 * MB)
    refused(errno.ENXIO, os.lseek, fd, 5 * MB, os.SEEK_DATA)
    assert os.lseek(fd, 5 * MB, os.SEEK_HOLE) == 5 * MB
    assert os.fstat(fd).st_blocks == 5 * 8
    # preallocated and never written reads as zeros
    fallocate(fd, 0, 6 * MB, MB)
    assert os.pread(fd, MB, 6 * MB) == bytes(MB)
    assert os.fstat(fd).st_blocks == (5 + 256) * 8
    os.pwrite(fd, b"y", 6 * MB + 50000)
    data = os.pread(fd, MB, 6 * MB)
    assert data == bytes(50000) + b"y" + bytes(MB - 50001)

def punch():
    fd = make("punch")
    rng = random.Random(3)
    shadow = bytearray(rng.randbytes(5 * MB + 777))
    os.pwrite(fd, shadow, 0)
    blocks = os.fstat(fd).st_blocks
    for i in range(300):
        mode = rng.choice((PUNCH, PUNCH, ZERO, ZERO | KEEP, 0, KEEP))
        at = rng.randrange(len(shadow) + 20000)
        n = rng.choice((1, 100, B, 3 * B, 100000, 3 * MB))
        if rng.random() < 0.5:
            at, n = at // B * B, (n + B - 1) // B * B
        fallocate(fd, mode, at, n)
        end = at + n
        if mode in (0, ZERO) and end > len(shadow):
            shadow.extend(bytes(end - len(shadow)))
        if mode not in (0, KEEP):
            end = min(end, len(shadow))
            if at < end:
                shadow[at:end] = bytes(end - at)
        assert os.fstat(fd).st_size == len(shadow), (i, mode, at, n)
        if rng.random() < 0.5:
            at = rng.randrange(len(shadow))
            data = rng.randbytes(rng.choice((1, 5000, 70000)))[:len(shadow) - at]
            os.pwrite(fd, data, at)
            shadow[at:at + len(data)] = data
        if i % 10 == 0:
            assert os.pread(fd, len(shadow), 0) == shadow, (i, mode, at, n)
    assert os.pread(fd, len(shadow) + 1, 0) == shadow
    fallocate(fd, PUNCH, 0, 1 << 40)
    assert os.pread(fd, len(shadow) + 1, 0) == bytes(len(shadow))
    assert data_ranges(fd) == []
    # beyond EOF KEEP_SIZE may have left some; truncate takes them
    os.ftruncate(fd, 0)
    assert os.fstat(fd).st_blocks == 0, os.fstat(fd).st_blocks

def keep_size():
    fd = make("keep")
    free = os.statvfs(".").f_bfree
    fallocate(fd, KEEP, 0, 4 * MB)
    st = os.fstat(fd)
    assert st.st_size == 0 and st.st_blocks >= 8192, st
    os.pwrite(fd, b"abc", 0)
    assert os.fstat(fd).st_size == 3 and os.pread(fd, 10, 0) == b"abc"
    os.ftruncate(fd, MB)
    assert os.pread(fd, MB, 0) == b"abc" + bytes(MB - 3)
    os.ftruncate(fd, 0)
    assert os.fstat(fd).st_blocks == 0 and os.statvfs(".").f_bfree >= free - 1
    for mode, offset, length in (0, -1, 5), (0, 0, 0), (0, 5, -1):
        refused(errno.EINVAL, fallocate, fd, mode, offset, length)
    refused(errno.EOPNOTSUPP, fallocate, fd, 2, 0, 5)      # PUNCH without KEEP_SIZE
    r = os.open("keep", os.O_RDONLY)
    refused(errno.EBADF, fallocate, r, 0, 0, 5)

def tails():
    # what a truncate cut off does not come back
    for size, cut, grown in (10000, 5000, 9000), (B, 1, B), (50, 20, 50), (3 * MB, MB + 1, 2 * MB), (200, 100, 5000):
        for way in "truncate", "write", "fallocate":
            fd = make("tail")
            os.pwrite(fd, b"\xff" * size, 0)
            os.ftruncate(fd, cut)
            if way == "truncate":
                os.ftruncate(fd, grown)
            elif way == "write":
                os.pwrite(fd, b"\0", grown - 1)
            else:
                fallocate(fd, 0, 0, grown)
            data = os.pread(fd, grown + 1, 0)
            assert data == b"\xff" * cut + bytes(grown - cut), (size, cut, grown, way)
            os.close(fd)

def huge():
    fd = make("huge")
    for at in TB, 4 * TB + 12345, 8 * TB - 10:
        assert os.pwrite(fd, b"far away!", at) == 9
    assert os.fstat(fd).st_size == 8 * TB - 1
    os.ftruncate(fd, 8 * TB)
    for at in TB, 4 * TB + 12345, 8 * TB - 10:
        assert os.pread(fd, 9, at) == b"far away!"
    assert [r[0] for r in data_ranges(fd)] == [TB, 4 * TB + 12288, 8 * TB - B]
    assert os.fstat(fd).st_blocks <= 100
    fallocate(fd, PUNCH, 100, 8 * TB - 200)
    assert data_ranges(fd) in ([], [(8 * TB - B, 8 * TB)]), data_ranges(fd)
    os.ftruncate(fd, 0)
    for at in (1 << 62, (1 << 63) - 2):
        refused(errno.EFBIG, os.pwrite, fd, b"x", at)
        refused(errno.EFBIG, os.ftruncate, fd, at)
        refused(errno.EFBIG, fallocate, fd, 0, at, 1)
    assert os.fstat(fd).st_size == 0

def copy_range():
    a, b = make("a"), make("b")
    os.pwrite(a, b"1" * 10000, 0)
    os.pwrite(a, b"2" * 10000, MB)
    n = 0
    while n < MB + 10000:
        got = os.copy_file_range(a, b, MB + 10000 - n, n, n)
        assert got > 0
        n += got
    assert os.pread(b, 2 * MB, 0) == os.pread(a, 2 * MB, 0)

def names():
    os.mkdir("names")
    for name in "n" * 255, "\u00e9" * 127, " ", "a\nb", "\x01\xff", "..." , "-rf":
        open("names/" + name, "w").write(name)
    assert set(os.listdir("names")) == {"n" * 255, "\u00e9" * 127, " ", "a\nb", "\x01\xff", "...", "-rf"}
    for name in os.listdir("names"):
        assert open("names/" + name).read() == name
    for call in os.mkdir, os.mkfifo, os.unlink, os.stat, os.rmdir:
        refused(errno.ENAMETOOLONG, call, "names/" + "n" * 256)
    refused(errno.ENAMETOOLONG, os.rename, "names/-rf", "n" * 256)
    refused(errno.ENAMETOOLONG, os.link, "names/-rf", "n" * 256)
    deep, here = "names", os.getcwd()
    for i in range(60):
        os.mkdir("x" * 200)
        os.chdir("x" * 200)
    open("bottom", "w").write("deep")
    os.chdir(here)

def links():
    os.mkdir("links")
    open("links/0", "w").write("many names")
    made = 1
    try:
        for i in range(1, 65001):
            os.link("links/0", f"links/{i}")
            made += 1
    except OSError as e:
        assert e.errno == errno.EMLINK, e
    assert made == os.stat("links/0").st_nlink == 65000, made
    os.unlink("links/0")
    os.link("links/1", "links/0")
    assert open("links/64999").read() == "many names"

def links_go():
    for i in range(65000):
        os.unlink(f"links/{i}")
    assert os.stat("links").st_size == 0 or os.listdir("links") == []
    os.rmdir("links")

globals()[sys.argv[2]]()
PY
sparse() { timeout 60 python3 "$work/sparse.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
for part in seek punch keep_size tails huge copy_range names links; do
	ok "$part" sparse $part
done
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
is "the links are there" "$(stat -c %h "$mnt/links/64999")" 65000
ok "and go" sparse links_go
ok "umount and check" eval 'udax_umount && device_clean pmem0'
