#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The conformance suite itself: the kernel's own filesystems pass it, so what
# it expects is Linux's and not ours.
. "${srcdir:-.}/tests/lib/functions.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root"
requires mkfs.ext4
plan 7
suite=$build/tests/conformance/conformance
lists=$srcdir/tests/conformance
defer umount -l "$mnt"

conforms() {
	local list=$1
	shift
	"$suite" -d "$lists/$list.differences" "$mnt" "$@" >"$work/tap" 2>&1 &&
		return
	grep -v '^ok' "$work/tap" | head -n 40
	return 1
}
image() { truncate -s "$1" "$work/image" && mkfs.ext4 -q -F -b 4096 -I 256 "$work/image"; }

mount -t tmpfs -o size=256M none "$mnt" || skip_all "cannot mount tmpfs"
ok "tmpfs" conforms tmpfs
umount "$mnt"
mount -t tmpfs -o size=24M,nr_inodes=1000 none "$mnt"
ok "tmpfs, full" conforms tmpfs full prepare
mount -o remount,ro "$mnt"
ok "tmpfs, read-only" conforms tmpfs readonly
umount "$mnt"

image 256M
ext4() { mount -o loop "$work/image" "$mnt"; }
if ext4; then
	ok "ext4" conforms ext4
	umount "$mnt"
	image 24M
	ext4
	ok "ext4, full" conforms ext4 full prepare
	mount -o remount,ro "$mnt"
	ok "ext4, read-only" conforms ext4 readonly
	umount "$mnt"
else
	for what in ext4 "ext4, full" "ext4, read-only"; do
		ok "$what # SKIP no loop devices" true
	done
fi

# And it does find what is wrong: a case that is listed as different and is
# not, and a filesystem with other differences.
mount -t tmpfs none "$mnt"
not_ok "another's differences are not these" conforms ext4 size times
umount "$mnt"
