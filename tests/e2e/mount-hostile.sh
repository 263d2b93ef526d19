#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udaxfs on media that it must refuse: one line that says why, a status that is
# not 0, and nothing mounted.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires_fuse
UDAX_SIZE=17M
dev=$work/dev good=$work/good

udax_filled good

# refused WHAT: the mount, in a few words of ours.
refused() {
	local rc=0

	timeout 60 udaxfs "$dev" "$mnt" >"$work/out" 2>"$work/err" || rc=$?
	is "$1: one line" "$(wc -l <"$work/err")$(cat "$work/out")" 1
	ok "$1: refused" [ $rc = 32 ]
	ok "$1: not mounted" unmounted "$mnt"
	diag "$(cat "$work/err")"
	cp --sparse=always "$good" "$dev"
}

# In place of LENGTH bytes there.
scribble() {
	head -c "$2" /dev/urandom |
		dd of="$dev" bs=1 seek="$1" conv=notrunc status=none
}

last=$((17 * 1024 * 1024 - 4096))
cp --sparse=always "$good" "$dev"
head -c 17M /dev/urandom >"$dev"
refused "noise"
truncate -s 16500K "$dev"
refused "cut short"
scribble 100 200
scribble $((last + 100)) 200
refused "both superblocks damaged"
poke "$dev" super incompat 4
refused "a feature of the future"
poke "$dev" super journal_start 100000
refused "a journal beyond the device"
poke "$dev" super inode_root 4096
refused "the inode file in the journal"
scribble "$(($(poke "$dev" where inode 0) + 60))" 8
refused "the inode file's inode damaged"
scribble "$(($(poke "$dev" where inode 1) + 60))" 8
refused "the root directory damaged"
poke "$dev" inode 1 nlink 0
refused "the root directory an orphan"
poke "$dev" super flags 0
scribble "$(($(poke "$dev" where inode "$(poke "$good" lookup 1 small)") + 60))" 8
refused "an inode damaged after a crash"
ok "what is sound is mounted" udax_mount dev
ok "unmounted" udax_umount
done_testing
