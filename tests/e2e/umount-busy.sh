#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmounted in use: refused; lazily: users go on until the last one is done.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 16

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 65536 /dev/zero >"$mnt/file"
ok "a program maps a file" mapper_start "$mnt/file"
is "and stores" "$(ask "store 5 1")" ok
status "umount is refused: in use" 32 umount "$mnt"
ok "umount -l is not" umount -l "$mnt"
ok "the name is free" unmounted "$mnt"
is "the mapping goes on: a store to a page not yet touched" "$(ask "store 40000 42")" ok
is "and its load" "$(ask "load 40000")" 42
is "read(2), too" "$(ask "pread 5")" 1
ok "the daemon lives" alive "$daemon"
mapper_end
ok "until the last user is done" wait_until 10 gone "$daemon"
ok "the device is clean" device_clean pmem0
daemon=

udax_mount pmem0
mapper_start "$mnt/file"
kill "$daemon"
ok "SIGTERM takes the mount away" wait_until 10 unmounted "$mnt"
is "whoever uses it goes on; what it stored is there" "$(ask "load 40000")" 42
kill "$daemon"
ok "the second one ends the daemon" wait_until 10 gone "$daemon"
mapper_end
daemon=
ok "and leaves the device clean" device_clean pmem0
