#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random stores and loads through one mapping that stays, between random
# writes, truncates, punches and evictions of the same file: never another
# byte than the last one put there. In every dax mode.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
seed=${UDAX_SEED:-$RANDOM}
plan 16
diag "UDAX_SEED=$seed"

cat >"$work/stores.py" <<'PY'
import mmap, os, random, sys, time
from calls import fallocate
path, kept, seed, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
rng = random.Random(seed)
MAX = 600000
KEEP, PUNCH, ZERO = 1, 3, 0x10

fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.ftruncate(fd, MAX)
m = mmap.mmap(fd, MAX)
os.ftruncate(fd, 0)
shadow, history = bytearray(), []

def fail(what):
    print(f"seed {seed}, call {len(history)}: {what}")
    print("\n".join(map(str, history[-20:])))
    sys.exit(1)

def compare(got, at, what):
    expected = shadow[at:at + len(got)]
    if got != expected:
        i = next(i for i in range(len(got)) if i >= len(expected) or got[i] != expected[i])
        fail(f"{what}: byte {at + i} of {len(shadow)}")

def grow(n):
    if n > len(shadow):
        shadow.extend(bytes(n - len(shadow)))

def one(op, at, n):
    end = min(at + n, len(shadow))
    if op == "write":
        data = rng.randbytes(n)
        assert os.pwrite(fd, data, at) == n
        grow(at + n)
        shadow[at:at + n] = data
    elif op == "read":
        data = os.pread(fd, n, at)
        assert len(data) == max(0, end - at)
        compare(data, at, op)
    elif op == "store" and at < end:
        data = rng.randbytes(end - at)
        m[at:end] = data
        shadow[at:end] = data
    elif op == "load" and at < end:
        compare(m[at:end], at, op)
    elif op == "truncate":
        os.ftruncate(fd, at)
        del shadow[at:]
        grow(at)
    elif op == "punch":
        fallocate(fd, PUNCH, at, n)
        if at < end:
            shadow[at:end] = bytes(end - at)
    elif op == "zero":
        fallocate(fd, ZERO, at, n)
        grow(at + n)
        shadow[at:at + n] = bytes(n)
    elif op == "allocate":
        fallocate(fd, rng.choice((0, KEEP)), at, n)
        grow(os.fstat(fd).st_size)
    elif op == "sync":
        m.flush() if rng.random() < 0.5 else os.fsync(fd)
    elif op == "evict":
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    elif op == "open":
        other = os.open(path, rng.choice((os.O_RDONLY, os.O_RDWR)))
        compare(os.pread(other, MAX, 0), 0, op)
        os.close(other)

OPS = ("write", "write", "read", "store", "store", "store", "load", "load", "load", "truncate",
       "punch", "zero", "allocate", "sync", "evict", "open")
end = time.monotonic() + seconds
while time.monotonic() < end:
    at, n = rng.randrange(MAX), rng.choice((1, 100, 4096, 5000, 20000, 131072))
    if rng.random() < 0.3:
        at &= ~4095
    n = min(n, MAX - at)
    op = rng.choice(OPS)
    history.append((op, at, n, len(shadow)))
    one(op, at, n)
    if os.fstat(fd).st_size != len(shadow):
        fail(f"size {os.fstat(fd).st_size}, expected {len(shadow)}")
m.close()
os.close(fd)
compare(open(path, "rb").read(), 0, "after the close")
open(kept, "wb").write(shadow)
PY
udax_mkfs pmem0 pmem1
for mode in always never inode; do
	ok "$mode: mounts" udax_mount -o dax=$mode pmem0 pmem1
	two_files() {
		timeout 40 python3 "$work/stores.py" "$mnt/$mode-1" "$work/$mode-1" "$seed" 2 & local pid=$!
		timeout 40 python3 "$work/stores.py" "$mnt/$mode-2" "$work/$mode-2" $((seed + 1)) 2 && wait $pid
	}
	ok "$mode: two programs, a file each" two_files
	ok "$mode: the ledger adds up" udaxctl verify "$mnt"
	ok "$mode: umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
done
ok "mounts again" udax_mount pmem0 pmem1
all_equal() { for i in always never inode; do cmp "$mnt/$i-1" "$work/$i-1" && cmp "$mnt/$i-2" "$work/$i-2" || return; done; }
ok "every byte is there" all_equal
ok "read through a mapping, too" python3 -c 'import mmap, sys
for p in sys.argv[1:]:
    f = open(p, "rb")
    try:
        m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    except ValueError:
        continue        # empty
    assert m[:] == f.read()' "$mnt"/*-?
ok "umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
