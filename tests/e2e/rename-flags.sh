#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# renameat2(2): NOREPLACE, EXCHANGE, what is not supported; and plain cases.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 4

cat >"$work/rename.py" <<'PY'
import errno, os, stat, sys
from calls import is_, renameat2
os.chdir(sys.argv[1])
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4

def rename(old, new, flags):
    try:
        renameat2(old, new, flags)
    except OSError as e:
        return errno.errorcode[e.errno]
    return 0

for name in "a", "b":
    open(name, "w").write(name)
os.makedirs("d/e")
os.mkdir("f")
is_(rename("a", "b", NOREPLACE), "EEXIST")
is_(rename("a", "c", NOREPLACE), 0)
is_(rename("c", "b", EXCHANGE), 0)
is_(open("b").read() + open("c").read(), "ab")
is_(rename("c", "absent", EXCHANGE), "ENOENT")
is_(rename("d", "f", EXCHANGE), 0)
is_(os.listdir("f"), ["e"])
is_(rename("f/e", "b", EXCHANGE), 0)            # a directory and a file
assert os.path.isdir("b") and os.path.isfile("f/e")
is_((os.stat(".").st_nlink, os.stat("f").st_nlink), (5, 2))
is_(rename("f", "f/e", EXCHANGE), "EINVAL")
is_(rename("c", "f/e", EXCHANGE | WHITEOUT), "EINVAL")
is_(rename("c", "f/e", NOREPLACE | EXCHANGE), "EINVAL")
is_(rename("c", "b", 0), "EISDIR")
is_(rename("b", "c", 0), "ENOTDIR")
is_(rename("b", "f", 0), "ENOTEMPTY")
is_(rename("b", "d", 0), 0)
is_(sorted(os.listdir(".")), ["c", "d", "f"])

def is_white(path):
    st = os.lstat(path)
    is_((st.st_mode, st.st_rdev, st.st_nlink), (stat.S_IFCHR, 0, 1))

open("w", "w").write("w")
os.mkdir("g")
is_(rename("w", "g/w", WHITEOUT), 0)            # to another directory
is_white("w")
is_(open("g/w").read(), "w")
is_(rename("c", "moved", WHITEOUT), 0)          # within one
is_white("c")
is_(rename("d", "g/d", WHITEOUT), 0)            # a directory
is_white("d")
is_((os.stat(".").st_nlink, os.stat("g").st_nlink), (4, 3))
is_(rename("moved", "g/w", WHITEOUT), 0)        # over something
is_white("moved")
is_(rename("g/w", "moved", WHITEOUT | NOREPLACE), "EEXIST")
is_(rename("g/w", "g/x", WHITEOUT | NOREPLACE), 0)
is_(rename("g/x", "g/x", WHITEOUT), 0)          # onto itself: nothing
is_(stat.S_ISREG(os.lstat("g/x").st_mode), True)
is_(rename("w", "moved", EXCHANGE), 0)
for name in "c", "d", "w", "moved", "g/w":
    is_white(name)
    os.unlink(name)
is_(sorted(os.listdir(".")), ["f", "g"])
is_(sorted(os.listdir("g")), ["d", "x"])
PY
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "renames" timeout 20 python3 "$work/rename.py" "$mnt"
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
