#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fsck.udaxfs -y that loses power anywhere: another one finishes, and what comes
# out has all that the first would have saved. UDAX_CUTS: how many.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
export PMEM2_FORCE_GRANULARITY=BYTE
dev=$work/dev

p() { poke "$work/damaged" "$@"; }
ino() { poke "$work/damaged" lookup 1 "$1"; }

# Something for every step of mending.
damage() {
	local sub
	sub=$(p lookup "$(ino dir)" sub)
	p extent "$(ino large)" 0 addr "$(p get extent "$(ino holes)" 1 addr)" &&
		p extent "$(ino large)" 0 flags 0 &&
		p flip $(($(p where node "$(ino holes)") + 24)) &&
		p flip $(($(p where node "$(ino dir)") + 24)) &&
		p flip $(($(p where inode "$(ino tagged)") + 64)) &&
		p xattr "$(ino large)" 0 value_crc 1 &&
		p entry "$sub" deeper ino "$(ino dir)" &&
		p entry 1 small ino 200000 &&
		p inode "$(ino fifo)" nlink 7 &&
		p inode 0 size 100000 &&
		p fill "$(p where inode 2)" 512 0
}

contents() {
	tree_image list "$1" | awk '$2 !~ /^4/ { print $2, $4, $5, $6 }' | sort -u
}

# cut EVENT: what is not as it should be.
cut() {
	local rc=0
	cp --sparse=always "$work/damaged" "$dev"
	fsck_cut "$dev" "$1" "$1" >"$work/out" 2>&1 || rc=$?
	[ $rc = 99 ] || { echo "event $1: not cut: $rc"; return; }
	rc=0
	fsck.udaxfs -y "$dev" >"$work/out" 2>&1 || rc=$?
	[ $rc -le 1 ] || echo "event $1: -y ended with $rc: $(tail -3 "$work/out")"
	fsck.udaxfs -n "$dev" >"$work/out" 2>&1 ||
		echo "event $1: not sound: $(head -3 "$work/out")"
	[ "$(contents "$dev" 2>&1)" = "$expected" ] || echo "event $1: lost:" \
		"$(diff <(contents "$dev" 2>&1) - <<<"$expected" | grep '^[<>]' | tr '\n' ' ')"
}

ok "a filesystem" mkfs.udaxfs -q -s 16M "$work/damaged"
ok "with the same keys each time" poke "$work/damaged" super hash_seed 42
ok "filled" tree_image fill "$work/damaged"
ok "damaged all over" damage
cp --sparse=always "$work/damaged" "$dev"
status "-y mends it" 1 fsck.udaxfs -y "$dev"
status "... for good" 0 fsck.udaxfs -n "$dev"
expected=$(contents "$dev")

# the last event there is
least=1 most=4096
while [ $((most - least)) -gt 1 ]; do
	middle=$(((least + most) / 2))
	cp --sparse=always "$work/damaged" "$dev"
	fsck_cut "$dev" $middle 1 >/dev/null 2>&1
	if [ $? = 99 ]; then least=$middle; else most=$middle; fi
done
diag "$least events"
ok "it takes many stores" [ $least -gt 40 ]
cuts=${UDAX_CUTS:-40} said=
[ "$cuts" -le "$least" ] || cuts=$least
for ((i = 1; i <= cuts; i++)); do
	said+=$(cut $((i * least / cuts)))
done
is "$cuts cuts, each finished by another fsck" "$said" ""
done_testing
