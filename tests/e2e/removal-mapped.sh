#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device is taken away under a live mapping; every party sees what it shall.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 26

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 65536 /dev/urandom >"$mnt/data"
ok "the file is mapped" mapper_start "$mnt/data"
is "a store goes through the mapping" "$(ask 'store 4096 42')" ok
is "and is read by read(2)" "$(ask 'pread 4096')" 42
is "another page is stored to" "$(ask 'store 8191 7')" ok

entries=$(udaxctl list-entries "$mnt" "$mnt/data" --json)
ok "the mapping has entries" [ "$(json "$entries" 'len(j["files"][0]["entries"])')" -ge 2 ]
is "they are under the file's name" "$(json "$entries" 'j["files"][0]["path"]')" "$mnt/data"
holders=$(udaxctl list-holders "$mnt" --json)
is "the holder is named" "$(json "$holders" '[(h["kind"], h["pid"], h["command"]) for h in j["holders"]]')" \
	"[('kernel_mapping', $mapper, 'mapper')]"
devices=$(udaxctl list-devices "$mnt" --json)
ok "the device is referenced" [ "$(json "$devices" 'j["devices"][0]["references"]')" -ge 2 ]
ok "the ledger adds up" udaxctl verify "$mnt"

removed=$(udaxctl remove-device "$mnt" "$work/pmem0" --json)
is "remove-device ends with 0" $? 0
is "the state is dead" "$(json "$removed" 'j["state"]')" dead
is "no reference is left" "$(json "$removed" 'j["references"]')" 0
ok "entries were deleted" [ "$(json "$removed" 'j["entries_deleted"]')" -ge 2 ]
ok "the first refusal has a time" [ "$(json "$removed" 'j["first_refusal_us"]')" -ge 0 ]

is "a load raises SIGBUS at its address" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
is "a store raises SIGBUS at its address" "$(ask 'store 12288 1')" "SIGBUS BUS_ADRERR right"
is "read(2) gives EIO" "$(ask 'pread 0')" EIO
is "write(2) gives EIO" "$(ask 'pwrite 0 1')" EIO
is "write(2) from the mapping gives EFAULT" "$(ask 'pipe 4096')" EFAULT
mapper_end
ok "udaxctl still answers" udaxctl list-devices "$mnt"
ok "umount works" udax_umount
ok "the device passes the full check" device_clean pmem0
ok "it mounts again" udax_mount pmem0
is "with every byte stored before" \
	"$(od -An -tu1 -j4096 -N1 "$mnt/data" | tr -d ' ') $(od -An -tu1 -j8191 -N1 "$mnt/data" | tr -d ' ')" "42 7"
ok "umount again" udax_umount
