#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device's file shrinks to nothing under the mount: EIO, state failed, and
# the daemon lives.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 20

state() { udaxctl list-devices "$mnt" --json | sed -n "s/.*\"index\":$1,[^}]*\"state\":\"\([a-z]*\)\".*/\1/p"; }
state_is() { [ "$(state "$1")" = "$2" ]; }
fails_with() { # WORDS COMMAND...
	local words=$1
	shift
	! timeout 20 "$@" >"$work/io" 2>&1 && grep -q "$words" "$work/io"
}

# New files go to the devices in turn.
udax_mkfs pmem0 pmem1
ok "mounts two devices" udax_mount pmem0 pmem1
for i in 1 2 3 4; do head -c 1M /dev/urandom >"$mnt/f$i"; done
on_second=
for i in 1 2 3 4; do
	udaxctl filemap "$mnt/f$i" --json | grep -q '"device":1' && on_second=$mnt/f$i || on_first=$mnt/f$i
done
[ -n "$on_second" ] || skip_all "no file on the second device"
ok "a program maps a file on the second" mapper_start "$on_second"
is "and stores" "$(ask "store 0 7")" ok
truncate -s 0 "$work/pmem1"
ok "reading it is EIO" fails_with "Input/output error" cat "$on_second"
ok "the device has failed" wait_until 20 state_is 1 failed
is "the mapping raises SIGBUS" "$(ask "load 500000")" "SIGBUS BUS_ADRERR right"
ok "writing, too" fails_with "Input/output error" dd if=/dev/zero of="$on_second" bs=4k count=1 conv=notrunc
is "the other device is live" "$(state 0)" live
ok "files on it can be read" cmp "$on_first" "$on_first"
ok "and made" eval 'head -c 100k /dev/urandom >"$mnt/new" && cat "$mnt/new"'
mapper_end
ok "umount works, the daemon ends" udax_umount

udax_mkfs pmem2
ok "mounts one" udax_mount pmem2
head -c 1M /dev/urandom >"$mnt/file"
not_ok "a name is absent, which the kernel remembers" stat "$mnt/absent"
truncate -s 0 "$work/pmem2"
ok "untouched, the loss is noticed" wait_until 20 state_is 0 failed
ok "reads are EIO" fails_with "Input/output error" cat "$mnt/file"
ok "names are EIO" fails_with "Input/output error" ls "$mnt/absent"
ok "stat is EIO" fails_with "Input/output error" stat "$mnt/file"
ok "making is EIO" fails_with "Input/output error" touch "$mnt/new"
ok "the daemon lives" alive "$daemon"
ok "umount works" udax_umount
