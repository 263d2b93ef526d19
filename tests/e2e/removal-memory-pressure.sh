#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Memory pressure has dropped the kernel's pages before the device goes.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ -w /proc/sys/vm/drop_caches ] || skip_all "needs /proc/sys/vm/drop_caches"
plan 9

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 1048576 /dev/zero >"$mnt/data"
ok "the file is mapped" mapper_start "$mnt/data"
is "every page is touched" "$(ask 'fill 5')" ok
is "and written back" "$(ask 'msync')" ok
sync
echo 3 >/proc/sys/vm/drop_caches
ok "remove-device ends with 0" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
is "a load raises SIGBUS at its address" "$(ask 'load 528384')" "SIGBUS BUS_ADRERR right"
mapper_end
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
