#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Real programs under udax-run: fio with verification, cp, dd, tar, grep, sort,
# sqlite3 with its memory mapped; each against what it does without.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
requires fio sqlite3 tar
plan 20
export UDAX_SIZE=256M
udax_mkfs pmem0
ok "mounts" udax_mount pmem0

job=(--directory="$mnt" --size=16m --bs=4k --rw=randrw --verify=crc32c
	--verify_fatal=1 --verify_state_save=0 --randseed=7 --output="$work/fio")
in_work() { (cd "$work" && timeout 100 "$@"); }
for engine in psync sync pvsync2 mmap; do
	ok "fio $engine: verified" in_work udax-run -v fio --name="$engine" --ioengine=$engine "${job[@]}"
	[ $engine != psync ] ||
		like "read and written directly" "$(<"$work/.said")" 'read [1-9][0-9]* bytes directly.*wrote [1-9][0-9]* bytes directly'
done
like "mapped, by the last of them" "$(<"$work/.said")" 'mapped [1-9][0-9]* directly'
ok "fio with blocks of odd sizes, two jobs" in_work udax-run fio --name=odd --ioengine=psync "${job[@]}" \
	--bsrange=512-40k --bs_unaligned=1 --numjobs=2

mkdir "$work/tree"
for i in 0 1 100 4095 4096 4097 70000 1000000 5000000; do
	head -c "$i" /dev/urandom >"$work/tree/$i"
done
for i in {1..40}; do echo "a line of $i" >>"$work/tree/text"; done
dd if=/dev/urandom of="$work/tree/sparse" bs=4096 seek=100 count=3 status=none
truncate -s 2M "$work/tree/sparse"

ok "cp -r to the mount" udax-run cp -r "$work/tree" "$mnt/tree"
ok "diff -r" udax-run diff -r "$work/tree" "$mnt/tree"
ok "cp within it, holes kept" udax-run cp -r --sparse=always --reflink=never "$mnt/tree" "$mnt/copy"
ok "the same" diff -r "$work/tree" "$mnt/copy"
tarred() { udax-run tar -C "$mnt" -cSf "$mnt/tree.tar" tree && mkdir "$mnt/out" && udax-run tar -C "$mnt/out" -xf "$mnt/tree.tar" && diff -r "$work/tree" "$mnt/out/tree"; }
ok "tar, and back" tarred
patched() {
	local i
	cp "$work/tree/1000000" "$work/dd"
	for i in 3 77 240; do
		dd if="$work/tree/5000000" of="$work/dd" bs=4000 seek=$i count=2 conv=notrunc status=none
		udax-run dd if="$mnt/tree/5000000" of="$mnt/tree/1000000" bs=4000 seek=$i count=2 conv=notrunc status=none
	done
	cmp "$work/dd" "$mnt/tree/1000000"
}
ok "dd into the middle" patched
ok "grep" eval '[ "$(udax-run grep -c "line of [12]" "$mnt/tree/text")" = 22 ]'
ok "sort in place" eval 'sort -R -o "$mnt/tree/text" "$mnt/tree/text" && udax-run sort -o "$mnt/tree/text" "$mnt/tree/text" && sort -c "$mnt/tree/text"'

fill='pragma journal_mode=wal; pragma mmap_size=100000000;
create table t(n integer primary key, data blob);
with recursive c(n) as (select 1 union all select n + 1 from c where n < 5000) insert into t select n, zeroblob(n % 700) from c;
delete from t where n % 3 = 0; update t set data = zeroblob(3000) where n % 5 = 0;
pragma integrity_check; select count(*), sum(length(data)) from t;'
status "sqlite3, natively" 0 sqlite3 "$work/db" "$fill"
native=$out
status "sqlite3, directly" 0 udax-run sqlite3 "$mnt/db" "$fill"
is "the same answers" "$out" "$native"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
