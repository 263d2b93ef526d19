#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The conformance suite (tests/conformance) on mounts of ours: each errno of
# each call, through no cache, through the page cache, read-only and full, and with
# as many links as there may be.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip_all "needs root"
families=(open create io size link rename directory readdir owner times moves
	stat xattr acl map lock copy flags paths)
of_data=(io size owner times map copy)
plan $((2 * (${#families[@]} + 1) + ${#of_data[@]} + 1 + 5))
suite=$build/tests/conformance/conformance
lists=$srcdir/tests/conformance

# conforms DIFFERENCES FAMILY...: what fails is said, with its place.
conforms() {
	local list=$1
	shift
	"$suite" -d "$lists/$list.differences" "$mnt" "$@" >"$work/tap" 2>&1 &&
		return
	grep -v '^ok' "$work/tap" | head -n 40
	return 1
}

udax_mkfs pmem0
for dax in always never inode; do
	list=udaxfs-cached
	[ $dax != always ] || list=udaxfs
	udax_mount -o dev,suid,dax=$dax pmem0 || exit 1
	[ $dax != inode ] || families=("${of_data[@]}")
	for family in "${families[@]}"; do
		ok "dax=$dax: $family" conforms $list "$family"
	done
	ok "dax=$dax: what is left is clean" \
		eval 'udax_umount && device_clean pmem0'
done

udax_mount pmem0 || exit 1
CONFORM_LINKS=65000 ok "65 000 links" conforms udaxfs links
ok "what is left is clean" eval 'udax_umount && device_clean pmem0'

UDAX_SIZE=24M udax_mkfs pmem0
udax_mount pmem0 || exit 1
ok "a full one" conforms udaxfs full
conforms udaxfs prepare
ok "what is left is clean" eval 'udax_umount && device_clean pmem0'
udax_mount -o ro pmem0 || exit 1
ok "a read-only one" conforms udaxfs readonly
