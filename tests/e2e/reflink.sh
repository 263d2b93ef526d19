#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# copy_file_range: blocks that two files share, and what each sees of the
# other's writes: nothing, whichever way they come.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

# copy FROM OFFSET TO OFFSET LENGTH: how much one call copies, or errno's name.
copy() {
	python3 - "$@" <<'PY'
import errno, os, sys
a, at, b, to, n = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
source = os.open(a, os.O_RDONLY)
target = os.open(b, os.O_RDWR | os.O_CREAT)
try:
    print(os.copy_file_range(source, target, n, at, to))
except OSError as e:
    print(errno.errorcode[e.errno])
PY
}
free_blocks() { stat -f -c %f "$mnt"; }
shared() { json "$(udaxctl filemap "$1" --json)" 'sum(e["length"] for e in j["extents"] if e["shared"])'; }
same() { cmp -s "$1" "$2"; }
byte() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
put() { printf "\\x$(printf %02x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
fresh() { cp --reflink=never "$work/data" "$mnt/$1" && copy "$mnt/$1" 0 "$mnt/$2" 0 4000000 >/dev/null; }

head -c 4000000 /dev/urandom >"$work/data"
udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1

# --- sharing -------------------------------------------------------------------
cp --reflink=never "$work/data" "$mnt/a"
is "a copy that may not share does not" "$(shared "$mnt/a")" 0
before=$(free_blocks)
ok "cp shares by itself" cp --reflink=auto "$mnt/a" "$mnt/b"
is "and takes no space but for nodes" $(((before - $(free_blocks)) / 16)) 0
is "both say so" "$(shared "$mnt/a") $(shared "$mnt/b")" "4001792 4001792"
ok "the copy is the same" same "$work/data" "$mnt/b"
is "each counts its blocks" "$(stat -c %b "$mnt/b")" "$(stat -c %b "$mnt/a")"
not_ok "FICLONE is refused by the kernel" cp --reflink=always "$mnt/a" "$mnt/c"
rm -f "$mnt/c"
like "a person reads it, too" "$(udaxctl filemap "$mnt/b")" "true *$"

# --- a write shows in one --------------------------------------------------------
put "$mnt/b" 5000 77
put "$mnt/a" 2000000 78
is "a write to the copy is there" "$(byte "$mnt/b" 5000)" 77
ok "and one to the source" [ "$(byte "$mnt/a" 2000000)" = 78 ]
put "$mnt/a" 2000000 "$(byte "$work/data" 2000000)"
ok "the source has only its own" same "$work/data" "$mnt/a"
put "$mnt/b" 5000 "$(byte "$work/data" 5000)"
ok "the copy has only its own" same "$work/data" "$mnt/b"
is "two blocks are not shared any more" "$(shared "$mnt/b")" $((4001792 - 2 * 4096))
fallocate -p -o 8192 -l 100000 "$mnt/b"
fallocate -z -o 2000000 -l 100000 "$mnt/b"
truncate -s 3000001 "$mnt/b"
truncate -s 4000000 "$mnt/b"
ok "holes, zeros and a shorter file are the copy's" same "$work/data" "$mnt/a"
is "it reads zeros behind its old end" "$(byte "$mnt/b" 3000001)" 0
rm "$mnt/b"
is "alone again, nothing is shared" "$(shared "$mnt/a")" 0
ok "and all is there" same "$work/data" "$mnt/a"
put "$mnt/a" 100 1
rm "$mnt/a"
is "the last owner frees" $(((before + 977 - $(free_blocks)) / 32)) 0

# --- mappings ---------------------------------------------------------------------
fresh a b
ok "the copy is mapped" mapper_start "$mnt/b"
is "a store to it" "$(ask 'store 8192 55')" ok
is "is loaded" "$(ask 'load 8192')" 55
is "is written back" "$(ask msync)" ok
is "is read" "$(byte "$mnt/b" 8192)" 55
ok "and does not show in the source" same "$work/data" "$mnt/a"
put "$mnt/a" 8192 66
is "nor the other way" "$(ask 'load 8192')" 55
mapper_end
fresh a b
ok "the source is mapped" mapper_start "$mnt/a"
is "and stored to" "$(ask 'store 12288 55')" ok
is "a copy has what was stored" "$(copy "$mnt/a" 0 "$mnt/b" 0 4000000)" 4000000
is "though nobody wrote it back" "$(byte "$mnt/b" 12288)" 55
is "a store after the copy" "$(ask 'store 12288 56') $(ask msync)" "ok ok"
is "is the source's alone" "$(byte "$mnt/b" 12288) $(byte "$mnt/a" 12288)" "55 56"
mapper_end
fresh a b
ok "a reader maps the copy" mapper_start "$mnt/b" ro
is "and sees it" "$(ask 'load 40960')" "$(byte "$work/data" 40960)"
ok "its pages are accounted for" udaxctl verify "$mnt"
put "$mnt/b" 40960 "$(($(byte "$work/data" 40960) ^ 255))"
is "a write to it is seen" "$(ask 'load 40960')" "$(($(byte "$work/data" 40960) ^ 255))"
ok "accounted for still" udaxctl verify "$mnt"
mapper_end
ok "the source is what it was" same "$work/data" "$mnt/a"

# --- leases ------------------------------------------------------------------------
fresh a b
ok "the copy is leased" user_start "$mnt/b"
is "a store through the lease" "$(ask 'store 4096 99') $(ask persist)" "ok ok"
is "is in the copy" "$(byte "$mnt/b" 4096)" 99
ok "and not in the source" same "$work/data" "$mnt/a"
is "nothing of what is leased is shared" "$(shared "$mnt/b")" 0
is "a copy of what is leased" "$(copy "$mnt/b" 0 "$mnt/c" 0 4000000)" 4000000
is "has the store" "$(byte "$mnt/c" 4096)" 99
is "the next store" "$(ask 'store 4096 98')" ok
is "not" "$(byte "$mnt/c" 4096) $(byte "$mnt/b" 4096)" "99 98"
is "a copy over it takes the lease back" "$(copy "$mnt/a" 0 "$mnt/b" 0 4000000)" 4000000
is "and its loads are of the new bytes" "$(ask 'load 4096')" "$(byte "$work/data" 4096)"
mapper_end
fresh a b
ok "a reader leases the copy" user_start "$mnt/b" ro
is "and it stays shared" "$(ask 'load 4096') $(shared "$mnt/b")" "$(byte "$work/data" 4096) 4001792"
put "$mnt/b" 4096 3
is "until somebody writes" "$(ask 'load 4096') $(shared "$mnt/b")" "3 3997696"
rm "$mnt/a"
is "the source's end does not touch it" "$(ask 'load 0')" "$(byte "$work/data" 0)"
mapper_end
fresh a b
truncate -s 3999000 "$mnt/b"
ok "a reader leases a copy that was cut" user_start "$mnt/b" ro
is "it sees zeros behind the end" "$(ask 'load 3998999') $(ask 'load 3999500')" "$(byte "$work/data" 3998999) 0"
ok "which the source does not" same "$work/data" "$mnt/a"
is "one block is the copy's own now" "$(shared "$mnt/b")" $((3997696))
mapper_end
grown() {
	fresh a b
	ok "a reader leases the copy, which ends in a block" user_start "$mnt/b" ro
	is "to its last byte" "$(ask 'load 3999999')" "$(byte "$work/data" 3999999)"
	ok "it grows by $1" "$@"
	ok "it has" [ "$(stat -c %s "$mnt/b")" -gt 4000000 ]
	ok "from where it ended" cmp -s -n 4000000 "$work/data" "$mnt/b"
	mapper_end
}
grown truncate -s 5M "$mnt/b"
grown fallocate -o 4M -l 4096 "$mnt/b"
grown dd if=/dev/zero of="$mnt/b" bs=1M seek=4 count=1 conv=notrunc status=none
grown copy "$mnt/a" 0 "$mnt/b" 4194304 8192
ok "the account is right" udaxctl verify "$mnt"

# --- odd ranges ---------------------------------------------------------------------
rm -f "$mnt"/?
fresh a b
is "not aligned: copied" "$(copy "$mnt/a" 1000 "$mnt/b" 5000 100000)" 100000
dd if="$work/data" of="$work/odd" bs=1000 skip=1 count=100 status=none
ok "all of it" cmp -s -n 100000 -i 0:5000 "$work/odd" "$mnt/b"
is "within a file, apart" "$(copy "$mnt/a" 0 "$mnt/a" 1048576 65536)" 65536
ok "as between two" cmp -s -n 65536 -i 0:1048576 "$mnt/a" "$mnt/a"
is "within a file, overlapping" "$(copy "$mnt/a" 0 "$mnt/a" 4096 65536)" EINVAL
is "from the end" "$(copy "$mnt/a" 4000000 "$mnt/b" 0 10)" 0
is "over the end" "$(copy "$mnt/a" 3999000 "$mnt/b" 3999000 100000)" 1000
truncate -s 100M "$mnt/hole"
is "a hole" "$(copy "$mnt/hole" 0 "$mnt/c" 0 104857600)" 104857600
is "is a hole" "$(stat -c %b "$mnt/c")" 0
echo small >"$mnt/small"
is "a small file" "$(copy "$mnt/small" 0 "$mnt/small2" 0 100)" 6
is "is small" "$(cat "$mnt/small2")" small

# --- no space ------------------------------------------------------------------------
fresh a b
dd if=/dev/zero of="$mnt/filler" bs=1M status=none 2>/dev/null
dd if=/dev/zero of="$mnt/filler2" bs=4K status=none 2>/dev/null
status "a write to a shared file says ENOSPC" 1 dd if=/dev/urandom of="$mnt/b" bs=1M count=3 conv=notrunc
like "in words" "$err" "No space left"
ok "and the other is what it was" same "$work/data" "$mnt/a"
ok "a mapping of it" mapper_start "$mnt/b"
is "raises SIGBUS, not silence" "$(ask 'store 3900000 1')" "SIGBUS BUS_ADRERR right"
mapper_end
rm -f "$mnt"/filler*
status "with space it goes" 0 dd if=/dev/urandom of="$mnt/b" bs=1M count=3 conv=notrunc
ok "and the other is what it was, still" same "$work/data" "$mnt/a"

# --- crashes -------------------------------------------------------------------------
cat >"$work/load.py" <<'PY'
import os, random, sys
top, seed = sys.argv[1], int(sys.argv[2])
random.seed(seed)
names = [f"{top}/r{i}" for i in range(6)]
try:
    while True:
        a, b = random.sample(names, 2)
        f = os.open(a, os.O_RDWR | os.O_CREAT)
        g = os.open(b, os.O_RDWR | os.O_CREAT)
        at, to = (4096 * random.randrange(200) for _ in "ab")
        for what in range(8):
            what = random.randrange(5)
            if what == 0:
                os.pwrite(f, bytes([random.randrange(256)]) * 4096 * random.randrange(1, 30), at)
            elif what == 1 and random.random() < 0.2:
                os.truncate(f, at + random.randrange(5000))
            elif what == 2 and random.random() < 0.1:
                os.unlink(b)
            else:
                os.copy_file_range(f, g, 4096 * random.randrange(1, 100), at, to)
        os.close(f)
        os.close(g)
except OSError:
    pass
PY
rm -rf "${mnt:?}"/*
for round in 1 2 3; do
	pids=()
	for worker in 1 2; do
		python3 "$work/load.py" "$mnt" $((round * 10 + worker)) &
		pids+=($!)
	done
	sleep "0.$((3 + RANDOM % 6))"
	kill -9 "$daemon"
	wait_until 10 gone "$daemon"
	wait "${pids[@]}"
	umount -l "$mnt"
	daemon=
	fsck.udaxfs -n "$work/pmem0" "$work/pmem1" >"$work/fsck" 2>&1
	rc=$?
	is "killed: fsck finds nothing worse than a log to replay" $((rc & ~4)) 0 || diag "$(cat "$work/fsck")"
	ok "killed: mounts" udax_mount pmem0 pmem1
	ok "killed: the account is right" udaxctl verify "$mnt"
done

ok "unmounts" udax_umount
ok "the devices are clean" device_clean pmem0 pmem1
done_testing
