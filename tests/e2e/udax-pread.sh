#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udax_pread and udax_pwrite: no system call once mapped, the same bytes as
# through the mount, short at EOF, growing by the system call.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

byte() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
put() { printf "\\x$(printf %02x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 8388608 /dev/urandom >"$mnt/file"
ok "the file is open" user_start "$mnt/file" length=8388608
is "a byte is read" "$(ask 'pread 4000000')" "$(byte "$mnt/file" 4000000)"
is "a byte is written" "$(ask 'pwrite 4000000 200')" ok
is "and is in the file" "$(byte "$mnt/file" 4000000)" 200
put "$mnt/file" 4000001 201
is "one written through the mount is read" "$(ask 'pread 4000001')" 201
is "at EOF there is nothing" "$(ask 'pread 8388608')" eof
is "a write past it" "$(ask 'pwrite 8388608 9')" ok
is "makes the file longer" "$(stat -c %s "$mnt/file")" 8388609
is "and is read back" "$(ask 'pread 8388608')" 9
ok "the file is truncated" timeout 10 truncate -s 5000 "$mnt/file"
is "then there is nothing" "$(ask 'pread 5000')" eof
is "and before it all is well" "$(ask 'pread 4999')" "$(byte "$mnt/file" 4999)"
ok "it grows again" timeout 10 truncate -s 8388608 "$mnt/file"
is "zeros" "$(ask 'pread 4000000')" 0
is "a write into the hole" "$(ask 'pwrite 4000000 3')" ok
is "is in the file" "$(byte "$mnt/file" 4000000)" 3
ok "which stays sparse" [ "$(stat -c %b "$mnt/file")" -lt 4096 ]
mtime=$(stat -c %y "$mnt/file")
head -c 8388608 /dev/urandom >"$mnt/full"
mapper_end

ok "another file" user_start "$mnt/full" length=8388608
mtime=$(stat -c %y "$mnt/full")
sleep 0.02
is "all of it is read and written" "$(ask 'loop 4096')" ok
ok "which sets its time" [ "$(stat -c %y "$mnt/full")" != "$mtime" ]
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	strace -qq -p "$mapper" -o "$work/calls" 2>"$work/strace" &
	tracer=$!
	wait_until 5 grep -q "TracerPid:.*$tracer" "/proc/$mapper/status"
	is "20000 more of each" "$(ask 'loop 20000')" ok
	kill $tracer
	wait $tracer 2>/dev/null
	calls=$(wc -l <"$work/calls")
	ok "are no system calls ($calls in all)" [ "$calls" -lt 10 ]
else
	ok "are no system calls # SKIP needs strace" true
fi

ok "the device is removed" udaxctl remove-device "$mnt" "$work/pmem0"
is "then a read is EIO, and nobody dies" "$(ask 'pread 0')" EIO
is "a write, too" "$(ask 'pwrite 0 1')" EIO
mapper_end
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
done_testing
