#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A pin outlasts the removal's deadline, is named, is not zapped, and ends it.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse

two_devices
ok "a file on the second device" file_on_b file 131072
for how in library deaf; do
	diag "$how"
	ok "a client maps it" lessee $how "$mnt/file" $how 2
	is "and pins a page" "$(say $how pin)" ok
	start=$EPOCHREALTIME
	remove_b --timeout=1.5
	is "removed: exit 3 at the deadline" $? 3
	is "draining" "$(of_removed state)" draining
	like "the pin is named" "$(holders_of_b)" "pin:${pid[$how]}\$"
	is "what is pinned is there" "$(say $how 'store 100 5')" ok
	is "what is not has gone" "$(say $how 'load 100000')" "SIGBUS BUS_ADRERR right"
	is "no new pin" "$(say $how pin)" ENXIO
	udaxctl wait-device "$mnt" "$work/b" --state=dead --timeout=20 --json >"$work/waited" &
	waiter=$!
	sleep "$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { d = 2 - (b - a); print (d > 0 ? d : 0) }')"
	is "after two seconds it is still so" "$(on_b state)" draining
	is "unpinned" "$(say $how unpin)" ok
	wait $waiter
	is "the removal ends" "$?:$(field "$(<"$work/waited")" state)" 0:dead
	is "and the pinned page with it" "$(say $how 'load 100')" "SIGBUS BUS_ADRERR right"
	lessee_end $how
	ok "unmounts, is clean, mounts" eval 'udax_umount && device_clean a b && udax_mount a b'
	is "the last store is there" "$(od -An -tu1 -j100 -N1 "$mnt/file" | tr -d ' ')" 5
done

# The end of a process is an unpin, too.
lessee killed "$mnt/file" library
is "pinned again" "$(say killed pin)" ok
remove_b --timeout=0.8
is "waited for" $? 3
kill -9 "${pid[killed]}"
ok "its end frees the device" timeout 20 udaxctl wait-device "$mnt" "$work/b" --state=dead
udax_umount
done_testing
