#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Timestamps: which call moves which, to the nanosecond, and kept.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

cat >"$work/times.py" <<'PY'
import mmap, os, sys, time
os.chdir(sys.argv[1])

def times(path):
    st = os.lstat(path)
    return {"a": st.st_atime_ns, "m": st.st_mtime_ns, "c": st.st_ctime_ns}

def moved(path, which, call, *args):
    before = times(path)
    time.sleep(0.012)           # more than a tick
    result = call(*args)
    after = times(path)
    got = "".join(k for k in "amc" if after[k] != before[k])
    # atime is the mount's affair: relatime
    assert got.replace("a", "") == which, f"{call.__name__}{args}: {path}: {got}, expected {which}"
    for k in got:
        assert after[k] > before[k] and abs(after[k] - time.time_ns()) < 5e9
    return result

def which():
    open("f", "wb").write(b"x" * 10)
    os.mkdir("d")
    fd = os.open("f", os.O_RDWR)
    moved("f", "mc", os.write, fd, b"y")
    moved("f", "mc", os.pwrite, fd, b"z" * 9000, 0)
    moved("f", "mc", os.pwrite, fd, b"in place", 4096)
    moved("f", "mc", os.ftruncate, fd, 100)
    moved("f", "mc", os.truncate, "f", 200)
    moved("f", "mc", os.posix_fallocate, fd, 0, 20000)
    moved("f", "c", os.chmod, "f", 0o600)
    moved("f", "c", os.chown, "f", 1, 1)
    moved("f", "c", os.setxattr, "f", "user.a", b"1")
    moved("f", "c", os.removexattr, "f", "user.a")
    moved("f", "c", os.link, "f", "d/l")
    moved("f", "c", os.unlink, "d/l")
    os.link("f", "g")
    moved("g", "c", os.rename, "f", "f2")
    os.rename("f2", "f"), os.unlink("g")
    moved("f", "", os.read, fd, 10)
    moved("f", "", os.stat, "f")
    moved("f", "", os.fsync, fd)
    moved("d", "mc", os.mkdir, "d/e")
    moved("d", "mc", os.mknod, "d/n")
    moved("d", "mc", os.symlink, "x", "d/s")
    moved("d", "mc", os.rename, "d/s", "d/t")
    moved("d", "mc", os.unlink, "d/t")
    moved("d", "mc", os.rmdir, "d/e")
    moved("d", "mc", os.link, "f", "d/l")
    moved("d", "", os.listdir, "d")
    moved("d", "", os.chmod, "d/n", 0o600)

def mapped():
    fd = os.open("m", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 8192)
    m = mmap.mmap(fd, 8192)
    m[0] = 1
    def store():
        m[5000] = 1
        m.flush()
    moved("m", "mc", store)

VALUES = [0, 1, 999999999, 1 << 31, 123456789123456789, -1, -1500000000 * 10 ** 9,
          (1 << 32) * 10 ** 9 + 5, 4102444800 * 10 ** 9 + 999999999]

def set_():
    for i, value in enumerate(VALUES):
        open(f"t{i}", "w").close()
        os.utime(f"t{i}", ns=(value, value + 1))
    check()
    open("one", "w").close()
    os.utime("one", ns=(5, 6))
    t = times("one")
    assert (t["a"], t["m"]) == (5, 6) and t["c"] > 10 ** 18
    os.symlink("one", "link")
    os.utime("link", ns=(7, 8), follow_symlinks=False)
    assert times("link")["m"] == 8 and times("one")["m"] == 6
    fd = os.open("one", os.O_RDWR)
    os.utime(fd, ns=(9, 10))
    assert times("one")["m"] == 10
    os.utime("one")
    assert abs(times("one")["m"] - time.time_ns()) < 5e9
    os.utime("t0", ns=(VALUES[0], VALUES[0] + 1))

def check():
    for i, value in enumerate(VALUES):
        t = times(f"t{i}")
        assert (t["a"], t["m"]) == (value, value + 1), (value, t)

def print_():
    for name in sorted(os.listdir(".")):
        t = times(name)
        print(name, t["m"], t["c"])

globals()[sys.argv[2]]()
PY
times() { timeout 30 python3 "$work/times.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "what moves which" times which
ok "a store through a mapping" times mapped
ok "set to anything" times set_
# Of birth: nothing moves it, and all have one.
birth() { stat -c '%.9W' "$mnt/$1"; }
mkdir "$mnt/born-dir"
ln -s x "$mnt/born-link"
touch "$mnt/born"
for name in born born-dir born-link; do
	is "$name: born as it was first changed" "$(birth $name)" "$(stat -c '%.9Z' "$mnt/$name")"
done
born=$(birth born)
sleep 0.02
echo x >"$mnt/born"
ln "$mnt/born" "$mnt/born-twice"
mv "$mnt/born" "$mnt/born-dir/"
touch -d 1999-01-01 "$mnt/born-twice"
before=$(times print_)
ok "umount and check" eval 'udax_umount && device_clean pmem0'
udax_mount pmem0
ok "kept" times check
is "the time of birth, too" "$(birth born-twice)" "$born"
is "all of them" "$(times print_)" "$before"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
