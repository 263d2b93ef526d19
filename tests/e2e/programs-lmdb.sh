#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# LMDB: a database that lives in a mapping, written by pwrite or by stores
# (WRITEMAP); its writer killed, the daemon killed; mapped directly, too.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires mdb_stat mdb_dump mdb_copy
python=/usr/bin/python3	# Debian's, which has Debian's modules
$python -c 'import lmdb' 2>/dev/null || skip_all "needs python3-lmdb"
rounds=$(short_long 1 10)

cat >"$work/db.py" <<'PY'
import hashlib, lmdb, struct, sys, os

path, verb, how = sys.argv[1:4]
env = lmdb.open(path, map_size=128 << 20, max_dbs=4, writemap="map" in how,
                map_async="async" in how, subdir=False)
main, index = env.open_db(b"main"), env.open_db(b"index")

def key(n):
    return struct.pack(">Q", n)

def value(n):           # some of them need pages of their own
    return hashlib.sha256(b"%d" % n).digest() * (1 + n * 7 % (600 if n % 10 == 0 else 20))

def last():
    with env.begin() as txn:
        c = txn.cursor(main)
        return struct.unpack(">Q", c.key())[0] if c.last() else 0

def write(said, count="0"):
    """Each commit has its number in both tables, and takes an old one away."""
    n, left = last(), int(count) or 1 << 60
    with open(said, "a", buffering=1) as f:
        while left:
            n, left = n + 1, left - 1
            with env.begin(write=True) as txn:
                txn.put(key(n), value(n), db=main)
                txn.put(value(n)[:32], key(n), db=index)
                if n > 400:
                    txn.delete(key(n - 400), db=main)
                    txn.delete(value(n - 400)[:32], db=index)
            if "async" in how:
                env.sync(True)
            f.write(f"{n}\n")

def check(least="0"):
    n = last()
    assert n >= int(least), f"{n} is the last, {least} was committed"
    with env.begin() as txn:
        numbers = [struct.unpack(">Q", k)[0] for k, v in txn.cursor(main)]
        assert numbers == list(range(max(1, n - 399), n + 1)), numbers
        for i in numbers:
            assert txn.get(key(i), db=main) == value(i), i
            assert txn.get(value(i)[:32], db=index) == key(i), i
        assert txn.stat(index)["entries"] == len(numbers)

globals()[verb](*sys.argv[4:])
os._exit(0)
PY
hows=(plain map map-async)
grep -q '^UDAX_CFLAGS = .*-fsanitize=' "$build/Makefile" || hows+=(map-direct)
plan $((4 + ${#hows[@]} * (2 + rounds * 6) - rounds * 3))

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
# db HOW VERB...: under udax-run if HOW says direct
command_of() {
	command=("$python" "$work/db.py" "$mnt/$1" "$2" "$1" "${@:3}")
	[[ $1 != *direct ]] || command=(udax-run "${command[@]}")
}
db() { command_of "$@" && timeout 60 "${command[@]}"; }
committed() { [ "$(wc -l <"$work/said")" -ge 40 ]; }
# One that goes on for ever, until $daemon or itself is killed.
start_writer() {
	: >"$work/said"
	command_of "$1" write "$work/said"
	"${command[@]}" 2>/dev/null &
	writer=$!
	wait_until 20 committed
}
kill_writer() {
	kill -9 "$writer"
	wait "$writer"
} 2>/dev/null
read_by_tools() {
	mdb_stat -n -e -a "$mnt/$1" && mdb_dump -n -a "$mnt/$1" | tail -1 | grep -q DATA=END &&
		mdb_copy -n -c "$mnt/$1" "$mnt/copied" && mdb_stat -n "$mnt/copied" && rm "$mnt/copied"
}
for how in "${hows[@]}"; do
	ok "$how: 600 commits" db "$how" write "$work/said" 600
	ok "$how: they are there" db "$how" check 600
	for ((i = 0; i < rounds; i++)); do
		ok "$how: one goes on" start_writer "$how"
		kill_writer
		ok "$how: killed, it misses no commit" db "$how" check "$(tail -1 "$work/said")"
		ok "$how: LMDB's own tools read it" read_by_tools "$how"
		# Its last commit may be written in any order: LMDB promises nothing.
		[ "$how" != map-async ] || continue
		ok "$how: one goes on" start_writer "$how"
		udax_kill
		kill_writer
		ok "$how: its daemon killed, mounts again" udax_mount pmem0
		ok "$how: it misses no commit" db "$how" check "$(tail -1 "$work/said")"
	done
done
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
