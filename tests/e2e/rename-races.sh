#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Several processes rename, exchange, create, link and remove in the same
# directories: each call does all or nothing, and the tree stays one.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 7

cat >"$work/races.py" <<'PY'
import errno, os, random, sys, time
from calls import renameat2
os.chdir(sys.argv[1])
seed, seconds = int(sys.argv[2]), float(sys.argv[3])
rng = random.Random(seed)
DIRS = ["a", "b", "a/c", "a/c/d"]
NAMES = [f"n{i}" for i in range(12)]
FINE = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR,
        errno.EINVAL, errno.EPERM, errno.EBUSY, errno.ELOOP}

def path():
    return rng.choice(DIRS) + "/" + rng.choice(NAMES)

def create():
    p = path()
    fd = os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.write(fd, b"%d" % os.fstat(fd).st_ino)
    os.close(fd)

def read():
    fd = os.open(path(), os.O_RDONLY)
    data = os.read(fd, 100)
    # what a name leads to is a whole file, or one being made
    assert data in (b"", b"%d" % os.fstat(fd).st_ino), data
    os.close(fd)

def move_dir():
    # directories change places: no loops may come of it
    a, b = rng.choice(DIRS[2:] + [path()]), path()
    os.rename(a, b)
    os.rename(b, a)

def listing():
    names = os.listdir(rng.choice(DIRS))
    assert len(names) == len(set(names)), names

def rmtree():
    p = path()
    os.rmdir(p)

OPS = [(create, 6), (lambda: os.unlink(path()), 3), (lambda: os.rename(path(), path()), 6),
       (lambda: renameat2(path(), path(), 2), 3), (lambda: renameat2(path(), path(), 1), 2),
       (lambda: os.link(path(), path()), 3), (lambda: os.mkdir(path()), 2), (rmtree, 2),
       (lambda: os.symlink("x", path()), 1), (read, 4), (listing, 1), (move_dir, 1),
       (lambda: os.stat(path()), 2)]
ops = [op for op, weight in OPS for _ in range(weight)]
end, n, done = time.monotonic() + seconds, 0, 0
while time.monotonic() < end:
    n += 1
    try:
        rng.choice(ops)()
        done += 1
    except OSError as e:
        if e.errno not in FINE:
            raise
    for d in DIRS:          # whoever took it away, here it is again
        if rng.random() < 0.02:
            try:
                os.mkdir(d)
            except OSError as e:
                assert e.errno in FINE, e
print(f"{n} calls, {done} done")
PY
cat >"$work/consistent.py" <<'PY'
import os, stat, sys
os.chdir(sys.argv[1])
links, subdirs = {}, {}
for top, dirs, files in os.walk("."):
    names = dirs + files
    assert len(names) == len(set(names))
    # walk() says of a symlink to a directory that it is one
    real = [d for d in dirs if not os.path.islink(os.path.join(top, d))]
    st = os.lstat(top)
    assert st.st_nlink == 2 + len(real), (top, st.st_nlink, real)
    assert os.stat(os.path.join(top, "..")).st_ino == os.stat(os.path.dirname(top) or ".").st_ino or top == "."
    for name in names:
        path = os.path.join(top, name)
        st = os.lstat(path)
        if stat.S_ISREG(st.st_mode):
            links.setdefault(st.st_ino, [st.st_nlink, 0])[1] += 1
            assert open(path, "rb").read() == b"%d" % st.st_ino, path
for ino, (told, counted) in links.items():
    assert told == counted, (ino, told, counted)
print(len(links), "files")
PY
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
mkdir -p "$mnt/a/c/d" "$mnt/b"
race() {
	local i pids=() rc=0
	for i in 1 2 3 4 5; do
		timeout 30 python3 "$work/races.py" "$mnt" "$i" 4 & pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || rc=$?; done
	return $rc
}
ok "five at a time" race
diag "$(cat "$work/.said")"
ok "the tree is one" python3 "$work/consistent.py" "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "the tree is one" python3 "$work/consistent.py" "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
