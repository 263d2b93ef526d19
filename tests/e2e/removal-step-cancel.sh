#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A second removal is refused, joined by wait-device; a removal is stepped and cancelled in each state.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 43

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 65536 /dev/zero >"$mnt/data"

for state in blocking revoking draining; do
	ok "$state: the file is mapped" mapper_start "$mnt/data"
	is "$state: and stored to" "$(ask 'store 4096 3')" ok
	ok "$state: a stepped removal starts" udaxctl remove-device "$mnt" 0 --step --no-wait
	ok "$state: blocking is reached" udaxctl wait-device "$mnt" 0 --state=blocking --timeout=10
	if [ "$state" != blocking ]; then
		ok "$state: on to revoking" udaxctl continue "$mnt" 0
		ok "$state: revoking is reached" udaxctl wait-device "$mnt" 0 --state=revoking --timeout=10
	fi
	if [ "$state" = draining ]; then
		ok "$state: on to draining" udaxctl continue "$mnt" 0
		ok "$state: draining is reached" udaxctl wait-device "$mnt" 0 --state=draining --timeout=10
	fi
	is "$state: write(2) is refused" "$(ask 'pwrite 0 1')" EIO
	status "$state: a second removal exits 4" 4 udaxctl remove-device "$mnt" 0
	ok "$state: it is cancelled" udaxctl cancel-remove "$mnt" 0
	is "$state: it is live again" \
		"$(json "$(udaxctl list-devices "$mnt" --json)" 'j["devices"][0]["state"]')" live
	is "$state: read(2) works" "$(ask 'pread 4096')" 3
	is "$state: the mapping works" "$(ask 'store 4097 9') $(ask 'load 4097')" "ok 9"
	mapper_end
done

status "nothing is left to cancel" 1 udaxctl cancel-remove "$mnt" 0
status "nothing is stopped" 1 udaxctl continue "$mnt" 0
ok "the ledger adds up" udaxctl verify "$mnt"
ok "it is removed for good" udaxctl remove-device "$mnt" 0 --timeout=20
status "once only" 1 udaxctl remove-device "$mnt" 0
ok "umount and check" eval 'udax_umount && device_clean pmem0'
