#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device is removed under libudax: SIGBUS and EFAULT, told, pins waited for,
# and good again after a cancel.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

state() { json "$(udaxctl list-devices "$mnt" --json)" 'j["devices"][0]["state"]'; }
state_is() { [ "$(state)" = "$1" ]; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 8388608 /dev/zero >"$mnt/file"
ok "the file is mapped" user_start "$mnt/file"
is "stored to" "$(ask 'fill 7')" ok
is "and read by udax_pread" "$(ask 'pread 4096')" 7

is "a part is pinned" "$(ask 'pin 1048576 8192')" ok
holders=$(udaxctl list-holders "$mnt" --json)
is "the pin has a name" "$(json "$holders" '[(h["pid"], h["offset"], h["length"]) for h in j["holders"] if h["kind"] == "pin"]')" \
	"[($mapper, 1048576, 8192)]"
status "the removal waits for the pin" 3 udaxctl remove-device "$mnt" "$work/pmem0" --timeout=1
ok "in draining" wait_until 5 state_is draining
is "what is not pinned raises SIGBUS" "$(ask 'load 4097')" "SIGBUS BUS_ADRERR right"
is "and gives EFAULT" "$(ask 'pipe 0')" EFAULT
is "what is pinned is still there" "$(ask 'store 1048577 9')" ok
is "no other pin is had" "$(ask 'pin 0 4096')" ENXIO
is "nor another mapping" "$(ask 'map 0 4096')" ENXIO
ok "until it is unpinned" [ "$(ask unpin)" = ok ]
ok "the device is dead then" timeout 10 udaxctl wait-device "$mnt" "$work/pmem0" --state=dead
is "and the last part is poison" "$(ask 'load 1048577')" "SIGBUS BUS_ADRERR right"
is "the program was told of all of it" "$(ask told)" 8388608
mapper_end
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
ok "mounts" udax_mount pmem0
is "the store under the pin is there" "$(od -An -tu1 -j1048577 -N1 "$mnt/file" | tr -d ' ')" 9

ok "mapped again" user_start "$mnt/file"
status "a removal stops after blocking" 0 udaxctl remove-device "$mnt" "$work/pmem0" --step --no-wait
status "after revoking" 0 udaxctl continue "$mnt" "$work/pmem0"
revoked() { [[ $(ask 'load 0') = SIGBUS* ]]; }
ok "the lease is taken" wait_until 5 revoked
is "it is poison" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
ok "cancelled" udaxctl cancel-remove "$mnt" "$work/pmem0"
is "what was revoked stays so" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
is "a new mapping works" "$(ask 'map 0 8388608')" ok
is "with the data" "$(ask 'load 4096')" 7
is "and stores" "$(ask 'store 4096 8')" ok
is "udax_pread, too" "$(ask 'pread 4096')" 8
mapper_end
ok "the ledger adds up" udaxctl verify "$mnt"
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
done_testing
