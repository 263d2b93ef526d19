#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random calls on names and attributes (tests/random/names.c), by root and by
# users with groups, here and on ext4: the same results, errors, attributes,
# times, and trees; over clean unmounts and kills of the daemon.
# UDAX_SEED, to repeat a run; UDAX_SEEDS: a tenth as many of them (long form).
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip_all "needs root"
requires mkfs.ext4
seeds=$((${UDAX_SEEDS:-10} / 10))
first=${UDAX_SEED:-$(short_long 1 "$RANDOM")}
shadow=$work/shadow
mkdir "$shadow"
defer umount -l "$shadow"

# The kernel's own filesystem, empty.
make_shadow() {
	truncate -s 64M "$work/image"
	mkfs.ext4 -q -F -b 4096 -I 256 "$work/image"
	mount -o loop,nodev,nosuid "$work/image" "$shadow" &&
		rmdir "$shadow/lost+found"
}
make_shadow 2>/dev/null || skip_all "no loop devices"
umount "$shadow"
plan $((2 * seeds))
diag "UDAX_SEED=$first, $seeds of them"

# names [-f] SEED: on with both trees.
names() { timeout 300 "$build/tests/random/names" "$@" 500 "$mnt" "$shadow"; }
thrice() {
	udax_mkfs pmem0 && make_shadow && udax_mount -o nodev,nosuid pmem0 || return
	names "$@" "$seed" && udax_umount && device_clean pmem0 &&
		udax_mount -o nodev,nosuid pmem0 &&
		names "$@" "$seed"1 && udax_kill &&
		udax_mount -o nodev,nosuid pmem0 &&
		names "$@" "$seed"2 && udax_umount && device_clean pmem0 &&
		umount "$shadow"
}
run() {
	thrice "$@" && return
	umount "$shadow"
	udax_umount || udax_kill
	return 1
}
for ((seed = first; seed < first + seeds; seed++)); do
	ok "seed $seed" run
	ok "seed $seed, with flags" run -f
done
