#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dev, suid and noexec, and what a mount has by default; and what the kernel
# asks the daemon around a write: nothing.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires setpriv python3
[ "$(id -u)" = 0 ] || skip_all "needs root"
plan 14
user() { setpriv --reuid 12001 --regid 12001 --clear-groups "$@"; }

udax_mkfs pmem0
udax_mount -o dev,suid pmem0 || exit 1
chmod 755 "$work" "$mnt"
mknod -m 666 "$mnt/null" c 1 3
cp "$(command -v id)" "$mnt/id" && chmod 4755 "$mnt/id"
ok "dev: a node opens its device" eval 'echo x >"$mnt/null"'
is "suid: a program has its owner's rights" "$(user "$mnt/id" -u)" 0
ok "umount" udax_umount
udax_mount pmem0 || exit 1
not_ok "by default it does not" eval 'echo x >"$mnt/null"'
is "nor has it" "$(user "$mnt/id" -u)" 12001
ok "umount" udax_umount
udax_mount -o noexec pmem0 || exit 1
status "noexec: it does not run" 126 bash -c "$mnt/id"
ok "umount" udax_umount

# requests OPCODE: how many of them the log has.
requests() { grep -c "opcode: $1 (" "$work/log"; }
cat >"$work/write.py" <<'PY'
import os, sys
os.chmod(sys.argv[1], 0o777)
for uid in 0, 12001:
    os.seteuid(uid)
    fd = os.open(sys.argv[1] + "/of-%d" % uid, os.O_RDWR | os.O_CREAT, 0o777)
    for i in range(200):
        os.pwrite(fd, b"x" * 4096, i * 4096 % 40960)
    os.close(fd)
    os.seteuid(0)
PY
for dax in always never; do
	udaxfs "$work/pmem0" "$mnt" -f -d -o dax=$dax >"$work/log" 2>&1 &
	wait_until 20 mounted "$mnt"
	ok "dax=$dax: 400 writes" python3 "$work/write.py" "$mnt"
	umount "$mnt" && wait
	is "are 400 requests" "$(requests WRITE)" 400
	ok "without a look for capabilities" [ "$(requests GETXATTR)" -le 4 ]
done
