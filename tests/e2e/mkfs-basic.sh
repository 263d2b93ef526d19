#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mkfs.udaxfs: options, what it refuses, that it leaves nothing half-done.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires python3 flock blkid
uuid=0ddba11c-0000-4000-8000-00000000cafe
dev=$work/dev

# ------------------------------------------------------------------- usage
status "no device is a usage error" 2 mkfs.udaxfs
status "an unknown option is a usage error" 2 mkfs.udaxfs --what "$dev"
for size in 64X -1 1.5G '' 4097; do
	status "-s '$size' is a usage error" 2 mkfs.udaxfs -s "$size" "$dev"
done
status "-U takes a UUID only" 2 mkfs.udaxfs -U 12345 "$dev"
status "a label of 64 bytes is too long" 2 \
	mkfs.udaxfs -L "$(printf '%064d' 0)" -s 16M "$dev"
status "--help answers" 0 mkfs.udaxfs --help
like "... on standard output" "$out" '^Usage: mkfs.udaxfs'
status "a device that is not there is refused" 1 mkfs.udaxfs "$dev"
is "... in one line" "$(wc -l <<<"$err")" 1
like "... that names it" "$err" "$dev: no such device or file"

# -------------------------------------------------------------------- make
status "-s 15M is too small" 1 mkfs.udaxfs -s 15M "$dev"
ok "... and leaves no file" test ! -e "$dev"
status "-n with -s" 0 mkfs.udaxfs -n -s 16M "$dev"
like "... says what would be done" "$out" "would make"
ok "... and makes no file" test ! -e "$dev"
status "-s 16M makes the smallest" 0 mkfs.udaxfs -s 16M "$dev"
is "... of that very size" "$(stat -c %s "$dev")" 16777216
like "... and says what it made" "$out" "16M, .* free, metadata, journal 1M"
status "fsck finds it clean" 0 fsck.udaxfs -n "$dev"
status "-q -f" 0 mkfs.udaxfs -q -f "$dev"
is "... says nothing" "$out$err" ""
status "--json" 0 mkfs.udaxfs -f --json -L "a label" -U $uuid "$dev"
is "... has a version" "$(json "$out" 'j["version"]')" 1
is "... and the UUID given" "$(json "$out" 'j["uuid"]')" $uuid
is "... and the label" "$(json "$out" 'j["label"]')" "a label"
is "... and the size" "$(json "$out" 'j["devices"][0]["size_bytes"]')" 16777216
is "... and what was there" "$(json "$out" 'j["devices"][0]["overwritten"]')" udaxfs
status "the longest label" 0 mkfs.udaxfs -f -L "$(printf '%063d' 0)" "$dev"
rm "$dev"
truncate -s 20M "$dev"
status "an existing file of zeros needs no -f" 0 mkfs.udaxfs "$dev"

# --------------------------------------------------------------- signatures
before=$(sha256sum <"$dev")
status "an udaxfs is refused without -f" 1 mkfs.udaxfs "$dev"
like "... and named" "$err" "holds udaxfs already"
is "... and untouched" "$(sha256sum <"$dev")" "$before"
status "-s refuses a file that exists" 1 mkfs.udaxfs -s 32M "$dev"
is "... and leaves it" "$(sha256sum <"$dev")" "$before"
status "-n -f on it" 0 mkfs.udaxfs -n -f "$dev"
is "... writes nothing" "$(sha256sum <"$dev")" "$before"
status "-n -f -s on it" 0 mkfs.udaxfs -n -f -s 64M "$dev"
is "... writes nothing either" "$(sha256sum <"$dev")" "$before"
status "-f -s makes it larger" 0 mkfs.udaxfs -f -s 32M "$dev"
is "... to that very size" "$(stat -c %s "$dev")" 33554432
status "... and sound" 0 fsck.udaxfs -n "$dev"
status "-f -s makes it smaller" 0 mkfs.udaxfs -f -s 16M "$dev"
status "... and sound" 0 fsck.udaxfs -n "$dev"
if command -v mke2fs >/dev/null; then
	ext=$work/ext
	truncate -s 32M "$ext" && mke2fs -q -t ext2 "$ext"
	before=$(sha256sum <"$ext")
	status "an ext2 is refused without -f" 1 mkfs.udaxfs "$ext"
	like "... and named" "$err" "ext2"
	is "... and untouched" "$(sha256sum <"$ext")" "$before"
	status "-f overwrites it" 0 mkfs.udaxfs -f "$ext"
	status "... with a sound filesystem" 0 fsck.udaxfs -n "$ext"
	status "nothing of the ext2 is found again" 2 blkid -p "$ext"
else
	skip "ext2 signature" "mke2fs is not installed"
fi
truncate -s 32M "$work/swap" && mkswap -q "$work/swap" >/dev/null 2>&1
status "swap is refused without -f" 1 mkfs.udaxfs "$work/swap"

# ------------------------------------------------------------------ in use
flock "$dev" sleep 60 &
holder=$!
defer kill $holder
for _ in {1..100}; do
	flock -n "$dev" true || break
	sleep 0.02
done
before=$(sha256sum <"$dev")
for how in "-f" "-n -f" "-f -s 32M"; do
	# shellcheck disable=SC2086
	status "mkfs $how refuses a device in use" 1 mkfs.udaxfs $how "$dev"
	like "... and names the process" "$err" "in use by PID [0-9]+"
done
is "... and leaves it" "$(sha256sum <"$dev")" "$before"
status "fsck refuses it with 8" 8 fsck.udaxfs -n "$dev"
like "... and names the process, too" "$err" "in use by PID [0-9]+"

# ----------------------------------------------------------------- several
a=$work/a b=$work/b c=$work/c
status "three devices" 0 mkfs.udaxfs --json -s 16M "$a" "$b" "$c"
is "... the first one holds the journal" "$(json "$out" '[d["journal_bytes"] for d in j["devices"]]')" "[1048576, 0, 0]"
is "... each has its UUID" "$(json "$out" 'len({d["uuid"] for d in j["devices"]})')" 3
status "... in any order for fsck" 0 fsck.udaxfs -n "$c" "$a" "$b"
status "one device given twice" 1 mkfs.udaxfs -f "$a" "$a"
ln -s a "$work/link"
status "... or under two names" 1 mkfs.udaxfs -f "$a" "$work/link"
status "... changes nothing" 0 fsck.udaxfs -n "$a" "$b" "$c"
status "a failure with the second device" 1 \
	mkfs.udaxfs -s 16M "$work/new" "$work/none/new"
ok "... takes the first one back" test ! -e "$work/new"
status "a directory is refused" 1 mkfs.udaxfs -f "$work"
mkfifo "$work/fifo"
status "a FIFO is refused and not waited for" 1 mkfs.udaxfs -f "$work/fifo"
status "-s -f does not replace what is no file" 1 \
	mkfs.udaxfs -f -s 16M "$work/fifo"
done_testing
