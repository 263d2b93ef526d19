#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that is killed, at each step of the protocol: nothing is left of it.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse

nothing_left() {
	[ "$(holders_of_b)" = "" ] && [ "$(on_b leases)" = 0 ]
}

two_devices
ok "a file on the second device" file_on_b file 65536
before=$(on_b references)
for step in token connected hello opened asked granted mapped pinned; do
	said=$(timeout 20 lease_client "$mnt/file" dies "$step" 2>/dev/null)
	is "killed when $step" "${said##*$'\n'}" here
	ok "nothing is left of it" wait_until 10 nothing_left
done
is "every reference is back" "$(on_b references)" "$before"

# The same while the device is being taken back.
for step in recalled unmapped returned; do
	: >"$work/said"
	timeout 30 lease_client "$mnt/file" dies "$step" >>"$work/said" 2>/dev/null &
	ok "one waits for its recall" wait_until 10 grep -q waits "$work/said"
	remove_b --timeout=20
	is "killed when $step: the removal ends" $?:"$(of_removed state)" 0:dead
	wait $! 2>/dev/null
	is "it had come so far" "$(tail -1 "$work/said")" here
	ok "the ledger adds up" udaxctl verify "$mnt"
	ok "unmounts, is clean, mounts again" eval 'udax_umount && device_clean a b && udax_mount a b'
done
ok "the file is read" cat "$mnt/file"
ok "unmounts" udax_umount
done_testing
