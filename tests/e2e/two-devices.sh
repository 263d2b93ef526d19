#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One filesystem on several devices: data on all, given in any order; one that
# is missing, foreign, or given twice is named.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 33

sums() { (cd "$mnt" && sha256sum f* d/*); }
refused() {	# NAME WORDS DEVICE...
	local name=$1 words=$2
	shift 2
	status "$name: refused" 32 udaxfs "${@/#/$work/}" "$mnt"
	like "$name: says why" "$err" "$words"
	is "$name: in one line" "$(printf '%s\n' "$err" | wc -l)" 1
}
udax_mkfs pmem0 pmem1
udax_mkfs other
ok "mounts" udax_mount pmem0 pmem1
blocks=$(stat -f -c %b "$mnt")
is "the size is both devices'" "$blocks" $((2 * 64 * 256))
mkdir "$mnt/d"
for i in 1 2 3 4 5 6 7 8; do head -c 500000 /dev/urandom >"$mnt/f$i"; done
for i in 1 2 3 4; do echo $i >"$mnt/d/small$i"; done
head -c 90M /dev/zero | tr '\0' x >"$mnt/larger-than-one" 2>/dev/null
is "a file larger than either" "$(stat -c %s "$mnt/larger-than-one")" $((90 << 20))
devices_of() { json "$(udaxctl filemap "$1" --json)" 'sorted({e["device"] for e in j["extents"]})'; }
is "is on both" "$(devices_of "$mnt/larger-than-one")" "[0, 1]"
rm "$mnt/larger-than-one"
like "there is data on each" "$(for i in 1 2 3 4 5 6 7 8; do devices_of "$mnt/f$i"; done | sort -u | tr '\n' ' ')" '\[0\] \[1\]'
before=$(sums)
ok "umount" udax_umount
ok "both are clean" device_clean pmem0 pmem1
ok "in any order" device_clean pmem1 pmem0

ok "mounts in the other order" udax_mount pmem1 pmem0
is "all is there" "$(sums)" "$before"
ok "umount" udax_umount

refused "one missing" "device 1 .* missing" pmem0
refused "the other missing" "device 0 .* missing" pmem1
refused "one of another filesystem" "other" pmem0 other
refused "a third one" "other" pmem0 pmem1 other
refused "one twice" "pmem0" pmem0 pmem0

# Without the one that has data only: degraded. Its files say EIO.
ok "degraded, it mounts" udax_mount -o degraded pmem0
readable=0 failing=0
for i in 1 2 3 4 5 6 7 8; do
	if cat "$mnt/f$i" >/dev/null 2>"$work/said"; then
		readable=$((readable + 1))
	elif grep -q "Input/output error" "$work/said"; then
		failing=$((failing + 1))
	fi
done
is "half of the files is there" "$readable" 4
is "the others say EIO" "$failing" 4
ok "all can be listed" eval '[ $(ls "$mnt" | wc -l) = 9 ]'
ok "umount" udax_umount
udax_mount pmem0 pmem1
is "together again, all is there" "$(sums)" "$before"
udax_umount
ok "and clean" device_clean pmem0 pmem1
