#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fsck.udaxfs on media made to harm it: damage of all sorts under valid
# checksums. It ends in time, by itself, with a status that it has, and what
# it says that it has mended is mended. UDAX_SEEDS: how many.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires python3 setfattr
requires_fuse
UDAX_SIZE=16M
dev=$work/dev good=$work/good

udax_filled good
ok "sound" wait_until 20 fsck.udaxfs -n "$good"

# fate SEED MODE: one line for each thing that is not as it should be.
fate() {
	local rc=0

	cp --sparse=always "$good" "$dev"
	poke "$dev" mutate "$1" $((1 + $1 % 8))
	# not clean, where there is a superblock still
	[ $(($1 % 3)) != 0 ] || poke "$dev" super flags 0 2>/dev/null
	timeout 60 fsck.udaxfs "$2" --json "$dev" >"$work/out" 2>"$work/err" ||
		rc=$?
	case $rc in
	0 | 1 | 4 | 5 | 8 | 9 | 12 | 13) ;;
	*) echo "seed $1: fsck $2 ended with $rc" ;;
	esac
	python3 -m json.tool "$work/out" >/dev/null 2>&1 ||
		echo "seed $1: not JSON"
	[ "$2" = -n ] || [ $rc -gt 1 ] || fsck.udaxfs -n "$dev" >"$work/out" ||
		echo "seed $1: after $2 with $rc: $(head -1 "$work/out")"
	return 0
}

for mode in -n -y; do
	said=
	for ((seed = 1; seed <= ${UDAX_SEEDS:-40}; seed++)); do
		said+=$(fate "$seed" $mode 2>&1)
	done
	is "fsck $mode comes through" "$said" ""
done
done_testing
