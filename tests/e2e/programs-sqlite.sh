#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# sqlite3: WAL, its shared memory file, mmap_size; two writers; kill -9 of a
# writer and of the daemon, with direct mappings, too.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
python3 -c 'import sqlite3' 2>/dev/null || skip_all "needs python3 with sqlite3"
rounds=$(short_long 1 10)
runners=(env)
grep -q '^UDAX_CFLAGS = .*-fsanitize=' "$build/Makefile" || runners+=(udax-run)
plan $((11 + rounds * 6 * ${#runners[@]}))

cat >"$work/db.py" <<'PY'
import os, random, sqlite3, sys

path, verb = sys.argv[1], sys.argv[2]

def connect(mmap):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    if mmap:
        assert db.execute("pragma mmap_size=67108864").fetchone() == (67108864,)
    return db

def check(db):
    assert db.execute("pragma integrity_check").fetchall() == [("ok",)]

def make(journal, mmap):
    db = connect(mmap)
    assert db.execute(f"pragma journal_mode={journal}").fetchone() == (journal,)
    db.execute("create table t(id integer primary key, who text, n int, data blob)")
    db.execute("create index i on t(who, n)")
    db.execute("begin")
    for n in range(3000):
        db.execute("insert into t(who, n, data) values('first', ?, ?)", (n, bytes(n % 900)))
    db.execute("commit")
    db.execute("delete from t where n % 3 = 0")
    db.execute("update t set data = zeroblob(3000) where n % 5 = 0")
    check(db)
    db.execute("vacuum")
    db.execute("pragma wal_checkpoint(truncate)")
    check(db)

# Two of these at a time: each adds 1 to a common sum, 60 times.
def add(who):
    db = connect(who == "b")
    for n in range(60):
        db.execute("begin immediate")
        last = db.execute("select max(n) from t where who = 'sum'").fetchone()[0] or 0
        db.execute("insert into t(who, n, data) values('sum', ?, zeroblob(500))", (last + 1,))
        db.execute("commit")

def add_forever(said):
    db = connect(True)
    n = db.execute("select max(n) from t where who = 'forever'").fetchone()[0] or 0
    with open(said, "w", buffering=1) as f:
        while True:
            n += 1
            db.execute("insert into t(who, n, data) values('forever', ?, zeroblob(?))", (n, n * 13 % 5000))
            f.write(f"{n}\n")

def is_(query, expected):
    db = connect(True)
    check(db)
    got = db.execute(query).fetchone()[0]
    assert got == int(expected), f"{query}: {got}, expected {expected}"

def at_least(query, expected):
    db = connect(True)
    check(db)
    got = db.execute(query).fetchone()[0]
    assert got >= int(expected), f"{query}: {got}, expected {expected} or more"

globals()[verb](*sys.argv[3:])
PY
db() { timeout 60 python3 "$work/db.py" "$mnt/db-$1" "${@:2}"; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "WAL" db wal make wal ""
ok "WAL, mapped" db mapped make wal yes
ok "a rollback journal, mapped" db delete make delete yes
ok "another, truncated" db truncate make truncate ""
two_writers() {
	local a
	db mapped add a & a=$!
	db mapped add b && wait $a
}
ok "two writers at a time" two_writers
ok "missed no commit" db mapped is_ "select max(n) from t where who = 'sum'" 120
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
equal() { for i in wal mapped delete truncate; do db $i is_ "select count(*) from t where who = 'first'" 2000 || return; done; }
ok "the rows are there" equal

# One that goes on for ever, until it or its daemon is killed.
# Its default in WAL mode is synchronous=FULL: a commit is an fsync.
has_committed() { [ "$(wc -l <"$work/said")" -ge 20 ]; }
start_writer() {
	: >"$work/said"
	"$@" python3 "$work/db.py" "$mnt/db-mapped" add_forever "$work/said" 2>/dev/null &
	writer=$!
	wait_until 20 has_committed
}
kill_writer() {
	kill -9 "$writer"
	wait "$writer"
} 2>/dev/null
misses_no_commit() { db mapped at_least "select max(n) from t where who = 'forever'" "$(tail -1 "$work/said")"; }
for ((i = 0; i < rounds; i++)); do
	for runner in "${runners[@]}"; do
		ok "$runner: one more goes on for ever" start_writer $runner
		kill_writer
		ok "$runner: killed, it misses no commit" misses_no_commit
		ok "$runner: another" start_writer $runner
		ok "$runner: its daemon is killed" udax_kill
		kill_writer
		ok "$runner: mounts again" udax_mount pmem0
		ok "$runner: what it committed is there" misses_no_commit
	done
done
ok "umount and check" eval 'udax_umount && device_clean pmem0'
