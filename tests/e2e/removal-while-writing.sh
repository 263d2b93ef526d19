#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A file is being written when its device goes: EIO at once, nothing acknowledged is lost.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 9

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
# Says how many 4 KiB records were acknowledged, and what stopped it.
cat >"$work/writer.py" <<'PY'
import os, sys, errno
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
n = 0
try:
    while n < 1000000:
        os.pwrite(fd, n.to_bytes(8, "little") * 512, (n % 4096) * 4096)
        n += 1
        if n == 50:
            open(sys.argv[2], "w").close()
    why = "end"
except OSError as e:
    why = errno.errorcode[e.errno]
print(n, why)
PY
python3 "$work/writer.py" "$mnt/log" "$work/started" >"$work/said" &
writer=$!
ok "the writer runs" wait_until 20 test -e "$work/started"
ok "remove-device ends with 0" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
ok "the writer ends by itself" wait_until 20 gone "$writer"
read -r count why <"$work/said"
is "it was stopped by EIO" "$why" EIO
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
ok "it mounts again" udax_mount pmem0
cat >"$work/check.py" <<'PY'
import sys
path, count = sys.argv[1], int(sys.argv[2])
data = open(path, "rb").read()
lost = 0
for slot in range(min(count, 4096)):
    last = slot + (count - 1 - slot) // 4096 * 4096   # the newest acknowledged
    got = data[slot * 4096:slot * 4096 + 4096]
    want = last.to_bytes(8, "little") * 512
    # the one write that was refused may not have happened in part
    if got != want and not (count % 4096 == slot):
        lost += 1
sys.exit(1 if lost else 0)
PY
ok "all $count acknowledged records are there" python3 "$work/check.py" "$mnt/log" "$count"
udax_umount
