#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What POSIX asks of files, directories and links; kept over an unmount.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 11

cat >"$work/posix.py" <<'PY'
import errno, os, stat, sys
from calls import as_user, fallocate, refused

os.chdir(sys.argv[1])

def write(path, data):
    with open(path, "wb") as f:
        f.write(data)

def read(path):
    with open(path, "rb") as f:
        return f.read()

def files():
    write("small", b"hello")
    assert read("small") == b"hello"
    data = os.urandom(3 << 20)
    write("large", data)
    assert read("large") == data and os.stat("large").st_size == len(data)
    fd = os.open("large", os.O_RDWR)
    for offset, length in (0, 1), (4095, 2), (123456, 70000), (len(data) - 3, 10):
        new = os.urandom(length)
        assert os.pwrite(fd, new, offset) == length
        data = data[:offset] + new + data[offset + length:]
        assert os.pread(fd, len(data) + 1, 0)[:len(data)] == data
    os.ftruncate(fd, 5000)
    os.ftruncate(fd, 10000)
    assert read("large") == data[:5000] + bytes(5000)
    os.close(fd)
    fd = os.open("appended", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for i in range(300):
        os.write(fd, b"%04d" % i)
    os.close(fd)
    assert read("appended") == b"".join(b"%04d" % i for i in range(300))
    fd = os.open("large", os.O_WRONLY | os.O_TRUNC)
    assert os.fstat(fd).st_size == 0
    os.close(fd)
    refused(errno.EEXIST, os.open, "small", os.O_CREAT | os.O_EXCL)
    refused(errno.ENOENT, os.open, "absent", os.O_RDONLY)
    refused(errno.ENAMETOOLONG, os.open, "n" * 256, os.O_CREAT)
    write("n" * 255, b"")

def holes():
    fd = os.open("sparse", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"x", 1 << 30)
    st = os.fstat(fd)
    assert st.st_size == (1 << 30) + 1 and st.st_blocks < 1000, st
    assert os.pread(fd, 10, 1 << 20) == bytes(10)
    # a fill for the page cache gives a writer's holes blocks, on old kernels
    # (dax=never) also one for a read
    assert os.lseek(fd, 0, os.SEEK_DATA) in (1 << 20, 1 << 30)
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    refused(errno.ENXIO, os.lseek, fd, 1 << 31, os.SEEK_DATA)
    os.posix_fallocate(fd, 0, 1 << 20)
    assert os.fstat(fd).st_blocks >= 2048
    assert os.pread(fd, 10, 1000) == bytes(10)
    os.pwrite(fd, b"y" * 20000, 0)
    fallocate(fd, 3, 4096, 8192)        # punch hole, keep size
    assert os.pread(fd, 20000, 0) == b"y" * 4096 + bytes(8192) + b"y" * 7712
    fallocate(fd, 0x10, 0, 100)         # zero range
    assert os.pread(fd, 200, 0) == bytes(100) + b"y" * 100
    refused(errno.EOPNOTSUPP, fallocate, fd, 8, 0, 4096)
    os.close(fd)

def directories():
    os.makedirs("d/e/f")
    assert os.stat("d").st_nlink == 3
    refused(errno.ENOTEMPTY, os.rmdir, "d")
    refused(errno.EEXIST, os.mkdir, "d")
    refused(errno.ENOTDIR, os.mkdir, "small/x")
    refused(errno.EISDIR, os.open, "d", os.O_WRONLY)
    refused(errno.EINVAL, os.rename, "d", "d/e/f/g")
    names = {f"name{i}" for i in range(3000)}
    for name in names:
        os.mknod("d/e/" + name)
    assert set(os.listdir("d/e")) == names | {"f"}
    with os.scandir("d/e") as listing:
        for i, entry in enumerate(listing):
            assert entry.stat().st_ino == entry.inode()
            if entry.name != "f" and i % 2:
                os.unlink(entry.path)
                names.remove(entry.name)
    assert set(os.listdir("d/e")) == names | {"f"}
    os.rename("d/e", "moved")
    assert os.stat("d").st_nlink == 2 and os.path.samefile("moved/..", ".")
    os.rmdir("moved/f")
    os.rmdir("d")
    refused(errno.ENOENT, os.stat, "d")

def links():
    os.link("small", "hard")
    assert os.path.samefile("small", "hard") and os.stat("hard").st_nlink == 2
    os.unlink("small")
    assert read("hard") == b"hello" and os.stat("hard").st_nlink == 1
    for target in "hard", "x" * 300, "y" * 4000:
        os.symlink(target, "link")
        assert os.readlink("link") == target
        assert os.lstat("link").st_size == len(target)
        os.unlink("link")
    os.symlink("hard", "soft")
    refused(errno.EPERM, os.link, "moved", "second")
    os.rename("hard", "small")
    write("over", b"old")
    os.rename("small", "over")
    assert read("over") == b"hello"

def special():
    os.mkfifo("fifo", 0o640)
    assert stat.S_ISFIFO(os.stat("fifo").st_mode)
    os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert os.stat("null").st_rdev == os.makedev(1, 3)

def attributes():
    write("a", b"1")
    os.chmod("a", 0o6755)
    os.chown("a", 12, 34)
    st = os.stat("a")
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (12, 34, 0o755), oct(st.st_mode)
    os.utime("a", ns=(123456789012345678, 987654321098765432))
    st = os.stat("a")
    assert (st.st_atime_ns, st.st_mtime_ns) == (123456789012345678, 987654321098765432)
    with open("a", "ab") as f:
        f.write(b"2")
    assert os.stat("a").st_mtime_ns > st.st_mtime_ns
    before = os.stat(".").st_mtime_ns
    write("b", b"")
    assert os.stat(".").st_mtime_ns >= before
    os.setxattr("a", "user.name", b"value")
    assert os.getxattr("a", "user.name") == b"value"
    assert os.listxattr("a") == ["user.name"]
    refused(errno.EEXIST, os.setxattr, "a", "user.name", b"", os.XATTR_CREATE)
    os.setxattr("a", "user.big", b"z" * 65536)
    assert os.getxattr("a", "user.big") == b"z" * 65536
    os.removexattr("a", "user.name")
    refused(errno.ENODATA, os.getxattr, "a", "user.name")

def privileges():
    # Somebody else's write takes suid away, and the kernel learns of it.
    write("suid", b"#!")
    os.chmod("suid", 0o6777)
    os.setxattr("suid", "security.capability",
                b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12))
    as_user(65534, 65534, [], lambda: os.write(os.open("suid", os.O_WRONLY), b"##"))
    assert os.stat("suid").st_mode & 0o7777 == 0o777, oct(os.stat("suid").st_mode)
    refused(errno.ENODATA, os.getxattr, "suid", "security.capability")

def statistics():
    st = os.statvfs(".")
    assert st.f_bsize == 4096 and st.f_namemax == 255
    assert 0 < st.f_bavail <= st.f_bfree < st.f_blocks
    write("filler", bytes(8 << 20))
    assert os.statvfs(".").f_bfree <= st.f_bfree - 2048
    os.unlink("filler")

globals()[sys.argv[2]]()
PY

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
posix() { timeout 60 python3 "$work/posix.py" "$mnt" "$1"; }
for part in files holes directories links special attributes privileges \
	statistics; do
	ok "$part" posix $part
done
contents() { (cd "$mnt" && find . -printf '%p %y %m %U %G %s %n %T@ %l\n' | sort && find . -type f -size -100M -exec md5sum {} + | sort); }
before=$(contents)
remount_is_equal() { udax_umount && udax_mount pmem0 && [ "$(contents)" = "$before" ]; }
ok "all is there after a remount" remount_is_equal
ok "umount and check" eval 'udax_umount && device_clean pmem0'
