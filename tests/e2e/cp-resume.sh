#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udax-cp interrupted: killed, ended, going on with --resume.
. "${srcdir:-.}/tests/lib/functions.sh"
. "$srcdir/tests/lib/copying.sh"
requires_fuse
requires python3
plan 38

UDAX_SIZE=144M udax_mkfs a
udax_mount a
bytes=40000001
head -c $bytes /dev/urandom >"$work/in"
cp "$work/in" "$mnt/in"
chmod 751 "$work/in" "$mnt/in"

both() {
	local from=$1 to=$2
	ok "killed in the middle" start_copy "$from" "$to"
	kill -9 $copy
	wait $copy 2>/dev/null
	said_by_copy >/dev/null
	status "it goes on" 0 udax-cp --resume --json "$from" "$to"
	ok "  not from the start" test "$(json "$out" "j['resumed_bytes']")" -ge 4194304
	is "  with the rest alone" "$(json "$out" "j['resumed_bytes'] + j['copied_bytes']")" $bytes
	ok "  equal" cmp "$from" "$to"
	is "  with its mode" "$(stat -c %a "$to")" 751
	not_ok "  nothing is left beside it" test -e "$to.udax-cp"
	rm -f "$to"
}
both "$work/in" "$mnt/out"
both "$mnt/in" "$work/out"
both "$mnt/in" "$mnt/out"

ok "ended by a signal in the middle" start_copy "$mnt/in" "$work/out"
kill -TERM $copy
kill -CONT $copy
wait $copy
is "  it fails" $? 1
said=$(said_by_copy)
like "  and says where, and how to go on" "$said" "copy .*: Terminated: [0-9]* of $bytes bytes are done; go on with: udax-cp --resume $mnt/in $work/out"
is "  in one line" "$(printf '%s\n' "$said" | wc -l)" 1
touch "$mnt/in"
status "a source that has changed is not mixed with what is there" 1 udax-cp --resume "$mnt/in" "$work/out"
like "  and says so" "$err" "resume .*: the source has changed"
status "without --resume it begins again" 0 udax-cp --json "$mnt/in" "$work/out"
is "  with all of it" "$(json "$out" "j['copied_bytes']")" $bytes
ok "  equal" cmp "$mnt/in" "$work/out"

# --- its daemon is killed
ok "the daemon is killed in the middle" start_copy "$work/in" "$mnt/out"
kill -9 "$daemon"
ok "  and gone" wait_until 10 gone "$daemon"
kill -CONT $copy
wait $copy
is "  the copy fails" $? 1
like "  and says so" "$(said_by_copy)" "copy .*: the daemon has ended: [0-9]* of $bytes bytes are done; go on with"
umount -l "$mnt"
daemon=
ok "  mounted again" udax_mount a
status "  it goes on" 0 udax-cp --resume --json "$work/in" "$mnt/out"
ok "  not from the start" test "$(json "$out" "j['resumed_bytes']")" -gt 0
ok "  equal" cmp "$work/in" "$mnt/out"
