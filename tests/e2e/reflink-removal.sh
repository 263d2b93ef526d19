#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device goes that has blocks of several files, and comes again; and what
# fsck says of blocks whose owners are not as many as the filesystem says.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

device_of() { json "$(udaxctl filemap "$1" --json)" 'j["extents"][0]["device"]'; }
shared() { json "$(udaxctl filemap "$1" --json)" 'sum(e["length"] for e in j["extents"] if e["shared"])'; }
gives_eio() { ! "$@" 2>"$work/said" && grep -q "Input/output error" "$work/said"; }

head -c 400000 /dev/urandom >"$work/data"
udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
for i in 1 2 3 4; do cp --reflink=never "$work/data" "$mnt/f$i"; done
for i in 1 2 3 4; do [ "$(device_of "$mnt/f$i")" != 1 ] || far=$mnt/f$i; done
cp "$far" "$mnt/copy1"
cp "$far" "$mnt/copy2"
cp "$far" "$mnt/copy3"
is "files share blocks of the second device" "$(device_of "$mnt/copy1") $(shared "$mnt/copy1")" "1 401408"
ok "one is mapped" mapper_start "$mnt/copy1" ro
is "and read" "$(ask 'load 5000')" "$(od -An -tu1 -j5000 -N1 "$work/data" | tr -d ' ')"
ok "the account is right" udaxctl verify "$mnt"

ok "the second device is removed" timeout 60 udaxctl remove-device "$mnt" "$work/pmem1" --timeout=50
is "the mapping is gone" "$(ask 'load 5000')" "SIGBUS BUS_ADRERR right"
mapper_end
ok "a read gives EIO" gives_eio cat "$mnt/copy2"
ok "a write gives EIO" gives_eio dd if=/dev/zero of="$mnt/copy2" bs=4096 count=1 conv=notrunc status=none
ok "a copy gives EIO" gives_eio cp "$mnt/copy2" "$mnt/copy4"
ok "an owner can be deleted" rm "$mnt/copy3"
ok "and one cut" truncate -s 0 "$mnt/copy2"
ok "unmounts" udax_umount
ok "what is here is clean" device_clean pmem0
ok "with the device, too" device_clean pmem0 pmem1

ok "both mount again" udax_mount pmem0 pmem1
ok "the others are whole" cmp "$work/data" "$mnt/copy1"
ok "all of them" cmp "$work/data" "$far"
is "and share" "$(shared "$mnt/copy1")" 401408
rm "$mnt/copy1"
is "until one is left" "$(shared "$far")" 0
ino=$(stat -c %i "$far")
cp "$far" "$mnt/copy"
ok "unmounts again" udax_umount
ok "both are clean" device_clean pmem0 pmem1

# ------------------------------------------------------------------------ fsck
UDAX_SIZE=32M udax_mkfs good
ok "another mounts" udax_mount good
cp "$work/data" "$mnt/a"
cp "$mnt/a" "$mnt/b"
cp "$mnt/a" "$mnt/c"
ino=$(stat -c %i "$mnt/b")
ok "unmounts" udax_umount
cp --sparse=always "$work/good" "$work/bad"
poke "$work/bad" extent "$ino" 0 flags 0
status "an owner that does not say so" 4 fsck.udaxfs -n "$work/bad"
like "... is one too many" "$out" "which belongs to"
like "... and one too few" "$out" "have 3 owners, found 2"
status "... -y mends it" 1 fsck.udaxfs -y "$work/bad"
ok "... for good" device_clean bad
cp --sparse=always "$work/good" "$work/bad"
poke "$work/bad" extent "$ino" 0 blocks -1
status "an owner that is not there" 4 fsck.udaxfs -n "$work/bad"
like "... is missed" "$out" "have 3 owners, found 2"
cp --sparse=always "$work/good" "$work/bad"
poke "$work/bad" inode 2 format 2
status "no inode for owners" 4 fsck.udaxfs -n "$work/bad"
ok "... and no mount" eval '! udax_mount bad 2>"$work/said"'
like "... but a reason" "$(<"$work/said")" "damaged"
done_testing
