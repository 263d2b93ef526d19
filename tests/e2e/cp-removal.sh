#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device is removed from under udax-cp: what is in flight is finished, the
# removal completes, the copy says how to go on, and does when it is back.
. "${srcdir:-.}/tests/lib/functions.sh"
. "$srcdir/tests/lib/copying.sh"
requires_fuse
requires python3
plan 26

UDAX_SIZE=96M udax_mkfs a b
udax_mount a b
bytes=40000001

device_of() {
	json "$(udaxctl filemap --json "$1")" "j['extents'][0]['device']"
}
# on_b FILE: made, empty but for a byte, on the device without metadata.
on_b() {
	local i
	for i in 1 2 3 4; do
		rm -f "$1"
		head -c 4096 /dev/zero >"$1"
		[ "$(device_of "$1")" = 1 ] && return
	done
	return 1
}
pinned() { udaxctl list-holders "$mnt" "$work/b" --json | grep -q '"pin"'; }
# Stopped with pins: between two windows it has none.
start_pinned() {
	local i
	start_copy "$@" || return
	for i in {1..20}; do
		pinned && return
		kill -CONT $copy
		sleep 0.002
		kill -STOP $copy
	done
	return 1
}

taken_away() {
	local from=$1 to=$2 said
	ok "a copy is under way" start_pinned "$from" "$to"
	ok "its device is to go" udaxctl remove-device "$mnt" "$work/b" --no-wait --recall-ms=200
	ok "its pins are waited for" timeout 20 udaxctl wait-device "$mnt" "$work/b" --state=draining
	like "and it is named" "$(json "$(udaxctl list-holders "$mnt" "$work/b" --json)" \
		"[h['kind'] + ' ' + h['command'] for h in j['holders']]")" "pin (lt-)?udax-cp"
	kill -CONT $copy
	ok "the device is dead soon after" timeout 20 udaxctl wait-device "$mnt" "$work/b" --state=dead
	wait $copy
	is "the copy has failed" $? 1
	said=$(said_by_copy)
	like "and says how to go on" "$said" "copy .*: the device is being removed: [0-9]* of $bytes bytes are done; go on with: udax-cp --resume $from $to"
	is "in one line" "$(printf '%s\n' "$said" | wc -l)" 1
	udax_umount
	udax_mount a b
	ok "the device is back" test "$(device_of "$mnt/here")" = 1
	status "the copy goes on" 0 udax-cp --resume --json "$from" "$to"
	ok "not from the start" test "$(json "$out" "j['resumed_bytes']")" -gt 0
	ok "equal" cmp "$work/in" "$to"
}

head -c $bytes /dev/urandom >"$work/in"
on_b "$mnt/here" || diag "no file is on b"
cat "$work/in" >"$mnt/here"
taken_away "$mnt/here" "$work/out"
on_b "$mnt/here" || diag "no file is on b"
taken_away "$work/in" "$mnt/here"
udax_umount
ok "a clean filesystem" device_clean a b
ok "and nothing maps it" test -z "$(grep -l "$work/" /proc/[0-9]*/maps 2>/dev/null)"
