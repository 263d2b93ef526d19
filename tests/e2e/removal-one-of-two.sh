#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One of two devices goes: its files give EIO, the others go on.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 17

udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
for i in 1 2 3 4 5 6; do head -c 262144 /dev/urandom >"$mnt/f$i"; done
(cd "$mnt" && sha256sum f*) >"$work/sums"
device_of() { json "$(udaxctl filemap "$1" --json)" 'j["extents"][0]["device"]'; }
on0='' on1=''
for i in 1 2 3 4 5 6; do
	if [ "$(device_of "$mnt/f$i")" = 0 ]; then on0="$on0 f$i"; else on1="$on1 f$i"; fi
done
ok "files are on both devices" [ -n "$on0" -a -n "$on1" ]
ok "each wholly on one" eval 'for f in $on0 $on1; do
	[ "$(json "$(udaxctl filemap "$mnt/$f" --json)" "len({e[\"device\"] for e in j[\"extents\"]})")" = 1 ]; done'
set -- $on1
ok "a file on the second is mapped" mapper_start "$mnt/$1"
is "and stored to" "$(ask 'store 70000 99')" ok
ok "the second device is removed" timeout 60 udaxctl remove-device "$mnt" "$work/pmem1" --timeout=50
is "its state is dead, the other's live" \
	"$(json "$(udaxctl list-devices "$mnt" --json)" '[d["state"] for d in j["devices"]]')" "['live', 'dead']"
is "a load raises SIGBUS" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
is "read(2) gives EIO" "$(ask 'pread 0')" EIO
is "fstat works: metadata lives" "$(ask 'fstat')" ok
mapper_end
ok "files on the first are equal" eval 'set -- $on0; (cd "$mnt" && grep -E " ($(echo "$*" | tr " " "|"))$" "$work/sums" | sha256sum -c --quiet)'
ok "new files can be written" eval 'for i in 1 2 3 4; do head -c 100000 /dev/urandom >"$mnt/new$i" || break; done && [ $i = 4 ]'
ok "and read" eval 'cat "$mnt"/new? >/dev/null'
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
ok "both mount again" udax_mount pmem0 pmem1
ok "everything is there" eval 'set -- $on1; [ "$(od -An -tu1 -j70000 -N1 "$mnt/$1" | tr -d " ")" = 99 ] &&
	(cd "$mnt" && grep -v " $1$" "$work/sums" | sha256sum -c --quiet)'
udax_umount
