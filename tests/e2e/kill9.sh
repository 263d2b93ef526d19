#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 under load, again and again: whatever operation was acknowledged is
# there, the device passes fsck, and mounts.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
rounds=${UDAX_KILL_ROUNDS:-10} workers=4
plan $((rounds * 5))

load() { timeout 60 python3 "$srcdir/tests/lib/crash_load.py" "$1" "$mnt" "round$2" $workers "${@:3}"; }
said() { [ "$(wc -l <"$work/said-$1")" -ge 400 ]; }
# Of this round, and still of the one before it; what is older makes room.
is_there() {
	local of
	for of in "$1" $(($1 - 1)); do
		[ $of -lt 0 ] || load check $of "$work/said-$of" || return
	done
}

udax_mkfs pmem0 pmem1
for ((round = 0; round < rounds; round++)); do
	how=dax=always
	[ $((round % 3)) != 2 ] || how=dax=never
	udax_mount -o $how pmem0 pmem1 || exit 1
	[ $round -lt 2 ] || rm -rf "$mnt/round$((round - 2))"-* 2>/dev/null &
	load load $round >"$work/said-$round" &
	wait_until 20 said $round
	sleep "0.$((RANDOM % 6))"
	ok "round $round, $how: killed" udax_kill
	wait
	fsck.udaxfs -n "$work/pmem0" "$work/pmem1" >"$work/fsck" 2>&1
	rc=$?
	ok "round $round: fsck finds nothing worse than a log to replay" [ $((rc & ~4)) = 0 ]
	ok "round $round: mounts" udax_mount pmem0 pmem1
	ok "round $round: what was acknowledged is there" is_there $round
	diag "$(head -1 "$work/.said")"
	udax_umount || exit 1
	ok "round $round: the devices are clean" device_clean pmem0 pmem1
done
