#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each store granularity of libpmem2: written, killed, recovered, removed.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 30

for granularity in page cache_line byte; do
	# libpmem2 wants it in capitals
	PMEM2_FORCE_GRANULARITY=$(echo $granularity | tr a-z A-Z)
	export PMEM2_FORCE_GRANULARITY
	udax_mkfs pmem0
	ok "$granularity: mounts" udax_mount pmem0
	is "$granularity: the daemon says so" \
		"$(json "$(udaxctl list-devices "$mnt" --json)" 'j["devices"][0]["granularity"]')" $granularity
	cp -r "$srcdir/tests/e2e" "$mnt/tree"
	ok "$granularity: the daemon is killed" kill -9 "$daemon"
	wait_until 10 gone "$daemon"
	daemon=
	umount -l "$mnt"
	ok "$granularity: the journal replays cleanly" device_clean pmem0
	ok "$granularity: it mounts again" udax_mount pmem0
	ok "$granularity: what was copied is there" diff -r "$srcdir/tests/e2e" "$mnt/tree"
	ok "$granularity: a file is mapped" mapper_start "$mnt/tree/granularities.sh"
	is "$granularity: stored to" "$(ask 'store 0 88')" ok
	ok "$granularity: the device is removed" udaxctl remove-device "$mnt" 0 --timeout=20
	mapper_end
	ok "$granularity: umount and check" eval 'udax_umount && device_clean pmem0'
done
