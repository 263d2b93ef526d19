#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that forks without end, children that map on, and their children:
# when the device is dead, nobody has it.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse
plan 14

who_maps() { grep -l " $work/b" /proc/[0-9]*/maps 2>/dev/null | grep -v "/$daemon/"; }

two_devices
ok "a file on the second device" file_on_b file 65536
ok "a client that lets its children inherit" lessee parent "$mnt/file" deaf
is "forks without end" "$(say parent storm)" ok
several() { [ "$(who_maps | wc -l)" -gt 5 ]; }
ok "many map the device" wait_until 10 several
remove_b --timeout=30
is "the removal ends" $? 0
is "dead" "$(of_removed state)" dead
is "nobody maps it" "$(who_maps)" ""
ok "the client lives" alive "${pid[parent]}"
is "and finds it gone" "$(say parent 'load 0')" "SIGBUS BUS_ADRERR right"
is "the storm ends" "$(say parent calm)" ok
lessee_end parent
# Grandchildren are waited for by nobody.
unmounts() { wait_until 10 umount "$mnt" && wait_until 20 gone "$daemon"; }
ok "again: mounted" eval 'unmounts && device_clean a b && udax_mount a b'

# The parent dies, a child has the mapping and nobody knows it.
lessee orphans "$mnt/file" deaf
say orphans storm >/dev/null
wait_until 10 several
kill -9 "${pid[orphans]}"
remove_b --timeout=30
is "its parent killed, children are found all the same" "$?:$(of_removed state)" 0:dead
is "nobody maps it" "$(who_maps)" ""
ok "unmounts, and both pass the full check" eval 'unmounts && device_clean a b'
