#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Shared and private mappings against read(2), write(2), truncate and punch,
# in every dax mode.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 25

cat >"$work/coherence.py" <<'PY'
import mmap, os, sys
from calls import fallocate

PAGE = 4096
path = sys.argv[1] + "/file"

def opened(size, flags=os.O_RDWR):
    fd = os.open(path, flags | os.O_CREAT, 0o644)
    if size is not None:
        os.ftruncate(fd, 0)
        os.ftruncate(fd, size)
    return fd

def shared():
    fd = opened(1 << 20)
    m = mmap.mmap(fd, 1 << 20)
    for at in 0, 1, PAGE - 1, 300000, (1 << 20) - 1:
        m[at] = 65
        assert os.pread(fd, 1, at) == b"A", f"store at {at} is not read"
        os.pwrite(fd, b"B", at)
        assert m[at] == 66, f"write at {at} is not seen"
    m[5 * PAGE:6 * PAGE] = b"C" * PAGE
    os.pwrite(fd, b"DD", 5 * PAGE + 10)
    assert m[5 * PAGE:5 * PAGE + 14] == b"C" * 10 + b"DD" + b"CC"
    second = mmap.mmap(fd, 1 << 20)
    second[77] = 7
    assert m[77] == 7
    m.flush()
    m.close()
    second.close()
    os.close(fd)
    assert open(path, "rb").read()[77] == 7

def hole_then_store():
    # zeros read through a read-only open, then stored to through a writable one
    fd = opened(1 << 20)
    os.close(fd)
    reader = os.open(path, os.O_RDONLY)
    old = mmap.mmap(reader, 1 << 20, prot=mmap.PROT_READ)
    assert old[:1 << 20] == bytes(1 << 20)
    fd = opened(None)
    m = mmap.mmap(fd, 1 << 20)
    for page in range(0, 256, 3):
        m[page * PAGE + 5] = 1 + page % 250
    for page in range(0, 256, 3):
        assert old[page * PAGE + 5] == 1 + page % 250, "the reader sees other pages"
    m.flush()
    m.close()
    old.close()
    os.close(fd)
    os.close(reader)
    data = open(path, "rb").read()
    for page in range(0, 256, 3):
        assert data[page * PAGE + 5] == 1 + page % 250, "stores were lost"

def private():
    fd = opened(1 << 16)
    os.pwrite(fd, b"a" * 100, 0)
    m = mmap.mmap(fd, 1 << 16, flags=mmap.MAP_PRIVATE)
    m[0] = 90
    assert os.pread(fd, 2, 0) == b"aa" and m[0:2] == b"Za"
    ro = os.open(path, os.O_RDONLY)
    p = mmap.mmap(ro, 1 << 16, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    assert p[0:2] == b"aa"
    m.close(), p.close(), os.close(fd), os.close(ro)

def truncated():
    fd = opened(1 << 16)
    m = mmap.mmap(fd, 1 << 16)
    m[:] = b"x" * (1 << 16)
    os.ftruncate(fd, 5000)
    os.ftruncate(fd, 1 << 16)
    assert m[4990:5010] == b"x" * 10 + bytes(10)
    assert m[8192:] == bytes((1 << 16) - 8192)
    assert os.pread(fd, 1 << 16, 0) == m[:]
    m[40000] = 1
    fallocate(fd, 3, 8 * PAGE, 4 * PAGE)
    assert m[40000] == 0 and os.pread(fd, 1, 40000) == b"\0"
    m[40000] = 2
    m.flush()
    m.close()
    os.close(fd)
    assert open(path, "rb").read()[40000] == 2

def kept_by_another_open():
    fd = opened(1 << 16)
    m = mmap.mmap(fd, 1 << 16)
    m[100] = 1
    for _ in range(20):
        other = os.open(path, os.O_RDWR)
        assert os.pread(other, 1, 100) == bytes([m[100]])
        m[100] += 1
        os.close(other)
    m.close()
    os.close(fd)
    assert open(path, "rb").read()[100] == 21

globals()[sys.argv[2]]()
PY
run() { timeout 60 python3 "$work/coherence.py" "$mnt" "$1"; }

udax_mkfs pmem0
for mode in always never inode; do
	ok "$mode: mounts" udax_mount -o dax=$mode pmem0
	for part in shared hole_then_store private truncated kept_by_another_open; do
		ok "$mode: $part" run $part
	done
	ok "$mode: the ledger adds up" udaxctl verify "$mnt"
	ok "$mode: umount" udax_umount
done
ok "the device is clean" device_clean pmem0
