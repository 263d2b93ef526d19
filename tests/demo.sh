#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh BUILD: the life of a device, shown. Leaves nothing behind.
set -euo pipefail

build=$(cd "$1" && pwd)
PATH=$build:$build/tests/lib:$PATH
# On tmpfs if there is room: a store is made durable by msync, and a disk's is slow.
memory=/dev/shm
[ -w $memory ] && [ "$(stat -f -c %T $memory)" = tmpfs ] &&
	[ "$(df --output=avail -k $memory | tail -1)" -gt 1200000 ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d "$memory/udaxfs-demo.XXXXXX")
tree=${UDAX_DEMO_TREE:-/usr/include}	# what is copied in
device=$work/pmem0 mount=$work/mnt mapper_pid=

clean_up() {
	[ -z "$mapper_pid" ] || kill -9 "$mapper_pid" 2>/dev/null || true
	if grep -qs " $mount fuse.udaxfs " /proc/mounts; then
		umount "$mount" 2>/dev/null || umount -l "$mount" || true
	fi
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step=0
act() { step=$((step + 1)); printf '\n\033[1m%d. %s\033[0m\n' "$step" "$*"; }
run() { printf '   $ %s\n' "$*" | sed "s|$work/||g"; "$@" | sed "s/^/   /"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# start_mapper COMMAND...: a program that maps a file and does what it is told.
start_mapper() {
	local line
	coproc MAPPER { exec "$@"; }
	mapper_pid=$MAPPER_PID
	read -r -t 20 line <&"${MAPPER[0]}" && [ "$line" = mapped ] || die "mapper: ${line:-no answer}"
}
end_mapper() {
	eval "exec ${MAPPER[1]}>&-"
	wait "$mapper_pid" 2>/dev/null || true
	mapper_pid=
}
# ask LINE: one command to the program that has the file mapped.
ask() { local answer; printf '%s\n' "$1" >&"${MAPPER[1]}"; read -r -t 20 answer <&"${MAPPER[0]}" || answer="no answer in 20 s"; echo "$answer"; }
show() { local answer; answer=$(ask "$2"); printf '   %-44s %s\n' "$1" "$answer"; [ "$answer" = "$3" ] || die "expected $3"; }

command -v mapper >/dev/null || die "tests/lib/mapper is not built: make tests/lib/mapper"
if [ "$(id -u)" != 0 ] && ! command -v fusermount3 >/dev/null; then
	die "mounting needs root or fusermount3"
fi

act "An emulated 1 GiB pmem device, and a filesystem on it"
run mkfs.udaxfs -s 1G "$device"
mkdir "$mount"
run udaxfs "$device" "$mount"
findmnt -no SOURCE,FSTYPE,TARGET "$mount" | sed "s|$work/||g; s/^/   /"

act "A real tree goes in, and is equal"
run cp -a "$tree" "$mount/tree"
run diff -r --no-dereference "$tree" "$mount/tree"
printf '   %s files, equal\n' "$(find "$mount/tree" -type f | wc -l)"

act "A program maps a file and stores to it"
head -c 16384 /dev/zero >"$mount/data"
start_mapper mapper "$mount/data"
show "store 42 to byte 4096" "store 4096 42" ok
show "load it" "load 4096" 42
show "read(2) sees it, too" "pread 4096" 42
run udaxctl list-entries "$mount" "$mount/data"
run udaxctl list-holders "$mount"
run udaxctl list-devices -u "$mount"
run udaxctl verify "$mount"

act "The device is taken away under the mapping"
run udaxctl remove-device "$mount" "$device"
show "load from the mapping" "load 4096" "SIGBUS BUS_ADRERR right"
show "store to the mapping" "store 4096 43" "SIGBUS BUS_ADRERR right"
show "read(2)" "pread 4096" EIO
show "write(2) of mapped memory to a pipe" "pipe 4096" EFAULT
end_mapper
run umount "$mount"
run fsck.udaxfs -n "$device"

act "It comes back with every byte stored before"
run udaxfs "$device" "$mount"
[ "$(od -An -tu1 -j4096 -N1 "$mount/data" | tr -d ' ')" = 42 ] || die "the store was lost"
printf '   byte 4096 of data is 42\n'
run diff -r --no-dereference "$tree" "$mount/tree"
printf '   the tree is equal\n'

act "The same program under udax-run: now it maps the device itself"
start_mapper udax-run mapper "$mount/data"
show "load what is there" "load 4096" 42
show "store 43: no system call, no copy, no daemon" "store 4096 43" ok
[ "$(od -An -tu1 -j4096 -N1 "$mount/data" | tr -d ' ')" = 43 ] || die "the mount does not see the store"
printf '   another program reads 43 through the mount\n'
run udaxctl list-holders "$mount"
run udaxctl list-entries "$mount" "$mount/data"
run udaxctl verify "$mount"

act "It is stopped, cannot answer, and its device is taken away all the same"
run kill -STOP "$mapper_pid"
run udaxctl remove-device "$mount" "$device" --recall-ms=500
state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$mapper_pid/status")
printf '   the program is alive: %s\n' "$state"
[[ $state == T* ]] || die "expected a stopped program"
run kill -CONT "$mapper_pid"
show "it continues, and loads" "load 4096" "SIGBUS BUS_ADRERR right"
show "write(2) of mapped memory to a pipe" "pipe 4096" EFAULT
end_mapper
run umount "$mount"
run fsck.udaxfs -n "$device"
run udaxfs "$device" "$mount"
[ "$(od -An -tu1 -j4096 -N1 "$mount/data" | tr -d ' ')" = 43 ] || die "the store was lost"
printf '   byte 4096 of data is 43\n'
run umount "$mount"
printf '\nThat was the whole life of a device. README.md has the tour.\n'
