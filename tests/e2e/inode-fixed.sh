#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Immutable and append-only files and directories: what each call may do to
# them; flags that are inherited; noatime.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip_all "needs root"
plan 13

cat >"$work/fixed.py" <<'PY'
import calls, errno, fcntl, functools, os, struct, sys
from calls import as_user, fallocate, renameat2
os.chdir(sys.argv[1])
GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
FSGETXATTR, FSSETXATTR = 0x801c581f, 0x401c5820
SYNC, IMMUTABLE, APPEND, NODUMP, NOATIME, DIRSYNC = 8, 0x10, 0x20, 0x40, 0x80, 0x10000
ACL = b"\2\0\0\0\1\0\6\0\377\377\377\377\2\0\7\0\1\0\0\0\4\0\4\0\377\377\377\377" \
      b"\20\0\7\0\377\377\377\377\40\0\4\0\377\377\377\377"
refused = functools.partial(calls.refused, errno.EPERM)

def get(path):
    fd = os.open(path, os.O_RDONLY)
    flags = struct.unpack_from("I", fcntl.ioctl(fd, GETFLAGS, bytes(8)))[0]
    os.close(fd)
    return flags & ~0x80000        # ext4 has "extents"

def flag(path, flags):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SETFLAGS, struct.pack("Q", flags))
    finally:
        os.close(fd)

def touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o644))

def exchange(a, b):
    renameat2(a, b, 2)

def setup(flags):
    os.mkdir("d"), os.mkdir("d/e"), os.mkdir("other")
    for name in "f", "d/f", "other/f":
        with open(name, "wb") as f:
            f.write(b"0123456789")
    os.setxattr("f", "user.a", b"1")
    fd = os.open("f", os.O_RDWR)
    flag("f", flags), flag("d", flags)
    assert (get("f"), get("d")) == (flags, flags)
    return fd

# Of an immutable and of an append-only file alike.
def neither(fd):
    for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, \
            os.O_WRONLY | os.O_APPEND | os.O_TRUNC:
        refused(os.open, "f", flags)
    os.close(os.open("f", os.O_RDONLY))
    refused(os.truncate, "f", 5), refused(os.ftruncate, fd, 5), refused(os.ftruncate, fd, 50)
    refused(fallocate, fd, 3, 0, 5), refused(fallocate, fd, 16, 0, 5)
    refused(os.chmod, "f", 0o600), refused(os.chown, "f", 1, 1)
    refused(os.utime, "f", ns=(1, 1))
    refused(os.setxattr, "f", "user.a", b"2"), refused(os.setxattr, "f", "trusted.a", b"2")
    refused(os.removexattr, "f", "user.a")
    refused(os.setxattr, "f", "system.posix_acl_access", ACL)
    refused(os.link, "f", "g"), refused(os.rename, "f", "g"), refused(os.unlink, "f")
    refused(os.rename, "other/f", "f"), refused(exchange, "other/f", "f"), refused(exchange, "f", "other/f")
    refused(os.rmdir, "d"), refused(os.rename, "d", "x"), refused(os.chmod, "d", 0o700)
    refused(os.setxattr, "d", "system.posix_acl_default", ACL)
    # what is in the directory stays, and may change itself
    refused(os.unlink, "d/f"), refused(os.rmdir, "d/e"), refused(os.rename, "d/f", "g")
    refused(os.rename, "d/f", "d/g"), refused(os.rename, "other/f", "d/f"), refused(exchange, "other/f", "d/f")
    os.truncate("d/f", 3)
    os.chmod("d/f", 0o600)
    touch("d/e/new")
    assert open("f").read() == "0123456789" and os.getxattr("f", "user.a") == b"1"

def immutable():
    fd = setup(IMMUTABLE)
    neither(fd)
    refused(os.open, "f", os.O_WRONLY | os.O_APPEND)
    refused(os.write, fd, b"x"), refused(os.pwrite, fd, b"x", 100)
    refused(fallocate, fd, 0, 0, 5), refused(fallocate, fd, 1, 0, 9000)
    refused(os.utime, "f")
    refused(touch, "d/new"), refused(os.mkdir, "d/new"), refused(os.mkfifo, "d/new")
    refused(os.symlink, "x", "d/new"), refused(os.link, "other/f", "d/new"), refused(os.rename, "other/f", "d/new")
    refused(os.open, "d", os.O_TMPFILE | os.O_RDWR)
    refused(os.utime, "d")
    refused(flag, "f", IMMUTABLE | NODUMP)
    flag("f", 0), flag("d", 0)
    os.write(fd, b"x")
    assert open("f").read() == "x123456789"
    os.unlink("d/f"), os.unlink("f")

def append():
    fd = setup(APPEND)
    neither(fd)
    os.utime("f"), os.utime("d")
    a = os.open("f", os.O_RDWR | os.O_APPEND)
    os.write(a, b"ab")
    fallocate(a, 0, 0, 9000)
    fallocate(a, 1, 0, 20000)
    os.write(a, b"cd")
    assert os.stat("f").st_size == 9002
    # the flag cannot be got rid of by fcntl(2): said there, or at the write
    fcntl.fcntl(a, fcntl.F_SETFL, 0)
    refused(os.pwrite, a, b"x", 0)
    os.close(a)
    touch("d/new"), os.mkdir("d/dir"), os.link("other/f", "d/link"), os.rename("other/f", "d/moved")
    refused(os.unlink, "d/new")
    flag("f", 0), flag("d", 0)
    assert open("f", "rb").read(14) == b"0123456789ab\0\0"
    os.unlink("d/new"), os.unlink("f")

def rules():
    os.mkdir("r"), touch("r/f"), os.chmod("r", 0o777)
    os.chown("r/f", 1001, 1001)
    calls.refused(errno.EOPNOTSUPP, flag, "r/f", DIRSYNC)
    calls.refused(errno.EOPNOTSUPP, flag, "r/f", 0x800)
    def owner():
        refused(flag, "r/f", IMMUTABLE), refused(flag, "r/f", APPEND)
        flag("r/f", NODUMP | NOATIME)
        refused(flag, "r", NODUMP)
    as_user(1001, 1001, [], owner)
    flag("r/f", IMMUTABLE | NOATIME | SYNC)
    fd = os.open("r/f", os.O_RDONLY)
    assert struct.unpack_from("I", fcntl.ioctl(fd, FSGETXATTR, bytes(28)))[0] == 8 | 0x20 | 0x40
    fcntl.ioctl(fd, FSSETXATTR, struct.pack("I", 0x10) + bytes(24))
    assert get("r/f") == APPEND
    flag("r", SYNC | NODUMP | NOATIME | DIRSYNC)
    touch("r/g"), os.mkdir("r/h"), os.mkfifo("r/fifo")
    assert (get("r/g"), get("r/h")) == (SYNC | NODUMP | NOATIME, SYNC | NODUMP | NOATIME | DIRSYNC)
    flag("r", IMMUTABLE)

def kept():
    assert (get("r"), get("r/f"), get("r/h")) == (IMMUTABLE, APPEND, SYNC | NODUMP | NOATIME | DIRSYNC)
    refused(os.unlink, "r/g")
    flag("r", 0), flag("r/f", 0)

def noatime():
    for name, moves in ("quiet", False), ("noisy", True):
        os.mkdir(name)
        with open(name + "/f", "w") as f:
            f.write("text")
        if not moves:
            flag(name, NOATIME), flag(name + "/f", NOATIME)
        os.utime(name, ns=(1, 1)), os.utime(name + "/f", ns=(1, 1))
        open(name + "/f").read(), os.listdir(name)
        for path in name, name + "/f":
            assert (os.stat(path).st_atime_ns != 1) == moves, path

globals()[sys.argv[2]]()
PY
fixed() { timeout 30 python3 "$work/fixed.py" "$@"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
mkdir "$mnt/i" "$mnt/a"
ok "immutable" fixed "$mnt/i" immutable
ok "append-only" fixed "$mnt/a" append
ok "who may set which" fixed "$mnt" rules
ok "noatime" fixed "$mnt" noatime
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "kept" fixed "$mnt" kept

# Direct mappings store where nobody sees.
head -c 8192 /dev/zero >"$mnt/mapped"
ok "map directly" user_start "$mnt/mapped"
is "a store" "$(ask 'store 0 1')" ok
not_ok "what is mapped for storing is not made append-only" chattr +a "$mnt/mapped"
mapper_end
ok "when it is not any more it is" wait_until 5 chattr +a "$mnt/mapped"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
