#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# RocksDB: its benchmark with buffered, direct and mapped files, every value
# verified by checksum; killed, and its daemon killed, it recovers.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires db_bench ldb sst_dump
rounds=$(short_long 1 10) keys=$(short_long 4000 20000)
plan $((14 + rounds * 8))

bench() {
	timeout 200 db_bench --stats_interval=10000000 --db="$mnt/$1" --num="$keys" --value_size=200 --verify_checksum=1 \
		--write_buffer_size=400000 --target_file_size_base=300000 --max_bytes_for_level_base=1000000 \
		--threads=2 "${@:3}" --benchmarks="$2"
}
sound() {
	ldb --db="$mnt/$1" checkconsistency | grep -x OK &&
		! sst_dump --file="$mnt/$1" --command=verify 2>&1 | grep -iE 'corrupt|error'
}
UDAX_SIZE=$(short_long 128M 512M)
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
for how in plain mapped direct; do
	options=()
	[ $how != mapped ] || options=(--mmap_read=1 --mmap_write=1)
	[ $how != direct ] || options=(--use_direct_reads=1 --use_direct_io_for_flush_and_compaction=1)
	ok "$how: fills" bench $how fillrandom,overwrite,compact "${options[@]}"
	ok "$how: reads" bench $how readrandom,readseq,readwhilewriting,verifychecksum --use_existing_db=1 "${options[@]}"
	ok "$how: is consistent" sound $how
done
# One that puts keys for ever; what it says, line by line, is in $work/said-*.
start_writer() {
	said=$work/said-$1
	: >"$said"
	stdbuf -oL ldb --db="$mnt/numbers" query >"$said" 2>/dev/null \
		< <(exec awk 'BEGIN { for (n = 1; ; n++) printf "put round%s-%d %d\n", ARGV[1], n, n }' "$1" 2>/dev/null) &
	writer=$!
	wait_until 20 eval '[ "$(wc -l <"$said")" -ge 1000 ]'
}
kill_writer() {
	kill -9 $writer
	wait $writer
} 2>/dev/null
is_there() {
	local told
	told=$(grep -c '^Successfully put' "$work/said-$1")
	ldb --db="$mnt/numbers" scan --from="round$1-" --to="round$1." >"$work/scan" &&
		awk -v told="$told" '{ seen[$NF] = 1 } END { for (n = 1; n <= told; n++)
			if (!seen[n]) { print n, "of", told, "is not there"; exit 1 } }' "$work/scan"
}
ok "ldb makes another" ldb --db="$mnt/numbers" --create_if_missing put a b
for ((i = 0; i < rounds; i++)); do
	ok "ldb puts keys" start_writer $i-a
	kill_writer
	ok "killed, what it said is there" is_there $i-a
	ok "ldb puts keys" start_writer $i-b
	ok "the daemon is killed" udax_kill
	kill_writer
	ok "mounts again" udax_mount pmem0
	ok "what it said is there" is_there $i-b
	ok "and what was said before" is_there $i-a
	ok "is consistent" sound numbers
done
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
