#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udax-run and descriptors: one number, another file; closed by whom ever it
# may be; programs that close all there are; fcntl locks outlive a munmap; and
# programs that have nothing to do with udaxfs notice nothing.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
requires python3
plan 22
udax_mkfs pmem0
ok "mounts" udax_mount pmem0

cat >"$work/numbers.py" <<'PY'
import ctypes, fcntl, mmap, os, subprocess, sys
mnt, other = sys.argv[1:3]
def make(path, what):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.write(fd, what * 200000)
    assert os.pread(fd, 1, 0) == what[:1]
    return fd
a, b, c = make(mnt + "/a", b"a"), make(mnt + "/b", b"b"), make(other, b"c")
def what(fd): return os.pread(fd, 1, 100)
assert (what(a), what(b), what(c)) == (b"a", b"b", b"c")

os.dup2(b, a)
assert what(a) == b"b"
os.dup2(c, a)
assert what(a) == b"c"
os.pwrite(a, b"C", 100)                    # must not reach the mount
assert what(c) == b"C" and open(mnt + "/a").read() == "a" * 200000
os.close(a)
assert os.open(mnt + "/a", os.O_RDONLY) == a and what(a) == b"a"

# Closed inside libc: the number is given to another file.
libc = ctypes.CDLL(None, use_errno=True)
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen((mnt + "/b").encode(), b"r+"))
number = libc.fileno(stream)
assert what(number) == b"b"
libc.fclose(stream)
assert os.open(other, os.O_RDWR) == number and what(number) == b"C"
libc.freopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen((mnt + "/b").encode(), b"r+"))
number = libc.fileno(stream)
assert what(number) == b"b"
stream = ctypes.c_void_p(libc.freopen(other.encode(), b"r", stream))
assert libc.fileno(stream) == number and what(number) == b"C"

# O_APPEND, set on a duplicate.
d = os.dup(b)
os.lseek(b, 0, 0)
os.write(b, b"0")
fcntl.fcntl(d, fcntl.F_SETFL, os.O_APPEND)
os.write(b, b"end")
assert os.fstat(b).st_size == 200003 and os.pread(b, 3, 200000) == b"end"
fcntl.fcntl(b, fcntl.F_SETFL, 0)
os.lseek(d, 0, 0)
os.write(d, b"1")
assert os.pread(b, 2, 0) == b"1b"

# The offset is one: of duplicates, of a child, of a program it executes.
os.lseek(b, 0, 0)
assert os.read(b, 2) == b"1b"
if os.fork() == 0:
    os.read(d, 10)
    os._exit(0)
os.wait()
assert os.lseek(b, 0, 1) == 12
subprocess.run(["dd", "bs=8", "count=1", "status=none", "of=/dev/null"], stdin=b, check=True)
assert os.lseek(d, 0, 1) == 20
assert os.readv(b, [bytearray(3), bytearray(4)]) == 7 and os.lseek(b, 0, 1) == 27
os.lseek(b, 200001, 0)
assert os.read(b, 100) == b"nd" and os.read(b, 100) == b"" and os.lseek(b, 0, 1) == 200003

# At the end of the file, and beyond.
assert os.pwrite(b, b"z", 500000) == 1 and os.fstat(b).st_size == 500001
assert os.pread(b, 10, 499995) == b"\0" * 5 + b"z" and os.pread(b, 10, 600000) == b""
os.ftruncate(b, 150000)
assert os.pread(b, 10, 149995) == b"bbbbb"
os.ftruncate(b, 500000)
assert os.pread(b, 10, 149995) == b"bbbbb" + b"\0" * 5

# What is refused is refused as ever.
for wrong, number in ((lambda: os.write(a, b"x"), 9), (lambda: os.pread(99, 1, 0), 9),
                      (lambda: os.pread(b, 1, -1), 22), (lambda: os.read(os.open(mnt, os.O_RDONLY), 1), 21)):
    try:
        wrong()
        sys.exit("went through")
    except OSError as e:
        assert e.errno == number, e
PY
status "numbers and offsets, natively" 0 python3 "$work/numbers.py" "$mnt" "$work/other"
status "the same, directly" 0 udax-run python3 "$work/numbers.py" "$mnt" "$work/other"
is "without a word" "$out$err" ""

cat >"$work/close.py" <<'PY'
import mmap, os, sys
path, how = sys.argv[1:3]
fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
m[0:2] = b"ab"
assert os.pread(fd, 2, 0) == b"ab"
if how == "range":
    os.closerange(3, 1 << 20)
elif how == "each":
    for i in range(3, 70000):
        try:
            os.close(i)
        except OSError:
            pass
else:                                # in a child, and again in the parent
    if os.fork() == 0:
        os.closerange(3, 1 << 20)
        m[2:4] = b"cd"
        os._exit(0 if m[0:4] == b"abcd" else 1)
    assert os.wait()[1] == 0 and m[2:4] == b"cd"
m[4:6] = b"ef"
first = os.open("/dev/null", os.O_RDONLY)
fd = os.open(path, os.O_RDWR)
assert how == "child" or (first, fd) == (3, 4)
assert os.pread(fd, 2, 4) == b"ef"
n = mmap.mmap(fd, 1 << 20)
assert n[4:6] == b"ef"
if os.fork() == 0:
    n[6:8] = b"gh"
    os._exit(0 if m[6:8] == b"gh" else 1)
assert os.wait()[1] == 0 and m[6:8] == b"gh"
PY
for how in range each child; do
	status "all descriptors closed ($how), the mapping stays" 0 udax-run -v python3 "$work/close.py" "$mnt/close" $how
	like "directly" "$err" 'mapped [2-9] directly, 0 by the kernel'
done

cat >"$work/lock.py" <<'PY'
import fcntl, mmap, os, sys
path = sys.argv[1]
def locked():
    pid = os.fork()
    if pid == 0:
        fd = os.open(path, os.O_RDWR)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] != 0
fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8192)
fcntl.lockf(fd, fcntl.LOCK_EX)
assert locked()
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
at = libc.mmap(None, 8192, 3, 1, fd, 0)
assert libc.munmap(at, 8192) == 0
assert locked()                      # munmap(2) drops no lock
os.close(fd)
assert not locked()                  # close(2) does
PY
status "fcntl locks and munmap, natively" 0 python3 "$work/lock.py" "$mnt/lock"
status "the same, directly" 0 udax-run python3 "$work/lock.py" "$mnt/lock"

# --- nothing to do with udaxfs ------------------------------------------------
native=$(sh -c 'echo out; ls -l /proc/self/exe | wc -l; echo err >&2; exit 7' 2>"$work/native.err")
status "a shell's status, and" 7 udax-run sh -c 'echo out; ls -l /proc/self/exe | wc -l; echo err >&2; exit 7'
is "its stdout" "$out" "$native"
is "its stderr" "$err" err
status "with -v" 7 udax-run -v sh -c 'exit 7'
like "one line more" "$err" '^udax-run: (sh|dash|bash)\[[0-9]+\]: mapped 0 directly'
is "of one process" "$(udax-run -v sh -c 'true | cat; true' 2>&1 | grep -c udax-run)" 1
status "a program that is not there" 127 udax-run "$work/nothing"
status "one that is no program" 126 udax-run /etc/passwd
status "none" 125 udax-run
ok "umount and check" eval 'udax_umount && device_clean pmem0'
