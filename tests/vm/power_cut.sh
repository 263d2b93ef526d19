#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# power_cut.sh BUILD [ROUNDS [KERNEL]]: the power of a virtual machine fails
# under load, again and again. Its NVDIMMs are files here. One is a devdax
# device, the other an ext4 with a device file on it (fsdax); on each two workers
# do what tests/lib/crash_load.py does, and tell over the serial line of each
# operation that has returned. QEMU gets SIGKILL at a random moment. The next
# boot checks with fsck, mounts, compares, and goes on.
#
# It proves what a crash of kernel and daemon between any two instructions
# leaves. It loses no cache line: what the guest's processor has stored, QEMU
# has stored in the file's pages. Lost lines are the crash campaign's.
#
# Needs what tests/vm/vmrun needs. Not part of `make check`.
set -euo pipefail
build=$(cd "$1" && pwd) rounds=${2:-10} kernel=${3:-6.1}
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/udaxfs-power.XXXXXX") vm=
trap '[ -z "$vm" ] || kill "$vm" 2>/dev/null; rm -rf "$work"' EXIT

cat >"$work/guest" <<'X'
# guest ROUND ROUNDS
round=$1 rounds=$2
export PATH=/pack:$PATH
kind=
complain() { echo "not ok: $kind, round $round: $*"; exit 1; }
load() { python3 /pack/crash_load.py "$1" /mnt/$kind "$kind$2" 2 $3; }
device() { [ $kind = dax ] && echo /dev/dax0.0 || echo /mnt/ext4/device; }
prepare() {
	kind=$1
	mkdir -p /mnt/$kind
	if [ "$round" = 0 ]; then
		[ $kind = dax ] && mkfs.udaxfs -q -f /dev/dax0.0 || mkfs.udaxfs -q -s 80M "$(device)" || complain mkfs
	else
		fsck.udaxfs -n "$(device)" >/tmp/said 2>&1
		[ $(($? & ~4)) = 0 ] || complain "fsck before: $(cat /tmp/said)"
		udaxfs "$(device)" /mnt/$kind || complain mount
		for old in $((round - 1)) $((round - 2)); do
			[ $old -lt 0 ] || load check $old /pack/said || complain "something is lost"
		done
		umount /mnt/$kind || complain umount
		while grep -qsx udaxfs /proc/[0-9]*/comm; do sleep 0.1; done
		fsck.udaxfs -n "$(device)" >/tmp/said 2>&1 || complain "fsck: $(cat /tmp/said)"
	fi
}
mkdir -p /mnt/ext4
if [ "$round" = 0 ]; then mkfs.ext4 -q -F -b 4096 /dev/pmem1 || complain mkfs.ext4; fi
mount -t ext4 -o dax /dev/pmem1 /mnt/ext4 || complain "ext4 mount"
prepare dax
prepare file
[ "$round" != 0 ] || sync
echo "checked $round"
[ "$round" != "$rounds" ] || exit 0
for kind in dax file; do
	udaxfs "$(device)" /mnt/$kind || complain mount
	[ "$round" -lt 2 ] || rm -rf /mnt/$kind/$kind$((round - 2))-* &
	load load "$round" &
done
echo "loading $round"
wait
complain "the load has ended"
X
cp "$build"/{udaxfs,mkfs.udaxfs,fsck.udaxfs} "$source_dir/tests/lib/crash_load.py" "$work/"
: >"$work/said"

boot() {
	"$source_dir/tests/vm/vmrun" -k "$kernel" -P "$work/qemu" -i "$work" -z 128,160 -n devdax,fsdax -t 180 \
		-p "python3-minimal libfuse3-3 fuse3 liburing2 liburcu8 libjson-c5 libblkid1 libuuid1 libisal2 libxxhash0" \
		-a "$work/udaxfs" -a "$work/mkfs.udaxfs" -a "$work/fsck.udaxfs" -a "$work/crash_load.py" \
		-a "$work/guest" -a "$work/said" -o "$work/console" -- "sh /pack/guest $1 $rounds" >"$work/out" 2>"$work/err"
}
fail() {
	echo "power_cut: round $1: $2"
	tail -q -n 5 "$work/console" "$work/err"
	grep -avE '^(dax|file)[0-9]+ [01] [0-9]+' "$work/out" | head -30
	exit 1
}

# What the checks of a boot said.
found_again() { grep -aE '^(dax|file)[0-9]+: ' "$work/out" | sed 's/^/  found again: /' || [ "$round" = 0 ]; }
acknowledged() { grep -aE '^(dax|file)[0-9]+ [01] [0-9]+.?$' "$work/out" | tr -d '\r' || :; }

operations=0
for ((round = 0; round < rounds; round++)); do
	: >"$work/out"
	boot $round & vm=$!
	while acknowledged >"$work/said.new"; n=$(wc -l <"$work/said.new"); [ "$n" -lt 100 ]; do
		kill -0 $vm 2>/dev/null || fail $round "it does not get as far as the load"
		sleep 0.1
	done
	sleep "$((RANDOM % 8)).$((RANDOM % 10))"
	kill -9 "$(<"$work/qemu")"
	wait $vm || vm=
	! grep -aqE "^not ok|failed:" "$work/out" || fail $round "something is wrong"
	acknowledged >"$work/said.new"
	n=$(wc -l <"$work/said.new")
	tail -n 20000 "$work/said" >"$work/said.old"
	cat "$work/said.old" "$work/said.new" >"$work/said"
	found_again
	operations=$((operations + n))
	echo "power_cut: round $round: $n operations acknowledged, power cut"
done
boot "$rounds" || fail "$rounds" "the last boot finds something wrong"
found_again
echo "power_cut: $rounds power cuts, $operations operations acknowledged, none lost; fsck clean each time"
