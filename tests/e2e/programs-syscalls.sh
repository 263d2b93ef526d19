#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# System calls that programs rely on and filesystems forget: appending from
# several processes, locks, O_DIRECT, sendfile, splice, removed directories.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 14

cat >"$work/syscalls.py" <<'PY'
import ctypes, errno, fcntl, mmap, os, sys, threading
from calls import refused
os.chdir(sys.argv[1])
MB = 1 << 20

def append():
    for k in range(4):
        if os.fork() == 0:
            fd = os.open("appended", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            for i in range(500):
                os.write(fd, b"%d:%06d\n" % (k, i))
            os._exit(0)
    for k in range(4):
        assert os.wait()[1] == 0
    lines = open("appended", "rb").read().split(b"\n")[:-1]
    assert len(lines) == 2000 == len(set(lines)), len(lines)

def locks():
    a, b = os.open("locked", os.O_RDWR | os.O_CREAT), os.open("locked", os.O_RDWR)
    fcntl.flock(a, fcntl.LOCK_EX)
    refused(errno.EWOULDBLOCK, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(a, fcntl.LOCK_UN)
    fcntl.lockf(a, fcntl.LOCK_EX)
    pid = os.fork()
    if pid == 0:
        refused((errno.EAGAIN, errno.EACCES), fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def direct():
    fd = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    out, back = mmap.mmap(-1, MB), mmap.mmap(-1, MB)
    out[:] = os.urandom(MB)
    assert os.pwritev(fd, [out], 0) == MB and os.preadv(fd, [back], 0) == MB
    assert out[:] == back[:]
    assert os.pwritev(fd, [memoryview(out)[:8192]], MB) == 8192

def between():
    """sendfile, splice, copy_file_range"""
    data = os.urandom(MB + 5)
    open("from", "wb").write(data)
    a, b = os.open("from", os.O_RDONLY), os.open("to", os.O_RDWR | os.O_CREAT)
    n = 0
    while n < len(data):
        n += os.sendfile(b, a, n, len(data) - n)
    assert os.pread(b, 2 * MB, 0) == data
    r, w = os.pipe()
    n = os.splice(a, w, 65536, offset_src=77)
    assert os.read(r, n) == data[77:77 + n]
    os.write(w, b"through a pipe")
    assert os.splice(r, b, 14, offset_dst=4090) == 14
    assert os.pread(b, 14, 4090) == b"through a pipe"

def vectors():
    fd = os.open("vector", os.O_RDWR | os.O_CREAT)
    parts = [bytes([i]) * (i * 100 + 1) for i in range(60)]
    assert os.writev(fd, parts) == sum(map(len, parts))
    assert os.pread(fd, 1 << 20, 0) == b"".join(parts)
    into = [bytearray(len(p)) for p in parts]
    assert os.preadv(fd, into, 0) == sum(map(len, parts)) and into == parts

def threads():
    fd = os.open("threads", os.O_RDWR | os.O_CREAT)
    def writer(k):
        for i in range(100):
            os.pwrite(fd, bytes([k]) * 4096, (i * 8 + k) * 4096)
    all_ = [threading.Thread(target=writer, args=(k,)) for k in range(8)]
    [t.start() for t in all_]
    [t.join() for t in all_]
    assert os.pread(fd, 800 * 4096, 0) == b"".join(bytes([k]) * 4096 for k in range(8)) * 100

def modes_of_open():
    open("file", "w").write("x")
    r, w = os.open("file", os.O_RDONLY), os.open("file", os.O_WRONLY)
    refused(errno.EBADF, os.write, r, b"x")
    refused(errno.EINVAL, os.ftruncate, r, 0)
    refused(errno.EBADF, os.read, w, 1)
    refused(errno.ENOTDIR, os.open, "file/", os.O_RDONLY)
    refused(errno.ENOTDIR, os.open, "file", os.O_DIRECTORY)
    refused(errno.ELOOP, os.open, os.symlink("file", "link") or "link", os.O_NOFOLLOW)
    for flags in os.O_SYNC, os.O_DSYNC, os.O_NOATIME, os.O_NONBLOCK, os.O_CLOEXEC:
        fd = os.open("file", os.O_RDWR | flags)
        os.write(fd, b"y")
        os.close(fd)
    os.close(os.open("file", os.O_PATH))

def removed_directory():
    os.mkdir("d")
    d = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    refused(errno.ENOENT, os.mkdir, "x", dir_fd=d)
    refused(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=d)
    refused(errno.ENOENT, os.symlink, "a", "x", dir_fd=d)
    refused(errno.ENOENT, os.link, "file", "x", dst_dir_fd=d)
    refused(errno.ENOENT, os.rename, "file", "x", dst_dir_fd=d)
    assert os.fstat(d).st_nlink == 0
    os.fsync(d)

def odd_names():
    for name in b"\xff\xfe\x01", b"a b\tc\n", b"*", b"-", b"'\"\\":
        os.mkdir(name)
        assert name in os.listdir(b".")
        os.rmdir(name)
    path = "/".join(["p" * 200] * 19)
    os.makedirs(path)
    open(path + "/f", "w").write("deep")
    assert open(path + "/f").read() == "deep"

def listed_one_by_one():
    os.mkdir("l")
    for i in range(200):
        open(f"l/{'n' * 200}{i}", "w").close()
    libc = ctypes.CDLL(None, use_errno=True)
    buf, fd, calls = ctypes.create_string_buffer(280), os.open("l", os.O_RDONLY), 0
    while True:
        n = libc.syscall(217, fd, buf, 280) if os.uname().machine == "x86_64" else 0
        assert n >= 0, os.strerror(ctypes.get_errno())
        if n == 0:
            break
        calls += 1
    assert calls >= 200 or os.uname().machine != "x86_64", calls

def handles():
    libc = ctypes.CDLL(None, use_errno=True)
    handle, mount = ctypes.create_string_buffer(256), ctypes.c_int()
    ctypes.c_uint.from_buffer(handle).value = 128
    if libc.name_to_handle_at(-100, b"file", handle, ctypes.byref(mount), 0):
        return
    fd = libc.open_by_handle_at(os.open(".", os.O_RDONLY), handle, os.O_RDONLY)
    assert fd >= 0 and os.fstat(fd).st_ino == os.stat("file").st_ino

globals()[sys.argv[2]]()
PY
syscalls() { timeout 30 python3 "$work/syscalls.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
for part in append locks direct between vectors threads modes_of_open \
	removed_directory odd_names listed_one_by_one handles; do
	ok "${part//_/ }" syscalls $part
done
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
