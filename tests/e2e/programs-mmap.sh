#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A program that lives in mappings: shared, private, resized, shared between
# processes, used as a buffer for I/O on the same mount.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

cat >"$work/maps.py" <<'PY'
import hashlib, mmap, os, random, sys
os.chdir(sys.argv[1])
MB = 1 << 20

def pattern(n, seed):
    return random.Random(seed).randbytes(n)

def shared():
    data = pattern(5 * MB + 123, 1)
    with open("shared", "w+b") as f:
        f.truncate(len(data))
        m = mmap.mmap(f.fileno(), 0)
        rng = random.Random(2)
        at = list(range(0, len(data), 9973))
        rng.shuffle(at)
        for o in at:
            m[o:o + 9973] = data[o:o + 9973]
        m.flush()
        assert open("shared", "rb").read() == data
        assert m.find(data[-50:]) == len(data) - 50
        m.move(100, 4 * MB, 5000)
        data = data[:100] + data[4 * MB:4 * MB + 5000] + data[5100:]
        m.close()
    assert open("shared", "rb").read() == data

def private():
    data = pattern(MB, 3)
    open("private", "wb").write(data)
    with open("private", "rb") as f:
        m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
        m[:] = bytes(MB)
        assert f.read() == data and m[:] == bytes(MB)
        n = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        assert n[:] == data

def resized():
    with open("resized", "w+b") as f:
        f.truncate(4096)
        m = mmap.mmap(f.fileno(), 0)
        total = 4096
        for i in range(8):
            m[-1] = i + 1
            total *= 2
            m.resize(total)
            assert os.fstat(f.fileno()).st_size == total
            assert m[total // 2 - 1] == i + 1 and m[total // 2:] == bytes(total // 2)
        m.resize(5000)
        m.resize(20000)
        assert m[5000:] == bytes(15000)
        m.flush()
    data = open("resized", "rb").read()
    assert len(data) == 20000 and data[4095] == 1

def processes():
    n = 4
    with open("counters", "w+b") as f:
        f.truncate(n * 4096 + 4096)
        m = mmap.mmap(f.fileno(), 0)
        pids = []
        for i in range(n):
            pid = os.fork()
            if pid == 0:
                own = mmap.mmap(os.open("counters", os.O_RDWR), 0)
                for j in range(2000):
                    v = int.from_bytes(own[i * 4096:i * 4096 + 4], "little")
                    own[i * 4096:i * 4096 + 4] = (v + 1).to_bytes(4, "little")
                    if j % 500 == 0:
                        own.flush()
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            assert os.waitpid(pid, 0)[1] == 0
        for i in range(n):
            assert int.from_bytes(m[i * 4096:i * 4096 + 4], "little") == 2000

def as_buffer():
    # write(2) from a mapping of the mount, read(2) into one: the same file, too
    data = pattern(3 * MB, 5)
    open("from", "wb").write(data)
    src = os.open("from", os.O_RDWR)
    m = mmap.mmap(src, 0)
    dst = os.open("to", os.O_RDWR | os.O_CREAT)
    at = 0
    while at < len(data):
        at += os.pwrite(dst, memoryview(m)[at:at + 700001], at)
    assert open("to", "rb").read() == data
    t = mmap.mmap(dst, 0)
    assert os.preadv(src, [memoryview(t)[8192:8192 + MB]], MB) == MB
    data2 = data[:8192] + data[MB:2 * MB] + data[8192 + MB:]
    assert t[:] == data2 and os.pread(dst, 2 * MB, 0) == data2[:2 * MB]
    n = os.pwrite(src, memoryview(m)[0:65536], 131072)     # onto itself
    assert n == 65536 and m[131072:131072 + 65536] == data[:65536]
    os.copy_file_range(src, dst, MB, 0, 0)
    assert t[0:4096] == m[0:4096]

def executed():
    import shutil, subprocess
    shutil.copy("/bin/true", "true")
    assert subprocess.run(["./true"]).returncode == 0
    try:
        os.open("true", os.O_WRONLY | os.O_TRUNC)
    except OSError:
        pass
    shutil.copy("/bin/echo", "echo")
    assert subprocess.run(["./echo", "hi"], capture_output=True).stdout == b"hi\n"

def sums():
    for name in sorted(os.listdir(".")):
        print(name, hashlib.sha256(open(name, "rb").read()).hexdigest())

globals()[sys.argv[2]]()
PY
maps() { timeout 60 python3 "$work/maps.py" "$mnt" "$1"; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
for part in shared private resized processes as_buffer executed; do
	ok "$part" maps $part
done
sums=$(maps sums)
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
is "every byte is there" "$(maps sums)" "$sums"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
