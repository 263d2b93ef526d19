#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Pages dirty in the kernel's cache reach the media, one that was a hole when mapped, too.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 16384 /dev/zero >"$mnt/block"
truncate -s 1M "$mnt/hole"
ok "a file with blocks is mapped" mapper_start "$mnt/block"
is "a page is dirtied" "$(ask 'store 5000 11')" ok
block_mapper=$mapper block_to=$to_mapper block_from=$from_mapper
python3 - "$mnt/hole" >"$work/hole-ready" <<'PY' &
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(fd, 1 << 20)
m[0x42000] = 77
m[0xfffff] = 78
os.write(1, b"r")
time.sleep(60)
PY
hole=$!
ok "holes are dirtied" wait_until 20 test -s "$work/hole-ready"
ok "remove-device ends with 0" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
kill "$hole" 2>/dev/null
mapper=$block_mapper to_mapper=$block_to from_mapper=$block_from
mapper_end
wait "$hole" 2>/dev/null
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
ok "it mounts again" udax_mount pmem0
is "the dirty page was written back" "$(od -An -tu1 -j5000 -N1 "$mnt/block" | tr -d ' ')" 11
is "so was the hole's first page" "$(od -An -tu1 -j$((0x42000)) -N1 "$mnt/hole" | tr -d ' ')" 77
is "and its last byte" "$(od -An -tu1 -j$((0xfffff)) -N1 "$mnt/hole" | tr -d ' ')" 78
ok "umount again" udax_umount
