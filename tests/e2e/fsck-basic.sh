#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fsck.udaxfs: sound filesystems, damage of every kind, what it mends.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires python3 setfattr
requires_fuse
requires blkid mkswap wipefs
dev=$work/dev
good=$work/good
UDAX_SIZE=16M

# damaged ARGUMENTS OF POKE...: a fresh copy of the sound one, spoilt.
damaged() {
	cp --sparse=always "$good" "$dev"
	poke "$dev" "$@" || diag "poke $* failed"
}

# found NAME PATTERN [KIND]: -n leaves 4, a line that matches, and the device
# as it is; --json says the kind.
found() {
	local before
	before=$(sha256sum <"$dev")
	status "$1" 4 fsck.udaxfs -n "$dev"
	like "... $2" "$out" "$2"
	is "... and nothing was written" "$(sha256sum <"$dev")" "$before"
	[ $# -lt 3 ] || {
		fsck.udaxfs -n --json "$dev" >"$work/json"
		is "... of kind $3" \
			"$(json "$(cat "$work/json")" 'j["problems"][0]["kind"]')" "$3"
	}
}

# flip OFFSET: the lowest bit of that byte.
flip() {
	python3 - "$dev" "$1" <<-'PY'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2])); b = f.read(1)[0]
		    f.seek(int(sys.argv[2])); f.write(bytes([b ^ 1]))
	PY
}

# ------------------------------------------------------------------- usage
status "no device is a usage error" 16 fsck.udaxfs
status "an unknown option is a usage error" 16 fsck.udaxfs --what "$dev"
status "-n and -y together are a usage error" 16 fsck.udaxfs -n -y "$dev"
status "a device that is not there is operational" 8 fsck.udaxfs "$dev"
is "... and one line" "$(wc -l <<<"$err")" 1
truncate -s 16M "$dev"
status "zeros are no filesystem" 8 fsck.udaxfs "$dev"
rm "$dev"

# -------------------------------------------------------------------- sound
udax_mkfs dev
ok "mounted" udax_mount dev
udax_populate
large=$(stat -c %i "$mnt/large") dir=$(stat -c %i "$mnt/dir")
ok "unmounted" udax_umount
status "a filesystem in use is sound" 0 fsck.udaxfs -n -v "$dev"
like "... its files are counted" "$out" "407 files, 5 directories, 1 symlinks"
like "... and its attributes" "$out" "62 attributes"
status "--json" 0 fsck.udaxfs -n --json "$dev"
is "... says clean" "$(json "$out" 'j["clean"], j["exit"], j["files"]')" \
	"(True, 0, 407)"
status "-p sees the mark and does no more" 0 fsck.udaxfs -p "$dev"
like "... and says so" "$out" "not checked further"
status "-p -f checks" 0 fsck.udaxfs -p -f "$dev"
like "... and says so" "$out" "clean, 407 files"
cp --sparse=always "$dev" "$good"

# -------------------------------------------------------------------- crash
ok "mounted again" udax_mount dev
status "a mounted device is refused" 8 fsck.udaxfs -n "$dev"
like "... the daemon named" "$err" "in use by PID $daemon"
status "... to -y, too" 8 fsck.udaxfs -y "$dev"
mkdir "$mnt/late" && : >"$mnt/late/file" && mv "$mnt/small" "$mnt/late/"
kill -9 "$daemon"
wait_until 20 gone "$daemon"
abort_mount "$mnt"
daemon=
before=$(sha256sum <"$dev")
status "after a crash -n finds it consistent" 0 fsck.udaxfs -n -v "$dev"
like "... after a replay in memory" "$out" "journal replays cleanly"
like "... in which the last is there" "$out" "408 files, 6 directories"
is "... and nothing was written" "$(sha256sum <"$dev")" "$before"
status "-p replays onto the media" 1 fsck.udaxfs -p "$dev"
like "... and says so" "$out" "journal replayed"
status "... which is clean then" 0 fsck.udaxfs -n "$dev"
is "... and says no more" "$(wc -l <<<"$out")" 1
ok "... and mounts" udax_mount dev
is "... with the last there" "$(cat "$mnt/late/small")" inline
ok "unmounted" udax_umount
status "sound" 0 fsck.udaxfs -n "$dev"

# -------------------------------------------------------------- superblocks
for at in 0 $(($(stat -c %s "$good") - 4096)); do
	cp --sparse=always "$good" "$dev"
	flip $((at + 200))
	found "a superblock damaged at $at" "superblock is damaged" superblock
	like "... and how that is mended" "$out" "a mount mends that, or fsck -p"
	ok "... which a mount does" udax_mount dev
	ok "... at once" udax_umount
	status "... and nothing is left to say" 0 fsck.udaxfs -n "$dev"
	cp --sparse=always "$good" "$dev"
	flip $((at + 200))
	status "... -p mends it" 1 fsck.udaxfs -p "$dev"
	like "... and says so" "$out" "superblock is damaged.*fixed"
	status "... for good" 0 fsck.udaxfs -n "$dev"
	ok "... as it was" cmp "$good" "$dev"
	dd if=/dev/zero of="$dev" bs=4096 seek=$((at / 4096)) count=1 \
		conv=notrunc status=none
	status "a superblock wiped at $at is mended, too" 1 fsck.udaxfs -y "$dev"
	ok "... as it was" cmp "$good" "$dev"
done
flip 200
flip $(($(stat -c %s "$good") - 4096 + 200))
status "both damaged: nothing to go by" 4 fsck.udaxfs -y "$dev"

# ------------------------------------------------------------- flipped bits
cp --sparse=always "$good" "$dev"
flip $(($(poke "$dev" where inode 1) + 40))
found "a bit in the root directory's inode" "inode 1 .*checksum" inode
cp --sparse=always "$good" "$dev"
flip $(($(poke "$dev" where inode "$large") + 200))
found "a bit in a file's inode" "inode $large .*checksum" inode
like "... of which all else is there" "$out" "what can be is saved"
cp --sparse=always "$good" "$dev"
flip $(($(poke "$dev" where node "$dir") + 1000))
found "a bit in a directory's node" "inode $dir \(/dir\): .*node .*damaged" tree
cp --sparse=always "$good" "$dev"
flip $(($(poke "$dev" where inode 0) + 60))
found "a bit in the inode file's inode" "the inode file" inode
status "-p leaves all that" 4 fsck.udaxfs -p -f "$dev"
like "... and says what to do" "$out" "run with -y"

# --------------------------------------------- damage with a valid checksum
damaged inode "$large" nlink 7
found "a wrong link count" "/(large|hard)\): nlink is 7, found 2" link
damaged inode "$dir" nlink 2
found "a wrong link count of a directory" "nlink is 2, found 3" link
damaged inode "$large" blocks +1
found "a wrong number of blocks" "blocks is [0-9]+, found [0-9]+" inode
damaged inode "$dir" size -1
found "a wrong directory size" "size is 400, found 401" directory
damaged inode "$dir" parent_ino "$large"
found "a wrong parent" "parent is $large, found in 1" link
damaged inode "$large" ino 5000
found "an inode that is another" "says it is inode 5000" inode
damaged inode "$large" pending_end 4096
found "work left over on a clean one" "unfinished" pending
damaged entry 1 fifo ino "$large"
found "an entry that names another file" "fifo.*is a FIFO|is a FIFO.*regular"
damaged entry 1 small ino 200000
found "an entry that names nothing" "names inode 200000, there are" directory
damaged entry 1 other ino "$dir"
found "a directory with two names" "has an entry in directory 1 already" directory
damaged entry "$dir" sub ino 1
found "the root below itself" "names the root directory" directory
deeper=$(poke "$good" lookup "$(poke "$good" lookup "$dir" sub)" deeper)
damaged entry "$(poke "$good" lookup "$dir" sub)" deeper ino "$dir"
found "a directory below itself and at home" "already"
like "... and one that is nowhere" "$out" "inode $deeper .*in no directory"
damaged extent "$large" 0 addr 0x1000
found "a file in the journal" "belongs to the journal" overlap
damaged extent "$large" 0 addr "$(poke "$good" where node "$dir")"
found "a file over a directory" "inode ($large|$dir) .*which belongs to inode ($dir|$large)" overlap
damaged extent "$large" 0 addr 0x7ffffff000
found "a file beyond the end" "of device 0, which has 4096" extent
damaged extent "$large" 0 addr 0x0005000000100000
found "a file on a device that is none" "device 5, which is no member" extent
damaged extent "$large" 0 blocks -1
found "a block that nobody owns" "blocks is [0-9]+, found"
damaged super inodes_used 7
found "a wrong number of inodes" "7 inodes used, found" superblock
damaged super hash_seed 1
found "names with other keys" "which is not its hash" directory
cp --sparse=always "$good" "$dev"
dd if=/dev/zero of="$dev" bs=4096 seek=1 count=1 conv=notrunc status=none
found "a journal that is not there" "no anchor of the journal holds" journal
poke "$dev" super flags 0
found "... and that is needed" "damaged, and not clean" journal
damaged super inode_root 0x800000
found "an inode file that is not there" "other inodes are searched for" inode
damaged super incompat 1
status "a feature of the future is not touched" 8 fsck.udaxfs -y "$dev"

# an orphan is legal only after a crash
damaged inode "$(poke "$good" lookup 1 small)" nlink 0
found "a file with a name and no link" "nlink is 0, found 1" orphan

# a hole cut short, as no daemon leaves one: its edges are another's, too
udax_mkfs a
udax_mount a
head -c 40000 /dev/urandom >"$work/data"
cp "$work/data" "$mnt/one"
cp --reflink=auto "$mnt/one" "$mnt/two"
udax_umount
two=$(poke "$work/a" lookup 1 two)
poke "$work/a" inode "$two" pending_end 5000
poke "$work/a" inode "$two" pending_start 100
poke "$work/a" super flags 0
status "a hole whose edges are shared is mended" 1 fsck.udaxfs -y "$work/a"
udax_mount a
ok "and the other owner keeps its bytes" cmp "$work/data" "$mnt/one"
udax_umount
rm "$work/a"

# ------------------------------------------------------------------ several
udax_mkfs a b c
status "all of them, in any order" 0 fsck.udaxfs -n "$work"/{c,a,b}
status "one is missing" 0 fsck.udaxfs -n "$work"/{a,c}
like "... and named" "$out" "member 1 \([0-9a-f-]{36}\) is missing"
status "the one with the metadata is missing" 8 fsck.udaxfs -n "$work"/{b,c}
like "... and named, too" "$out" "member 0 \([0-9a-f-]{36}\) is missing"
cp "$work/b" "$work/copy"
status "two that say they are one" 8 fsck.udaxfs -n "$work"/{a,b,c,copy}
status "one of another filesystem" 8 fsck.udaxfs -n "$work"/{a,b,c} "$good"
rm "$work"/{a,b,c,copy}

udax_mkfs a b
cp "$work/b" "$work/copy"
for _ in 1 2; do
	ok "mounted" udax_mount a b
	for i in {1..4}; do head -c 9000 /dev/zero >"$mnt/file-$i"; done
	ok "unmounted" udax_umount
done
status "both are sound" 0 fsck.udaxfs -n "$work"/{a,b}
status "an old copy is not taken" 4 fsck.udaxfs -n "$work"/{a,copy}
like "... and named" "$out" "copy: is an old copy or was changed apart"
status "-y does not write to it either" 4 fsck.udaxfs -y "$work"/{a,copy}
ok "mounted" udax_mount a b
ok "a device given back" udaxctl remove-device "$mnt" "$work/b"
ok "unmounted" udax_umount
status "sound without it" 0 fsck.udaxfs -n "$work/a"
like "... which is said" "$out" "member 1 \(.*was left out and is not here"
status "sound with it" 0 fsck.udaxfs -n "$work"/{a,b}
like "... which is said, too" "$out" "b: was left out; the next mount takes it"

# --- a device that has become something else's
kind() { blkid -p -o value -s TYPE "$work/a"; }
udax_mkfs a
mkswap -q "$work/a"
for mode in -n -p -y; do
	status "fsck $mode does not take swap for a damaged udaxfs" 8 fsck.udaxfs $mode "$work/a"
	like "... and says what it is" "$err" "a: holds swap, and the remains"
done
status "nor does a mount" 32 udaxfs "$work/a" "$mnt"
like "... which says it, too" "$err" "a: holds swap, and the remains"
is "swap it is" "$(kind)" swap
wipefs -qa "$work/a"
dd if=/dev/zero of="$work/a" bs=4K count=1 conv=notrunc status=none
status "wiped, it is a udaxfs with one superblock" 1 fsck.udaxfs -p "$work/a"
status "and then with two" 0 fsck.udaxfs -n "$work/a"
done_testing
