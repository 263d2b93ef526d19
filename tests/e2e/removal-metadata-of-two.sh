#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The device with the only metadata goes: the whole filesystem is shut down,
# mappings of the other device too, and everything comes back.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 16

udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
for i in 1 2 3 4; do head -c 65536 /dev/urandom >"$mnt/f$i"; done
device_of() { json "$(udaxctl filemap "$1" --json)" 'j["extents"][0]["device"]'; }
for i in 1 2 3 4; do [ "$(device_of "$mnt/f$i")" = 1 ] && other=f$i; done
ok "a file on the second device is mapped" mapper_start "$mnt/$other"
is "and stored to" "$(ask 'store 4096 42')" ok
(cd "$mnt" && sha256sum f?) >"$work/sums"
ok "the first device is removed" timeout 60 udaxctl remove-device "$mnt" 0 --timeout=50
is "the mapping of the other is gone" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
is "read(2) gives EIO" "$(ask 'pread 0')" EIO
is "fstat gives EIO" "$(ask 'fstat')" EIO
mapper_end
not_ok "nothing can be created" touch "$mnt/new"
not_ok "nothing can be listed" ls "$mnt"
ok "the ledger adds up" udaxctl verify "$mnt"
is "the mount says that it is shut down" \
	"$(json "$(udaxctl list "$mnt" --json)" 'j["mounts"][0]["shut_down"]')" True
ok "umount works" udax_umount
ok "the devices pass the full check" device_clean pmem0 pmem1
ok "both mount again" udax_mount pmem0 pmem1
ok "with every byte" eval '(cd "$mnt" && sha256sum -c --quiet "$work/sums")'
ok "umount again" udax_umount
