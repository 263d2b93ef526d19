#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that is stopped maps on when its daemon has been killed: nobody gets
# the device before it is gone, and everybody who asks is told its name.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 19

# refused SENTENCE COMMAND...: fails, and its one line names the holder.
refused() {
	local name=$1 said rc=0
	shift
	said=$(timeout 20 "$@" 2>&1) || rc=$?
	ok "$name is refused" [ "$rc" != 0 ]
	like "$name names the holder" "$said" "in use by PID $mapper \\(direct_holder\\)"
}

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 1048576 /dev/zero | tr '\0' a >"$mnt/data"
coproc HOLDER { exec direct_holder "$mnt/data"; }
mapper=$HOLDER_PID to_mapper=${HOLDER[1]} from_mapper=${HOLDER[0]}
read -r -t 20 line <&"$from_mapper"
is "a client leases" "$line" mapped
is "and stores" "$(ask 'store 4096 7')" ok
kill -STOP "$mapper"
kill -9 "$daemon"
ok "its daemon is killed" wait_until 10 gone "$daemon"
ok "the mount is taken away" eval 'umount -l "$mnt"; wait_until 10 unmounted "$mnt"'
daemon=

refused "a new daemon" udaxfs "$work/pmem0" "$mnt"
refused "fsck" fsck.udaxfs -n "$work/pmem0"
refused "mkfs" mkfs.udaxfs -f -q "$work/pmem0"
refused "a mount that only reads" udaxfs "$work/pmem0" "$mnt" -o ro

kill -CONT "$mapper"
is "the client lives and maps" "$(ask 'load 4096')" 7
mapper_end
ok "when it is gone the daemon starts" udax_mount pmem0
is "what it stored is there" "$(od -An -tu1 -j4096 -N1 "$mnt/data" | tr -d ' ')" 7
status "nobody holds anything" 0 udaxctl list-holders "$mnt" --json
is "at all" "$(json "$out" 'j["holders"]')" "[]"
ok "umount and full check" eval 'udax_umount && device_clean pmem0'
