#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The device file is cut short under the daemon: EIO and the state "failed", no
# crash, no hang; what is left can be unmounted.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
for i in 1 2 3 4; do head -c 262144 /dev/urandom >"$mnt/f$i"; done
device_of() { json "$(udaxctl filemap "$1" --json)" 'j["extents"][0]["device"]'; }
lost='' kept=''
for i in 1 2 3 4; do
	if [ "$(device_of "$mnt/f$i")" = 1 ]; then lost=f$i; else kept=f$i; fi
done
before=$(sha256sum <"$mnt/$kept")
ok "a file on the second device is mapped" mapper_start "$mnt/$lost"
truncate -s 8192 "$work/pmem1"
is "read(2) of it gives EIO" "$(ask 'pread 200000')" EIO
is "write(2) to it gives EIO" "$(ask 'pwrite 200000 1')" EIO
ok "the device ends as failed" udaxctl wait-device "$mnt" 1 --state=failed --timeout=20
is "a load raises SIGBUS" "$(ask 'load 131072')" "SIGBUS BUS_ADRERR right"
mapper_end
ok "the daemon lives" alive "$daemon"
is "the other device's file is equal" "$(sha256sum <"$mnt/$kept")" "$before"
ok "files can be made" eval 'echo text >"$mnt/new" && [ "$(cat "$mnt/new")" = text ]'
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
status "fsck without it names what is missing" 0 fsck.udaxfs -n "$work/pmem0"
