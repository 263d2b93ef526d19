#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# stress-ng's filesystem class, and what else it has of files, each verifying
# what it does: all at a time; in the long form also one after the other.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires stress-ng
seconds=$(short_long 1 20)

# Not those of other filesystems (binderfs, procfs, verity), of mounts, of what
# FUSE does not carry (fiemap); io-uring fails everywhere in Debian 12.
stressors=(access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany
	dnotify dup fallocate fanotify fcntl file-ioctl filename flock fpunch
	fsize fstat getdent handle hdd inode-flags inotify io iomix lease link
	locka lockf lockofd mknod open rename symlink sync-file touch utime
	xattr aio fault msync readahead revio seek sendfile
	splice)
known=$(stress-ng --help 2>&1 | sed -n 's/.*--\([a-z0-9-]*\) N .*/\1/p')
flags=()
names=()
for name in "${stressors[@]}"; do
	grep -qx -- "$name" <<<"$known" || continue
	names+=("$name")
	# inotify gives its events a second, which is short beside fifty others
	[ -n "${UDAX_LONG:-}" ] && [ "$name" = inotify ] || flags+=("--$name" 1)
done
alone=()
[ -z "${UDAX_LONG:-}" ] || alone=("${names[@]}")
plan $((6 + ${#alone[@]}))

# stress-ng --io holds every mount open: those of tests beside this one would be
# busy when they are unmounted.
apart() {
	[ "$(id -u)" = 0 ] || { "$@"; return; }
	# shellcheck disable=SC2016 # the arguments are the inner shell's
	unshare --mount --propagation private bash -c '
		while read -r _ at _; do
			case $at in "$0"/*) ;; */udaxfs-test.*) umount -l "$at" ;; esac
		done </proc/self/mounts
		exec "$@"' "$work" "$@"
}

# Nothing may fail, nothing but what was asked for may be left out.
stressed() {
	(cd "$work" && apart timeout 600 stress-ng --temp-path "$mnt/tmp" --verify \
		--hdd-bytes 16M --iomix-bytes 16M --aio-requests 16 \
		--fallocate-bytes 16M --readahead-bytes 16M --revio-bytes 16M --seek-size 16M --sync-file-bytes 16M \
		"$@") >"$work/stressed" 2>&1 && ! grep -E 'stress-ng: (fail|error|warn):' "$work/stressed" ||
		{ tail -20 "$work/stressed"; return 1; }
}
UDAX_SIZE=1G
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
mkdir "$mnt/tmp"
diag "${#names[@]} stressors"
ok "all at a time" stressed --timeout "$seconds" "${flags[@]}"
for name in "${alone[@]}"; do
	ok "$name" stressed --timeout 3 "--$name" 4
done
is "they leave nothing behind" "$(ls -A "$mnt/tmp")" ""
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
