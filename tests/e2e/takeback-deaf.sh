#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients that do not give back: one is stopped, one stores in a tight loop and
# never hears. Both lose the device, both live on.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse
plan 20

two_devices
ok "a file on the second device" file_on_b file 1048576
ok "one on the first" cp "$mnt/file" "$mnt/other"
ok "a client of the library maps it" lessee stopped "$mnt/file" library 4
ok "one that is deaf, too" lessee deaf "$mnt/file" deaf 4
ok "the first is stopped" kill -STOP "${pid[stopped]}"
ok "really" wait_until 5 in_state "${pid[stopped]}" T
is "the other one spins" "$(say deaf spin)" ok
is "both are named" "$(holders_of_b)" \
	"$(printf 'lease:%s\n' "${pid[stopped]}" "${pid[deaf]}" | sort | paste -sd' ')"

remove_b --timeout=20
is "the removal ends" $? 0
is "with the device dead" "$(of_removed state)" dead
is "eight leases were revoked" "$(of_removed leases_revoked)" 8
is "the stopped one is stopped, not dead" "$(state_letter "${pid[stopped]}")" T
not_ok "and maps the device no more" maps_b "${pid[stopped]}"
not_ok "nor does the deaf one" maps_b "${pid[deaf]}"
not_ok "or have it open" eval 'ls -l /proc/${pid[deaf]}/fd | grep -q "$work/b"'
is "whose loop has ended at the very store" "$(say deaf spun)" "SIGBUS BUS_ADRERR right"
kill -CONT "${pid[stopped]}"
is "continued, the other touches it: SIGBUS" "$(say stopped 'store 5000 1')" "SIGBUS BUS_ADRERR right"
is "in its last range as well" "$(say stopped 'load 1000000')" "SIGBUS BUS_ADRERR right"
lessee_end stopped
lessee_end deaf
ok "the filesystem goes on" cmp -n 100 "$mnt/other" "$mnt/other"
ok "unmounts, and both pass the full check" eval 'udax_umount && device_clean a b'
