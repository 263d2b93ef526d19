#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Random calls of one program under udax-run, compared call by call with the
# same on a file that is not of ours; offsets shared by threads and processes.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
seed=${UDAX_SEED:-$RANDOM}
plan 15
diag "UDAX_SEED=$seed"
udax_mkfs pmem0 pmem1
torture() { timeout 60 "$@" "$mnt/file" "$work/model" "$seed" 3000; }

for mode in always never; do
	ok "$mode: mounts" udax_mount -o dax=$mode pmem0 pmem1
	ok "$mode: 3000 calls, by the mount" torture run_torture
	ok "$mode: 3000 calls, directly" torture udax-run -v run_torture
	like "$mode: many were direct" "$(<"$work/.said")" 'mapped [1-9][0-9]* directly.*read [1-9][0-9]* bytes directly'
	ok "$mode: the same with lazy leases" torture udax-run --lazy run_torture
	seed=$((seed + 1))
	[ $mode = never ] || ok "umount" udax_umount
done
ok "8 writers and readers of one offset, each record once" timeout 60 udax-run run_torture share "$mnt/shared" 8 500
two() {
	timeout 60 udax-run run_torture "$mnt/a" "$work/a" "$seed" 2000 & local pid=$!
	timeout 60 udax-run run_torture "$mnt/b" "$work/b" $((seed + 1)) 2000 && wait $pid
}
ok "two programs" two
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount and check" eval 'udax_umount && device_clean pmem0 pmem1'
