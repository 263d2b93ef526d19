#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many names in a directory, levels of a tree, extents of a file, opens of an
# inode (tests/conformance/grow.c, spread.c). No work costs more than twice what
# the same does where there are few.
# UDAX_LONG: a million names, 100 000 extents.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip_all "needs root"
long=${UDAX_LONG:-}
plan 7
suite=$build/tests/conformance/conformance
export CONFORM_NAMES=50000 CONFORM_EXTENTS=10000
[ -z "$long" ] || CONFORM_NAMES=1000000 CONFORM_EXTENTS=100000
export CONFORM_DEADLINE_S=$((120 + CONFORM_NAMES / 1000))
# an inode and its name: 1 KiB; an extent: a block
UDAX_SIZE=$((64 + CONFORM_NAMES / 1024 + CONFORM_EXTENTS * 4 / 1024))M

conforms() {
	local rc=0
	CONFORM_DAEMONS=$daemon "$suite" "$mnt" "$@" >"$work/tap" 2>&1 || rc=1
	diag "$(grep -v '^ok\|^1\.\.' "$work/tap" | head -n 40)"
	return $rc
}
room() { stat -f -c '%f %d' "$mnt"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
before=$(room)
rc=0; conforms grow spread || rc=1
is "grows" $rc 0
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
rc=0; conforms gather shrink || rc=1
is "shrinks" $rc 0
freed() { [ "$(room)" = "$before" ]; }
ok "all of it is free again" wait_until 20 freed
freed || diag "free blocks and inodes: $before before, $(room) now"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
