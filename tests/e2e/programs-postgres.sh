#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# PostgreSQL under pgbench: the postmaster is killed, the filesystem's daemon is
# killed; it recovers and no commit that a client was told of is lost.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires runuser
[ "$(id -u)" = 0 ] || skip_all "needs root: initdb runs as another user"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "${bin:-none}/pgbench" ] || skip_all "needs PostgreSQL"
rounds=$(short_long 1 10) seconds=$(short_long 1 5)
plan $((11 + rounds * 14))

# Neither root nor whoever owns the package's own databases.
pg() { (cd / && exec runuser -u nobody -- env -i LC_ALL=C.UTF-8 PATH="$bin:$PATH" PGHOST="$mnt" \
	PGDATABASE=postgres PGUSER=nobody timeout 120 "$@"); }
sql() { pg psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
start() { pg pg_ctl -s -w -t 60 -D "$mnt/data" -l "$mnt/log" start && postmaster=$(head -1 "$mnt/data/postmaster.pid"); }
# The postmaster and all of its processes, which it has made a session of.
kill_postgres() {
	kill -9 "$postmaster"
	wait_until 20 no_postgres
}
no_postgres() { ! pgrep -s "$postmaster"; }

# Clients in the background; what they were told of is in $work/bench.*
load() {
	rm -f "$work/bench/"*
	(cd "$work/bench" && pg bash -c "cd '$work/bench' && pgbench -n -c 4 -j 2 -T 60 --log") >"$work/bench.out" 2>&1 &
	bench=$!
	sleep "$seconds"
	alive $bench || { cat "$work/bench.out"; return 1; }
}
told=0
# pgbench writes a line for each transaction whose commit was answered.
add_told() {
	wait "$bench" 2>/dev/null
	local n
	n=$(cat "$work"/bench/pgbench_log.* | wc -l)
	diag "$n commits"
	told=$((told + n))
	[ "$n" -ge 20 ] || { cat "$work/bench.out"; return 1; }
}
no_commit_is_lost() {
	local there
	there=$(sql "select count(*) from pgbench_history") || return
	[ "$there" -ge "$told" ] || { echo "$there of $told"; return 1; }
	told=$there
}
# A transaction adds the same number in each of four tables.
sums() {
	sql "select (select sum(delta) from pgbench_history), (select sum(abalance) from pgbench_accounts),
		(select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers)" |
		awk -F'|' '{ print; exit !($1 == $2 && $2 == $3 && $3 == $4) }'
}

chmod 711 "$work"
mkdir "$work/bench"
chown nobody "$work/bench"
UDAX_SIZE=512M
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
chown nobody "$mnt"
ok "initdb" pg initdb -D "$mnt/data" -A trust -k --wal-segsize=4 --no-instructions
cat >>"$mnt/data/postgresql.conf" <<X
listen_addresses = ''
unix_socket_directories = '$mnt'
checkpoint_timeout = 30s
max_wal_size = 32MB
min_wal_size = 8MB
shared_buffers = 16MB
jit = off
X
ok "starts, its socket on the mount" start
ok "pgbench fills it" pg pgbench -q -i -s 1
ok "amcheck" sql "create extension amcheck"
for ((i = 0; i < rounds; i++)); do
	ok "clients" load
	ok "the postmaster is killed" kill_postgres
	ok "they were told of commits" add_told
	ok "recovers" start
	ok "no commit is lost" no_commit_is_lost
	ok "the sums are the same" sums

	ok "clients" load
	ok "the filesystem's daemon is killed" udax_kill
	ok "they were told of commits" add_told
	kill_postgres
	ok "mounts again" udax_mount pmem0
	ok "recovers" start
	ok "no commit is lost" no_commit_is_lost
	ok "the sums are the same" sums
	ok "pg_amcheck" pg pg_amcheck --heapallindexed
done
diag "$told commits"
ok "pg_dump" eval 'pg pg_dump >"$work/dump" && grep -q "dump complete" "$work/dump"'
ok "stops" pg pg_ctl -s -w -D "$mnt/data" -m fast stop
ok "pg_checksums" pg pg_checksums -c -D "$mnt/data"
is "nobody was told of an error of the filesystem" "$(grep -E 'could not (read|write|fsync|open|extend)|invalid page' "$mnt/log" | grep -v 'not connected' | head)" ""
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
