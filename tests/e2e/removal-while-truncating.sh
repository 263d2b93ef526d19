#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Truncates of a dirty mapped file run while its device goes: nothing wedges.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 8

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
cat >"$work/truncater.py" <<'PY'
import errno, mmap, os, signal, sys
path = sys.argv[1]
fd = os.open(path, os.O_RDWR)
m = mmap.mmap(fd, 1 << 20)            # while it has that size
child = os.fork()
if child == 0:
    while True:                       # SIGBUS past EOF or after removal: dies
        for page in range(0, 16):
            m[page * 4096] = 1
fd = os.open(path, os.O_RDWR)
n = 0
why = "end"
try:
    while n < 10000000:
        os.ftruncate(fd, 65536 + (n & 15) * 61440)
        n += 1
        if n == 20:
            open(sys.argv[2], "w").close()
except OSError as e:
    why = errno.errorcode[e.errno]
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
print(n, why)
PY
truncate -s 1M "$mnt/file"
python3 "$work/truncater.py" "$mnt/file" "$work/started" >"$work/said" &
truncater=$!
ok "truncates run" wait_until 20 test -e "$work/started"
sleep 0.2
ok "remove-device ends with 0" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
ok "the program ends by itself" wait_until 20 gone "$truncater"
is "stopped by EIO" "$(cut -d' ' -f2 "$work/said")" EIO
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
