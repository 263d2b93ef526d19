#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One page, mapped by the kernel in one program and directly in another, both
# storing: every store arrives, and both get on. Then pread and pwrite under
# udax-run against a kernel mapping; then two direct ones.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
requires python3
plan 12
udax_mkfs pmem0

# Two take turns: each waits for the other's number, and stores its own.
cat >"$work/turns.py" <<'PY'
import mmap, os, sys, time
path, me, turns, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
fd = os.open(path, os.O_RDWR)
if how == "map":
    m = mmap.mmap(fd, 8192)
    load = lambda at: int.from_bytes(m[at:at + 4], "little")
    def store(at, n): m[at:at + 4] = n.to_bytes(4, "little")
else:
    load = lambda at: int.from_bytes(os.pread(fd, 4, at), "little")
    def store(at, n): os.pwrite(fd, n.to_bytes(4, "little"), at)
mine, other = (100, 200) if me == 0 else (200, 100)
end = time.monotonic() + 30
for n in range(1, turns + 1):
    while load(other) < n - (me == 0):
        if time.monotonic() > end:
            sys.exit(f"waits for {n}, sees {load(other)}")
        time.sleep(0.0005)
    if load(mine) != n - 1:
        sys.exit(f"stored {n - 1}, sees {load(mine)}")
    store(mine, n)
PY
turns() { # NAME TURNS FIRST... -- SECOND...: command prefixes; HOW in $how1 $how2
	head -c 8192 /dev/zero >"$mnt/page"
	timeout 60 $1 python3 "$work/turns.py" "$mnt/page" 0 "$5" "$2" & local pid=$!
	timeout 60 $3 python3 "$work/turns.py" "$mnt/page" 1 "$5" "$4" && wait $pid
}
numbers() { python3 -c 'import sys
d = open(sys.argv[1], "rb").read()
print(int.from_bytes(d[100:104], "little"), int.from_bytes(d[200:204], "little"))' "$mnt/page"; }

for mode in always never; do
	ok "$mode: mounts" udax_mount -o dax=$mode pmem0
	ok "$mode: kernel's and direct, in turns" turns "" map udax-run map 60
	is "every store arrived" "$(numbers)" "60 60"
	ok "$mode: pwrite and a direct mapping" turns udax-run io "" map 60
	ok "$mode: two direct ones" turns udax-run map udax-run map 300
	[ $mode = never ] || ok "umount" udax_umount
done
ok "umount and check" eval 'udax_umount && device_clean pmem0'
