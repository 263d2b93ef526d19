#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# umount(8) returns before the daemon has let go of its devices: whoever comes
# right after, a check, a mount, a mkfs, does not notice.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
rounds=5
plan $((4 * rounds + 2))

udax_mkfs pmem0
for ((i = 0; i < rounds; i++)); do
	udax_mount pmem0
	cp -r "$srcdir/tests/e2e" "$mnt/tree$i"
	ok "umount" umount "$mnt"
	ok "and check at once" fsck.udaxfs -n "$work/pmem0"
	ok "and mount at once" udax_mount pmem0
	ok "umount again" umount "$mnt"
done
ok "and make anew at once" mkfs.udaxfs -q -f "$work/pmem0"
ok "and check that" fsck.udaxfs -n "$work/pmem0"
