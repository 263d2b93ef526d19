#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The daemon is killed and started again: the program lives, its ranges resume
# or are poison, as it asked.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

kill_daemon() {
	local pid=$daemon
	kill -9 "$pid"
	wait_until 5 gone "$pid" || return
	umount -l "$mnt"
	daemon=
}

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 4194304 /dev/zero >"$mnt/file"
ok "the file is mapped" user_start "$mnt/file"
is "a store" "$(ask 'store 4096 1')" ok
is "made durable" "$(ask msync)" ok
is "a byte read" "$(ask 'pread 4096')" 1
ok "the daemon is killed" kill_daemon
wait_until 5 [ "$(ask 'load 4096')" != 1 ]
is "then the range is poison" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
is "a read is what the system call says" "$(ask 'pread 4096')" ENOTCONN
ok "the next one gets the device at once" udax_mount pmem0
is "which changes nothing" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
mapper_end

ok "mapped to resume" user_start "$mnt/file" resume
is "it has the data" "$(ask 'load 4096')" 1
is "threads store on" "$(ask 'run 2')" ok
ok "the daemon is killed again" kill_daemon
sleep 0.3
ok "and another one started" udax_mount pmem0
sleep 0.3
rounds=$(ask halt)
ok "they have waited and gone on ($rounds rounds)" [ "$rounds" -gt 0 ]
is "one more" "$(ask count)" ok
is "every page has them all" "$(python3 -c '
import struct, sys
data = open(sys.argv[1], "rb").read()
words = set(struct.unpack_from("<Q", data, at)[0] for at in range(0, len(data), 4096) if at != 4096)
print(words)' "$mnt/file")" "{$((rounds + 1))}"
mapper_end
ok "the ledger adds up" udaxctl verify "$mnt"
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
done_testing
