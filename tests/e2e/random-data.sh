#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random calls, loads and stores on two files (tests/random/data.c), by the
# kernel and by libudax, compared with a model at every step: in each dax mode,
# over clean unmounts and kills of the daemon; then three programs at once.
# UDAX_SEED, to repeat a run; UDAX_SEEDS: a tenth as many of them (long form).
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
seeds=$((${UDAX_SEEDS:-10} / 10))
first=${UDAX_SEED:-$(short_long 1 "$RANDOM")}
plan $((1 + seeds * 3))
diag "UDAX_SEED=$first, $seeds of them"

# data ARGUMENT... STEPS: on with the run of this seed.
data() {
	local steps=${*: -1}
	timeout 300 "$build/tests/random/data" "${@:1:$#-1}" "$work/model" \
		"$seed" "$steps" "$mnt/a" "$mnt/b"
}
clean_remount() { udax_umount && device_clean pmem0 && udax_mount -o dax="$dax" pmem0; }
after_kill() {
	wait_until 10 gone "$daemon" && umount -l "$mnt" && daemon= &&
		udax_mount -o dax="$dax" pmem0
}
alone() {
	data "${leases[@]}" 900 && clean_remount &&
		data "${leases[@]}" -k "$daemon" 900 && after_kill &&
		data -l -k "$daemon" 300 && after_kill &&
		data "${leases[@]}" 300
}
# Sizes stay; each has its own stripes of both files.
together() {
	local pids=() i rc=0
	data -p 0/3 0 || return
	data -l -p 0/3 400 & pids+=($!)
	data -p 1/3 400 & pids+=($!)
	data -l -p 2/3 400 & pids+=($!)
	for i in "${pids[@]}"; do wait "$i" || rc=1; done
	return $rc
}
both() {
	udax_mkfs pmem0 && udax_mount -o dax="$dax" pmem0 || return
	rm -f "$work/model"
	alone || return
	rm -f "$work/model" "$mnt/a" "$mnt/b"
	together && data 0 && clean_remount && data 0 &&
		udaxctl verify "$mnt" && udax_umount && device_clean pmem0
}

run() {
	both && return
	udax_umount || udax_kill
	return 1
}

# The program itself: the kernel's own filesystem passes.
ext4() {
	truncate -s 64M "$work/image"
	mkfs.ext4 -q -F "$work/image"
	mount -o loop "$work/image" "$mnt" || return 0 # no loop devices
	seed=$first
	data -ab 1500
	local rc=$?
	umount "$mnt"
	rm -f "$work/model" "$work/image"
	return $rc
}
ok "ext4" ext4
for ((seed = first; seed < first + seeds; seed++)); do
	leases=(-l)
	[ $((seed % 2)) = 0 ] || leases=()
	for dax in always never inode; do
		ok "seed $seed, dax=$dax" run
	done
done
