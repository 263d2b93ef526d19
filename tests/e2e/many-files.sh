#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# 8000 names in a directory: listed once each, also while others come and
# go; a listing is continued where it stopped.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 11

cat >"$work/many.py" <<'PY'
import ctypes, os, random, sys, struct
os.chdir(sys.argv[1])
N = 8000
libc = ctypes.CDLL(None, use_errno=True)

def name(i):
    return f"{i:05d}-" + "n" * (i * 7 % 60)

def getdents(fd, size):
    buf = ctypes.create_string_buffer(size)
    n = libc.syscall(217, fd, buf, size)
    assert n >= 0, os.strerror(ctypes.get_errno())
    at, found = 0, []
    while at < n:
        ino, off, length, kind = struct.unpack_from("<QqHB", buf.raw, at)
        entry = buf.raw[at + 19:at + length].split(b"\0")[0].decode()
        if entry not in (".", ".."):
            found.append((entry, off))
        at += length
    return n, found

def make():
    os.mkdir("d")
    order = list(range(N))
    random.Random(1).shuffle(order)
    for i in order:
        os.close(os.open("d/" + name(i), os.O_CREAT | os.O_WRONLY | os.O_EXCL))

def all_():
    names = os.listdir("d")
    assert len(names) == N and set(names) == {name(i) for i in range(N)}
    for i in random.Random(2).sample(range(N), 500):
        os.stat("d/" + name(i))

# Every name that is there throughout comes exactly once, whatever else
# comes and goes between the calls.
def while_changing():
    fd = os.open("d", os.O_RDONLY)
    rng = random.Random(3)
    seen, extra = [], set()
    gone = set()
    step = 0
    while True:
        n, found = getdents(fd, 16384)
        if n == 0:
            break
        seen += [f[0] for f in found]
        step += 1
        for _ in range(20):
            new = f"extra{rng.randrange(10 ** 9)}"
            os.close(os.open("d/" + new, os.O_CREAT | os.O_WRONLY))
            extra.add(new)
        for _ in range(20):
            i = rng.randrange(0, N, 2)
            if name(i) not in gone:
                os.unlink("d/" + name(i))
                gone.add(name(i))
    assert len(seen) == len(set(seen)), "a name came twice"
    stayed = {name(i) for i in range(N)} - gone
    assert stayed <= set(seen), f"{len(stayed - set(seen))} names were left out"
    assert set(seen) <= stayed | gone | extra
    for new in extra:
        os.unlink("d/" + new)
    for i in range(0, N, 2):
        if name(i) in gone:
            os.close(os.open("d/" + name(i), os.O_CREAT | os.O_WRONLY))
    all_()

# telldir, seekdir: an offset is the same place again; after names before and
# behind it went, too.
def offsets():
    fd = os.open("d", os.O_RDONLY)
    places, order = [], []
    while True:
        n, found = getdents(fd, 8192)
        if n == 0:
            break
        order += found
    rng = random.Random(4)
    for at in rng.sample(range(len(order) - 1), 50):
        os.lseek(fd, order[at][1], os.SEEK_SET)
        assert getdents(fd, 4096)[1][0][0] == order[at + 1][0]
    os.lseek(fd, 0, os.SEEK_SET)
    assert getdents(fd, 4096)[1][0] == order[0]
    at = len(order) // 2
    for i in range(at - 30, at + 1):
        os.unlink("d/" + order[i][0])
    os.lseek(fd, order[at][1], os.SEEK_SET)
    assert getdents(fd, 4096)[1][0][0] == order[at + 1][0]
    for i in range(at - 30, at + 1):
        os.close(os.open("d/" + order[i][0], os.O_CREAT | os.O_WRONLY))

# rm -r: deleting what one reads
def delete_while_reading():
    count = 0
    with os.scandir("d") as listing:
        for entry in listing:
            os.unlink(entry.path)
            count += 1
    assert count == N, count
    assert os.listdir("d") == []
    os.rmdir("d")

globals()[sys.argv[2]]()
PY
many() { timeout 60 python3 "$work/many.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
free=$(stat -f -c '%f %d' "$mnt")
ok "8000 are made" many make
ok "listed" many all_
ok "listed while others come and go" many while_changing
ok "offsets are places" many offsets
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "listed" many all_
ok "deleted while listed" many delete_while_reading
now() { stat -f -c '%f %d' "$mnt"; }
freed() { [ "$(now)" = "$free" ]; }
ok "its blocks and inodes are free again" wait_until 10 freed
freed || diag "free blocks and inodes: $free before, $(now) now"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
