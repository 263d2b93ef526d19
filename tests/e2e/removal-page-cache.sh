#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# With the page cache on, what it kept of a closed file is not read after its
# device has gone.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 10

udax_mkfs pmem0 pmem1
ok "mounts with the page cache" udax_mount -o dax=never pmem0 pmem1
for i in 1 2 3 4; do head -c 262144 /dev/urandom >"$mnt/f$i"; done
cat "$mnt"/f? >/dev/null
device_of() { json "$(udaxctl filemap "$1" --json)" 'j["extents"][0]["device"]'; }
gone_file='' kept_file=''
for i in 1 2 3 4; do
	if [ "$(device_of "$mnt/f$i")" = 1 ]; then gone_file=f$i; else kept_file=f$i; fi
done
ok "files are on both devices" [ -n "$gone_file" -a -n "$kept_file" ]
ok "a closed file has no entries" [ "$(json "$(udaxctl list-entries "$mnt" --json)" 'len(j["files"])')" = 0 ]
ok "the second device is removed" timeout 60 udaxctl remove-device "$mnt" 1 --timeout=50
not_ok "a file on it cannot be read from the cache" cat "$mnt/$gone_file"
ok "one on the other can" cat "$mnt/$kept_file"
exec 7<"$mnt/$kept_file"
cat <&7 >/dev/null
ok "an open file's cached pages have entries" [ "$(json "$(udaxctl list-entries "$mnt" --json)" 'len(j["files"])')" = 1 ]
exec 7<&-
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
ok "the devices pass the full check" device_clean pmem0 pmem1
