#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# cp -a, tar x and diff of real trees; all equal after a remount, too.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires tar diff
plan 13

tree=/usr/include
archived=
for archived in /usr/share/perl /usr/lib/python3 /usr/share; do
	[ -d $archived ] && [ "$(du -sm $archived | cut -f1)" -lt 100 ] && break
done
megabytes=$(du -sm --apparent-size $tree $archived | awk '{ sum += $1 } END { print sum }')
UDAX_SIZE=$((megabytes * 2 + 128))M

# What a tree is, apart from contents and a directory's own size.
listing() {
	(cd "$1" && find . -type d -printf '%p %y %m %U %G %n %T@\n' -o \
		-printf '%p %y %m %U %G %s %T@ %l\n' | sort)
}
same() {
	diff -U0 <(listing "$1") <(listing "$2") >"$work/diff" &&
		diff -r --no-dereference "$1" "$2" >"$work/diff" ||
		{ head -20 "$work/diff"; return 1; }
}
same_archive() { tar -C "$mnt/archived" -df "$work/archive.tar" 2>&1 | head -20; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "cp -a $tree" timeout 60 cp -a $tree "$mnt/copy"
ok "the copy is the same" same $tree "$mnt/copy"
tar -C "$archived" -cf "$work/archive.tar" .
mkdir "$mnt/archived"
ok "tar x of $archived" timeout 60 tar -C "$mnt/archived" -xpf "$work/archive.tar"
is "tar finds no difference" "$(same_archive)" ""
ok "a copy within the mount" timeout 60 cp -a "$mnt/copy/linux" "$mnt/again"
ok "is the same" same $tree/linux "$mnt/again"
ok "is removed" rm -r "$mnt/again"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount -o ro pmem0
ok "the copy is the same" same $tree "$mnt/copy"
is "tar finds no difference" "$(same_archive)" ""
ok "umount and check" eval 'udax_umount && device_clean pmem0'
