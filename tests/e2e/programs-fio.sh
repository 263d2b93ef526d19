#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fio in every engine, all at a time: what each wrote is read and verified by
# itself, by another engine's reads, and after a remount; with direct mappings, too.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires fio
megabytes=$(short_long 3 40)
direct=(psync mmap libpmem)
grep -q '^UDAX_CFLAGS = .*-fsanitize=' "$build/Makefile" && direct=()
plan $((8 + 2 * ${#direct[@]}))

# Direct I/O in whole pages, the others in blocks that share pages.
engines=$work/engines
cat >"$engines" <<'X'
sync
psync
pvsync2 direct=1
mmap
libaio direct=1 iodepth=16
io_uring iodepth=16
io_uring direct=1 iodepth=16 fixedbufs=1 registerfiles=1
posixaio iodepth=8
splice
X
# job_file ENGINES [NAME=VALUE...]: a job file; files are named after the line.
job_file() {
	local engine options n=0
	printf '[global]\n'
	printf '%s\n' rw=randwrite verify=crc32c randrepeat=1 verify_fatal=1 verify_state_save=0 \
		fallocate=none "directory=$mnt" "size=${megabytes}M" numjobs=2 "${@:2}"
	while read -r engine options; do
		n=$((n + 1))
		printf '[%s]\nioengine=%s\n' "$(basename "$1")$n" "${by:-$engine}"
		[[ $engine$options =~ direct|libpmem ]] && echo bsrange=4k-64k || echo bsrange=512-64k
		# shellcheck disable=SC2086 # words are meant
		[ -n "${by:-}" ] || printf '%s\n' $options
	done <"$1"
}
run() {
	local runner=()
	[ "$1" != udax-run ] || { runner=(udax-run); shift; }
	job_file "$@" >"$work/jobs"
	(cd "$work" && timeout 300 "${runner[@]}" fio --output="$work/fio" jobs) || { tail -30 "$work/fio"; return 1; }
}

UDAX_SIZE=$((megabytes * 2 * 14 + 128))M
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "each writes, and reads what it wrote" run "$engines" do_verify=1
ok "each overwrites" run "$engines" verify=sha1 overwrite=1 do_verify=0
by=psync
ok "psync reads what they wrote" run "$engines" verify=sha1 verify_only
not_ok "which is not what was there before" run "$engines" verify=crc32c verify_only
by=
for engine in "${direct[@]}"; do
	echo "$engine" >"$work/$engine"
	ok "udax-run: $engine writes, and reads what it wrote" run udax-run "$work/$engine" do_verify=1
	by=psync
	ok "and so does psync without it" run "$work/$engine" verify_only
	by=
done
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "each still reads it" run "$engines" verify=sha1 verify_only
udax_umount
