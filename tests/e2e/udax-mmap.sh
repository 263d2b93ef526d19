#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A file mapped with libudax: the same bytes as through the mount, in both
# directions, and whatever becomes of the mapping.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

byte() { od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '; }
put() { printf "\\x$(printf %02x "$3")" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
leased() { udaxctl list-holders "$mnt" --json | grep -q '"lease"'; }
not_leased() { ! leased; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 8388608 /dev/urandom >"$mnt/file"
ok "the file is mapped" user_start "$mnt/file"
holders=$(udaxctl list-holders "$mnt" --json)
is "the lease has a name" "$(json "$holders" '[(h["pid"], h["command"], h["path"]) for h in j["holders"] if h["kind"] == "lease"][0]')" \
	"($mapper, 'udax_user', '$mnt/file')"

is "a store" "$(ask 'store 5000000 77')" ok
is "is read through the mount" "$(byte "$mnt/file" 5000000)" 77
put "$mnt/file" 5000001 78
is "a write through the mount is loaded" "$(ask 'load 5000001')" 78
before=$(stat -c %Y%y "$mnt/file")
sleep 0.02
ask 'store 1 1' >/dev/null
is "persist" "$(ask persist)" ok
ok "sets the file's time" [ "$(stat -c %Y%y "$mnt/file")" != "$before" ]
is "msync" "$(ask msync)" ok

is "a child has no mapping" "$(ask fork)" "Segmentation fault"
is "and a program after exec no descriptor" "$(ask exec)" 0

is "a part is unmapped" "$(ask 'unmap 1048576 1048576')" ok
is "before it all is well" "$(ask 'store 1048575 9')" ok
is "after it, too" "$(ask 'store 2097152 8')" ok
is "both are in the file" "$(byte "$mnt/file" 1048575) $(byte "$mnt/file" 2097152)" "9 8"
is "the rest is unmapped" "$(ask 'unmap 0 8388608')" ok
ok "no lease is left" wait_until 5 not_leased

is "another mapping" "$(ask 'map 4096 65536')" ok
is "from its offset" "$(ask 'load 0')" "$(byte "$mnt/file" 4096)"
is "grows by mremap" "$(ask 'remap 4194304')" ok
is "over the same file" "$(ask 'load 4000000')" "$(byte "$mnt/file" 4004096)"
is "shrinks" "$(ask 'remap 4096')" ok
is "and is what it was" "$(ask 'load 4095')" "$(byte "$mnt/file" 8191)"

# Truncate: the part goes, the rest stays, and growth brings it back.
is "all of it once more" "$(ask 'map 0 8388608')" ok
ok "the file is truncated under the mapping" timeout 10 truncate -s 1000000 "$mnt/file"
is "what is left can be stored to" "$(ask 'store 999999 5')" ok
is "what is gone raises SIGBUS" "$(ask 'load 2000000')" "SIGBUS BUS_ADRERR right"
ok "the file grows" timeout 10 truncate -s 8388608 "$mnt/file"
sleep 0.3
is "what has come back is zeros" "$(ask 'load 2000000')" 0
is "and can be stored to" "$(ask 'store 2000000 6')" ok
is "for all to see" "$(byte "$mnt/file" 2000000)" 6
is "the store before the end is there" "$(byte "$mnt/file" 999999)" 5
ok "a hole is punched" timeout 10 fallocate -p -o 1998848 -l 4096 "$mnt/file"
is "zeros again" "$(ask 'load 2000000')" 0
is "a store into it" "$(ask 'store 2000000 7')" ok
is "has a block" "$(byte "$mnt/file" 2000000)" 7

# Threads store while parts are taken for changes elsewhere: nothing is lost.
head -c 4194304 /dev/zero >"$mnt/count"
mapper_end
ok "a file of zeros is mapped" user_start "$mnt/count"
is "two threads count in every page" "$(ask 'run 2')" ok
for i in {1..30}; do
	timeout 10 fallocate -p -o $((4096 * (i * 31 % 1000) + 4096)) -l 4096 "$mnt/holes" 2>/dev/null
	timeout 10 truncate -s $((4194304 + i * 4096)) "$mnt/count"
	timeout 10 truncate -s 4194304 "$mnt/count"
done
rounds=$(ask halt)
ok "they went on ($rounds rounds)" [ "$rounds" -gt 0 ]
is "every page has them all" "$(python3 -c '
import struct, sys
data = open(sys.argv[1], "rb").read()
print(set(struct.unpack_from("<Q", data, at)[0] for at in range(0, len(data), 4096)))' "$mnt/count")" "{$rounds}"
mapper_end
ok "the ledger adds up" udaxctl verify "$mnt"
ok "no lease is left" wait_until 5 not_leased
ok "unmounts" udax_umount
ok "the device passes the full check" device_clean pmem0
done_testing
