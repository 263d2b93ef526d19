#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Extended attributes: name spaces, sizes, flags, lists; on every kind of file.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 9

cat >"$work/xattrs.py" <<'PY'
import errno, os, random, sys
from calls import as_user, refused
os.chdir(sys.argv[1])

def value(name, size):
    return random.Random(name).randbytes(size)

def spaces():
    open("f", "w").close()
    for name in "user.a", "trusted.a", "security.a":
        os.setxattr("f", name, name.encode())
        assert os.getxattr("f", name) == name.encode()
    assert sorted(os.listxattr("f")) == ["security.a", "trusted.a", "user.a"]
    refused(errno.EOPNOTSUPP, os.setxattr, "f", "mine.a", b"")
    refused(errno.EOPNOTSUPP, os.setxattr, "f", "system.mine", b"")
    refused(errno.ENODATA, os.getxattr, "f", "user.b")
    refused(errno.ENODATA, os.removexattr, "f", "user.b")
    refused(errno.ENODATA, os.setxattr, "f", "user.b", b"1", os.XATTR_REPLACE)
    refused(errno.EEXIST, os.setxattr, "f", "user.a", b"1", os.XATTR_CREATE)
    os.setxattr("f", "user.a", b"new", os.XATTR_REPLACE)
    assert os.getxattr("f", "user.a") == b"new"
    refused(errno.EPERM, os.symlink("f", "l") or os.setxattr, "l", "user.a", b"1", follow_symlinks=False)
    os.setxattr("l", "trusted.of-the-link", b"1", follow_symlinks=False)
    assert os.listxattr("l", follow_symlinks=False) == ["trusted.of-the-link"]
    def nobody():
        refused(errno.EPERM, os.setxattr, "f", "trusted.a", b"1")
        refused(errno.EACCES, os.setxattr, "f", "user.a", b"1")
        assert os.getxattr("f", "user.a") == b"new"
        # names of trusted attributes are not for everybody
        assert "trusted.a" not in os.listxattr("f"), os.listxattr("f")
    as_user(65534, 65534, [], nobody)

def sizes():
    os.mkdir("d")
    for size in 0, 1, 100, 255, 256, 3000, 4000, 4096, 5000, 65535, 65536:
        for path in "f", "d":
            name = f"user.of{size}"
            os.setxattr(path, name, value(name, size))
            assert os.getxattr(path, name) == value(name, size), size
    refused(errno.E2BIG, os.setxattr, "f", "user.c", bytes(65537))
    n = "user." + "n" * 250
    os.setxattr("f", n, b"1")
    assert os.getxattr("f", n) == b"1"
    refused(errno.ERANGE, os.setxattr, "f", n + "n", b"1")
    refused(errno.EINVAL, os.setxattr, "f", "user.", b"1")
    for size in 65536, 3, 4096, 0, 70, 30000:      # grown and shrunk in place
        os.setxattr("f", "user.again", value("again", size))
        assert os.getxattr("f", "user.again") == value("again", size)

def many():
    open("many", "w").close()
    rng = random.Random(1)
    names = {f"user.{i}-" + "x" * rng.randrange(60): rng.randrange(700) for i in range(600)}
    for name, size in names.items():
        os.setxattr("many", name, value(name, size))
    for name in list(names)[::2]:
        os.removexattr("many", name)
        del names[name]
    for name in list(names)[::3]:
        names[name] = rng.randrange(2000)
        os.setxattr("many", name, value(name, names[name]))
    kept()

def kept():
    names = os.listxattr("many")
    assert len(names) == 300 == len(set(names)), len(names)
    for name in names:
        data = os.getxattr("many", name)
        assert data == value(name, len(data)), name
    for path in "f", "d":
        for size in 0, 1, 100, 255, 256, 3000, 4000, 4096, 5000, 65535, 65536:
            assert os.getxattr(path, f"user.of{size}") == value(f"user.of{size}", size), (path, size)

def freed():
    before = os.statvfs(".").f_bfree
    for i in range(20):
        open(f"x{i}", "w").close()
        for j in range(5):
            os.setxattr(f"x{i}", f"user.{j}", bytes(60000))
    assert os.statvfs(".").f_bfree <= before - 20 * 5 * 14
    for i in range(10):
        for j in range(5):
            os.removexattr(f"x{i}", f"user.{j}")
    for i in range(20):
        os.unlink(f"x{i}")
    import time
    for _ in range(100):                # FORGET is not waited for
        after = os.statvfs(".").f_bfree
        if after >= before - 2:
            break
        time.sleep(0.02)
    assert after >= before - 2, (before, after)

globals()[sys.argv[2]]()
PY
xattrs() { timeout 60 python3 "$work/xattrs.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "name spaces and flags" xattrs spaces
ok "sizes" xattrs sizes
ok "many" xattrs many
ok "their blocks come back" xattrs freed
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "all are there" xattrs kept
ok "umount and check" eval 'udax_umount && device_clean pmem0'
