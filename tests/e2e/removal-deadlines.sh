#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Deadlines, drain mode, dry run, waiting: what the command promises a script.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 17

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 65536 /dev/zero >"$mnt/data"
ok "the file is mapped" mapper_start "$mnt/data"
is "and stored to" "$(ask 'store 0 1')" ok

dry=$(udaxctl remove-device "$mnt" 0 --dry-run --json)
is "a dry run ends with 0" $? 0
is "and leaves the device live" "$(json "$dry" 'j["state"]')" live

drained=$(udaxctl remove-device "$mnt" 0 --mode=drain --timeout=0.5 --json)
is "drain waits for the mapping: deadline, exit 3" $? 3
is "the state is told all the same" "$(json "$drained" 'j["state"]')" revoking
ok "somebody is named" [ "$(json "$(udaxctl list-holders "$mnt" 0 --json)" 'j["holders"][0]["pid"]')" = "$mapper" ]
is "new use is refused meanwhile" "$(ask 'pwrite 32768 2')" EIO
is "the mapped page is still there" "$(ask 'load 0')" 1
status "wait-device has a deadline, too" 3 udaxctl wait-device "$mnt" 0 --state=dead --timeout=0.2
udaxctl wait-device "$mnt" 0 --state=dead --timeout=20 --json >"$work/waited" &
waiter=$!
mapper_end
wait "$waiter"
is "the last release ends it: wait-device joins" $? 0
is "its answer is the removal's" "$(json "$(cat "$work/waited")" 'j["state"]')" dead
status "a device that is none" 1 udaxctl remove-device "$mnt" 7
status "a state that is none" 2 udaxctl wait-device "$mnt" 0 --state=gone
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
