#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# PMDK under udax-run finds real persistent memory: a pool, transactions, a
# crash inside one, recovery, pmempool check; also after a mount.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
requires pmdk_user pmempool
plan 20
# What pmdk_user counts besides; a pool of libpmemobj is 16 MiB.
sums() { udax-run pmdk_user sum "$mnt/pool"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
status "through the kernel" 0 pmdk_user map "$mnt/file" 5000000
is "there is no persistent memory" "$out" is_pmem=0
status "under udax-run" 0 udax-run -v pmdk_user map "$mnt/file-2" 5000000
is "there is" "$out" is_pmem=1
like "mapped directly" "$err" 'mapped [1-9][0-9]* directly, 0 by the kernel'
status "lazily" 0 udax-run --lazy pmdk_user map "$mnt/file-3" 5000000
is "there is, too" "$out" is_pmem=1
ok "what it stored is in the file" eval '[ "$(head -c 12 "$mnt/file-2")" = "from libpmem" ] && cmp "$mnt/file-2" "$mnt/file-3"'
ok "a pool is created" udax-run pmdk_user create "$mnt/pool"
ok "300 transactions" udax-run pmdk_user move "$mnt/pool" 300
is "nothing is lost" "$(sums)" "400000 in all, 300 moves, 300 letters"
status "killed inside a transaction" 137 udax-run pmdk_user crash "$mnt/pool" 51
status "pmempool check finds the pool" 0 udax-run pmempool check -v "$mnt/pool"
like "consistent" "$out" 'consistent$'
is "recovered: the last one never was" "$(sums)" "400000 in all, 350 moves, 350 letters"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
is "the same after a mount" "$(sums)" "400000 in all, 350 moves, 350 letters"
ok "umount" udax_umount
