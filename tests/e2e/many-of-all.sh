#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many names in a directory, levels of a tree, extents of a file, opens of an
# inode (tests/conformance/grow.c, spread.c). No work costs more than twice what
# it does in an empty filesystem, which is mounted beside it and does the same.
# UDAX_NAMES, UDAX_EXTENTS: how many.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip_all "needs root"
plan 8
suite=$build/tests/conformance/conformance
export CONFORM_NAMES=${UDAX_NAMES:-50000} CONFORM_EXTENTS=${UDAX_EXTENTS:-10000}
export CONFORM_DEADLINE_S=$((120 + CONFORM_NAMES / 1000))
# an inode and its name: 1 KiB; an extent: a block
UDAX_SIZE=$((64 + CONFORM_NAMES / 1024 + CONFORM_EXTENTS * 4 / 1024))M

mount_both() {
	udax_mount pmem0 && udaxfs "$work/empty" "$work/beside" || return
	mkdir -p "$work/beside/few"
	[ -L "$mnt/few" ] || ln -s "$work/beside/few" "$mnt/few"
	CONFORM_DAEMONS="$daemon $(daemon_of "$work/beside")"
	export CONFORM_DAEMONS
}
unmount_both() {
	umount "$work/beside" && udax_umount && device_clean pmem0
}
conforms() {
	local rc=0
	"$suite" "$mnt" "$@" >"$work/tap" 2>&1 || rc=1
	diag "$(grep -v '^ok\|^1\.\.' "$work/tap")"
	return $rc
}
room() { stat -f -c '%f %d' "$mnt"; }
udax_mkfs pmem0
udax_mkfs empty
mkdir "$work/beside"
ok "mounts" mount_both
before=$(room)
rc=0; conforms grow spread || rc=1
is "grows" $rc 0
ok "umount and check" unmount_both
ok "mounts again" mount_both
rc=0; conforms shrink gather || rc=1
is "shrinks" $rc 0
freed() { [ "$(room)" = "$before" ]; }
ok "all of it is free again" wait_until 20 freed
freed || diag "free blocks and inodes: $before before, $(room) now"
is "nor is anything left beside it" "$(ls "$mnt/few")" ""
ok "umount and check" unmount_both
