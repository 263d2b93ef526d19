#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The thread's three designs of the reference, each through a removal.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 30

for design in counter flag mount; do
	udax_mkfs pmem0
	ok "$design: mounts" udax_mount -o pgmap=$design pmem0
	is "$design: the daemon says so" \
		"$(json "$(udaxctl list "$mnt" --json)" 'j["mounts"][0]["pgmap"]')" $design
	head -c 16384 /dev/zero >"$mnt/data"
	ok "$design: a file is mapped" mapper_start "$mnt/data"
	is "$design: and stored to" "$(ask 'store 4096 5')" ok
	references=$(json "$(udaxctl list-devices "$mnt" --json)" 'j["devices"][0]["references"]')
	if [ $design = counter ]; then
		is "$design: references are a number" "$references" 4
	else
		is "$design: references are not known" "$references" None
	fi
	ok "$design: the ledger adds up" udaxctl verify "$mnt"
	ok "$design: the device is removed" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
	is "$design: a load raises SIGBUS" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
	mapper_end
	ok "$design: umount works" udax_umount
	ok "$design: the device passes the full check" device_clean pmem0
done
