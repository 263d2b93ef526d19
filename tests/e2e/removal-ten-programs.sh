#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Ten programs map ten files, storing all the time, when the device goes.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 7

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
cat >"$work/storer.py" <<'PY'
import mmap, os, signal, sys
path, log = sys.argv[1], sys.argv[2]
fd = os.open(path, os.O_RDWR)
m = mmap.mmap(fd, 1 << 20)
n = 0
signal.signal(signal.SIGTERM, lambda *a: os._exit(9))
os.write(1, b"r")
while True:
    n += 1
    for page in range(256):
        m[page * 4096] = n & 255
PY
pids=()
for i in $(seq 10); do
	truncate -s 1M "$mnt/f$i"
	python3 "$work/storer.py" "$mnt/f$i" "$work/log$i" >"$work/ready$i" 2>/dev/null &
	pids+=($!)
done
all_ready() { [ "$(cat "$work"/ready* | wc -c)" = 10 ]; }
ok "ten programs store" wait_until 30 all_ready
sleep 0.3
ok "remove-device ends with 0" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
killed=0
for pid in "${pids[@]}"; do
	wait "$pid"
	[ $? = $((128 + 7)) ] && killed=$((killed + 1))
done
is "each got SIGBUS" "$killed" 10
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
