#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udax-cp: what comes out is what went in, whichever side is device memory.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires python3

UDAX_SIZE=64M udax_mkfs a
udax_mount a
other=$work/other
mkdir "$other"
# A disk's filesystem, if there is one: O_DIRECT of another sort.
disk=$(mktemp -d "${TMPDIR:-/var/tmp}/udaxfs-cp.XXXXXX")
defer "rm -rf $disk"

# Sizes around pages, blocks and windows.
for size in 0 1 4095 4096 4097 1048577 9000001; do
	head -c "$size" /dev/urandom >"$other/in"
	head -c 10000000 /dev/zero >"$other/out"
	status "$size bytes: in" 0 udax-cp "$other/in" "$mnt/file"
	ok "  equal" cmp "$other/in" "$mnt/file"
	status "  and out, onto something longer" 0 udax-cp --block=64K "$mnt/file" "$other/out"
	ok "  equal" cmp "$other/in" "$other/out"
done
for depth in 1 64; do
	status "depth $depth: onto a disk" 0 udax-cp --depth=$depth --block=4K "$mnt/file" "$disk/out"
	ok "  equal" cmp "$mnt/file" "$disk/out"
	status "  and from there" 0 udax-cp --depth=$depth --block=4K "$disk/out" "$mnt/again"
	ok "  equal" cmp "$mnt/file" "$mnt/again"
done
status "within udaxfs" 0 udax-cp --json "$mnt/file" "$mnt/third"
is "  and says so" "$(json "$out" "(j['complete'], j['size_bytes'], j['copied_bytes'])")" "(True, 9000001, 9000001)"
ok "  equal" cmp "$mnt/file" "$mnt/third"
chmod 751 "$mnt/file"
status "the mode comes along with a new file" 0 udax-cp "$mnt/file" "$other/mode"
is "  751" "$(stat -c %a "$other/mode")" 751
is "nothing is left beside it" "$(cd "$other" && echo *)" "in mode out"
udax_umount
udax_mount a
ok "all of it is durable" cmp "$other/in" "$mnt/again"

# --- holes
rm -f "$mnt"/*
truncate -s 120M "$other/sparse"
printf first | dd of="$other/sparse" bs=1M seek=7 conv=notrunc status=none
printf last | dd of="$other/sparse" bs=1M seek=90 conv=notrunc status=none
status "a sparse file larger than the device" 0 udax-cp "$other/sparse" "$mnt/sparse"
ok "  equal" cmp "$other/sparse" "$mnt/sparse"
ok "  and sparse" test "$(stat -c %b "$mnt/sparse")" -lt 64
status "  and out" 0 udax-cp "$mnt/sparse" "$other/back"
ok "  equal" cmp "$other/sparse" "$other/back"
ok "  and sparse" test "$(stat -c %b "$other/back")" -lt 64

# --- what is refused, in one line
refused() {
	local name=$1 pattern=$2 rc=$3
	shift 3
	status "$name" "$rc" udax-cp "$@"
	like "  and says why" "$err" "$pattern"
	is "  in one line" "$(printf '%s\n' "$err" | wc -l)" 1
}
head -c 70000000 /dev/zero | tr '\0' x >"$other/large"
refused "a full destination" "allocate .*/large: No space left" 1 "$other/large" "$mnt/large"
not_ok "  nothing stays" test -e "$mnt/large"
mkdir "$work/small"
if mount -t tmpfs -o size=8M none "$work/small" 2>/dev/null; then
	defer "umount $work/small"
	head -c 20000000 /dev/urandom >"$mnt/long"
	refused "and one of another sort" "write .*/small/long: No space left" 1 --block=64K "$mnt/long" "$work/small/long"
	mount -o remount,size=64M "$work/small"
	status "  with more room it goes on" 0 udax-cp --resume --json "$mnt/long" "$work/small/long"
	ok "  equal" cmp "$mnt/long" "$work/small/long"
	rm "$mnt/long"
fi
ln "$mnt/sparse" "$mnt/hard"
refused "the same file" "same file" 1 "$mnt/sparse" "$mnt/hard"
ok "  which is as it was" cmp "$other/sparse" "$mnt/sparse"
refused "no udaxfs at all" "neither" 1 "$other/in" "$other/new"
not_ok "  nothing is made" test -e "$other/new"
refused "no such file" "open .*/none: No such file" 1 "$mnt/none" "$other/new"
refused "a folder" "not a regular file" 1 "$mnt" "$other/new"
refused "a depth of nothing" "depth=0" 2 --depth=0 "$mnt/sparse" "$other/new"
refused "half a page" "block=2K" 2 --block=2K "$mnt/sparse" "$other/new"
chmod 000 "$mnt/sparse"
done_testing
