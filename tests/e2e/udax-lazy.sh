#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Leases taken at the first touch: by threads at once, by system calls, beyond
# EOF; and the same without userfaultfd.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

byte() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
leases() { udaxctl list-holders "$mnt" --json | grep -o '"lease"' | wc -l; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 33554432 /dev/zero >"$mnt/file"
ok "the file is mapped, lazily" user_start "$mnt/file" lazy
is "nothing is leased" "$(leases)" 0
is "one touch" "$(ask 'store 5000000 1')" ok
is "is one lease" "$(leases)" 1
is "and in the file" "$(byte "$mnt/file" 5000000)" 1
is "a system call may be the one that touches" "$(ask 'pipe 9000000')" ok
is "eight threads touch all of it" "$(ask 'threads 8')" ok
is "none of them in vain" "$(python3 -c '
import struct, sys
data = open(sys.argv[1], "rb").read()
print(set(struct.unpack_from("<Q", data, at)[0] for at in range(0, len(data), 4096)))' "$mnt/file")" "{8}"
ok "in pieces of 2 MiB" [ "$(leases)" -le 17 ]
mapper_end

head -c 5000 /dev/zero >"$mnt/short"
for how in lazy eager; do
	ok "a short file, $how, longer than it is" user_start "$mnt/short" $how length=1048576
	is "its last page can be stored to" "$(ask 'store 8191 3')" ok
	is "the next raises SIGBUS" "$(ask 'store 8192 3')" "SIGBUS BUS_ADRERR right"
	mapper_end
done

# Populated is what there is: nothing is touched beyond EOF, and so poisoned.
head -c 5000 /dev/zero >"$mnt/grows"
is "populated, a file can be touched where it has grown" \
	"$(printf '%s\n' 'pwrite 8192 5' 'load 8192' |
		timeout 20 udax_user "$mnt/grows" populate length=1048576 | paste -sd' ')" \
	"mapped ok 5"

# One without userfaultfd: all at once, and SIGBUS beyond EOF until it is there.
export UDAX_USERFAULTFD=off
ok "without userfaultfd it is mapped as well" user_start "$mnt/short" lazy length=1048576
is "a store" "$(ask 'store 100 4')" ok
is "is in the file" "$(byte "$mnt/short" 100)" 4
is "beyond EOF it is SIGBUS" "$(ask 'store 500000 3')" "SIGBUS BUS_ADRERR right"
ok "the file grows" truncate -s 1048576 "$mnt/short"
sleep 0.5
is "then it is there" "$(ask 'store 500000 5')" ok
ok "the file is truncated" timeout 10 truncate -s 5000 "$mnt/short"
is "then it is not" "$(ask 'store 500000 3')" "SIGBUS BUS_ADRERR right"
is "and the rest is" "$(ask 'load 100')" 4
mapper_end
export UDAX_USERFAULTFD=user
ok "for faults from user mode only" user_start "$mnt/file" lazy
is "a touch" "$(ask 'load 20000000')" 0
is "a system call on it fails" "$(ask 'pipe 30000000')" EFAULT
mapper_end
unset UDAX_USERFAULTFD
ok "the ledger adds up" udaxctl verify "$mnt"
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
done_testing
