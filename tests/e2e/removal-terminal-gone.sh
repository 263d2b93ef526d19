#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The daemon's terminal goes away; it does not mind, and the device can be removed.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires script
plan 7

udax_mkfs pmem0
# script(1) gives it a terminal that is hung up when the shell ends.
ok "mounts from a terminal" script -qec "udaxfs '$work/pmem0' '$mnt'" /dev/null
daemon=$(daemon_of "$mnt")
ok "the daemon lives on" alive "$daemon"
ok "the mount answers" eval 'echo text >"$mnt/file" && [ "$(cat "$mnt/file")" = text ]'
is "it has no terminal" "$(awk '{print $7}' "/proc/$daemon/stat")" 0
ok "the device can be removed" udaxctl remove-device "$mnt" 0 --timeout=20
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
