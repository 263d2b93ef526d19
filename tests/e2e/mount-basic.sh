#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The command line, what a mount looks like, and what is left when it fails.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires findmnt
plan 43

other=$work/other
mkdir "$other"
lines() { wc -l <"$1" | tr -d ' '; }

# refused NAME STATUS WORDS COMMAND...: that status, one line, with the words;
# and nothing mounted.
refused() {
	local name=$1 expected=$2 words=$3 rc=0
	shift 3
	"$@" >"$work/said" 2>&1 </dev/null || rc=$?
	is "$name: status $expected" "$rc" "$expected"
	ok "$name: one line says why" grep -q -- "$words" "$work/said"
	[ "$(lines "$work/said")" = 1 ] || diag "$(cat "$work/said")"
	! grep -q " $work/" /proc/mounts || diag "something is mounted"
}

udax_mkfs pmem0 pmem1
printf '%65536s' x >"$work/none"

refused "unknown option" 1 "unknown option: frob" udaxfs "$work/pmem0" "$work/pmem1" "$mnt" -o ro,frob
refused "bad value" 1 "dax=maybe" udaxfs "$work/pmem0" "$mnt" -o dax=maybe
refused "no device" 1 "no device" udaxfs "$mnt"
refused "no superblock" 32 "$work/none" udaxfs "$work/none" "$mnt"
refused "no such device" 32 "$work/absent" udaxfs "$work/absent" "$mnt"
refused "a member is missing" 32 "missing" udaxfs "$work/pmem0" "$mnt"
refused "mountpoint missing" 32 "No such file" udaxfs "$work/pmem0" "$work/pmem1" "$work/nowhere"
refused "mountpoint a file" 32 "not a directory" udaxfs "$work/pmem0" "$work/pmem1" "$work/none"
touch "$other/occupied"
refused "mountpoint not empty" 32 "not empty" udaxfs "$work/pmem0" "$work/pmem1" "$other"
rm "$other/occupied"

exec 7>"$work/starters"
ok "mounts, from another directory" eval 'cd "$work" && udax_mount pmem0 pmem1; cd "$build"'
is "its type" "$(findmnt -no FSTYPE "$mnt")" fuse.udaxfs
is "its source" "$(findmnt -no SOURCE "$mnt")" "$work/pmem0"
ok "permissions are the kernel's" eval 'findmnt -no OPTIONS "$mnt" | grep -q default_permissions'
is "the command line stays" "$(tr '\0' ' ' <"/proc/$daemon/cmdline")" "udaxfs $work/pmem0 $work/pmem1 $mnt "
is "the daemon has left its session" "$(awk '{ print $6 }' "/proc/$daemon/stat")" "$daemon"
is "and its directory" "$(readlink "/proc/$daemon/cwd")" /
is "and its streams" "$(readlink "/proc/$daemon/fd/2")" /dev/null
not_ok "and holds no file of its starter's" grep -q "$work/starters" <(ls -l "/proc/$daemon/fd")
ok "it survives its terminal's end" eval 'kill -HUP $daemon; sleep 0.1; alive $daemon && ls "$mnt"'
status "devices in use: status 32" 32 udaxfs "$work/pmem0" "$work/pmem1" "$other"
ok "it says by whom" grep -q "in use.*$daemon" "$work/.err"
status "mounted there already: status 32" 32 udaxfs "$work/pmem0" "$work/pmem1" "$mnt"
ok "umount works, and the daemon ends" udax_umount
ok "the devices are clean" device_clean pmem0 pmem1

ok "mounts read-only" udax_mount -o ro pmem0 pmem1
not_ok "a store is refused" touch "$mnt/x"
ok "umount" udax_umount

ok "SIGTERM unmounts" eval 'udax_mount pmem1 pmem0 && kill $daemon && wait_until 10 gone $daemon && unmounted "$mnt"'
daemon=
udaxfs "$work/pmem0" "$work/pmem1" "$mnt" -f 2>"$work/said" &
ok "stays in the foreground" wait_until 10 mounted "$mnt"
umount "$mnt"
ended=$!
rc=0
wait $ended || rc=$?
is "and ends with 0 at umount" $rc 0

# as mount(8) calls it for fstab(5)
helper=$(PATH=$PATH:/sbin:/usr/sbin command -v mount.fuse3 || echo mount.fuse)
status "mount's helper mounts" 0 "$helper" "$work/pmem1" "$mnt" -t fuse.udaxfs \
	-o "rw,noexec,_netdev,nofail,x-test=1,device=$work/pmem0"
is "from the device named first" "$(findmnt -no SOURCE "$mnt")" "$work/pmem1"
ok "with mount's options" eval 'findmnt -no OPTIONS "$mnt" | grep -q "rw.*noexec"'
daemon=$(daemon_of "$mnt")
ok "umount" udax_umount
