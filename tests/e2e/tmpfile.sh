#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# O_TMPFILE: a file without a name, which may be given one. Linux 6.2.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
cat >"$work/tmpfile.py" <<'PY'
import ctypes, errno, os, sys
os.chdir(sys.argv[1])
try:
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
except OSError as e:
    if e.errno == errno.EOPNOTSUPP:
        sys.exit(77)
    raise
os.write(fd, b"nameless")
st = os.fstat(fd)
assert st.st_nlink == 0 and st.st_size == 8 and st.st_mode & 0o777 == 0o640, st
assert os.listdir(".") == []
assert not ctypes.CDLL(None).linkat(-100, b"/proc/self/fd/%d" % fd, -100, b"named", 0x400)
assert os.fstat(fd).st_nlink == 1 and open("named").read() == "nameless"
gone = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
free = os.statvfs(".").f_bfree
os.write(gone, bytes(1 << 20))
assert os.statvfs(".").f_bfree <= free - 256
os.close(gone)
PY
udax_mkfs pmem0
udax_mount pmem0 || exit 1
rc=0
timeout 20 python3 "$work/tmpfile.py" "$mnt" || rc=$?
[ $rc != 77 ] || skip_all "the kernel passes no O_TMPFILE on (Linux 6.2 does)"
plan 4
is "made, written, named, dropped" "$rc" 0
is "the name stays" "$(ls "$mnt")" named
ok "umount" udax_umount
ok "the one without a name is gone" device_clean pmem0
