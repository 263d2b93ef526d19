#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Redis with an append-only file, synchronous: the server is killed, the daemon
# is killed, while it rewrites its file; what it answered is there.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires redis-cli redis-check-rdb redis-check-aof python3
rounds=$(short_long 1 10)
plan $((5 + rounds * 8))

# Numbers in a list, each also a key of its own; says which were answered.
cat >"$work/client.py" <<'PY'
import random, socket, sys, threading
at, verb = sys.argv[1:3]

def value(k, n):
    return random.Random(f"{k} {n}").randbytes((n * 37) % (40000 if n % 16 == 0 else 300))

class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(at)
        self.f = self.s.makefile("rb")

    def send(self, *words):
        out = b"*%d\r\n" % len(words)
        for w in words:
            w = w if isinstance(w, bytes) else str(w).encode()
            out += b"$%d\r\n%s\r\n" % (len(w), w)
        self.s.sendall(out)

    def answer(self):
        line = self.f.readline()
        if not line.endswith(b"\n") or line[:1] == b"-":
            raise EOFError(line)
        if line[:1] == b"$":
            n = int(line[1:])
            return self.f.read(n + 2)[:n] if n >= 0 else None
        return int(line[1:]) if line[:1] == b":" else line

    def call(self, *words):
        self.send(*words)
        return self.answer()

def write(k, said):
    c, n = Client(), 0
    n = c.call("llen", f"list{k}")
    try:
        c.call("set", f"key{k}:{n}", value(k, n))       # which the last kill may have prevented
        while True:
            n += 1
            c.send("rpush", f"list{k}", n)
            c.send("set", f"key{k}:{n}", value(k, n))
            c.send("del", f"key{k}:{n - 500}")
            c.answer(), c.answer(), c.answer()
            said.write(f"{k} {n}\n")
    except (EOFError, OSError):
        pass

def check(log):
    c, told = Client(), {}
    for line in open(log):
        k, n = map(int, line.split())
        told[k] = n
    assert len(told) == 4
    for k, n in told.items():
        length = c.call("llen", f"list{k}")
        assert length >= n, f"{length} are there, {n} were answered"
        assert int(c.call("lindex", f"list{k}", length - 1)) == length
        for i in range(max(1, n - 499), n + 1):
            if i > length - 500:
                assert c.call("get", f"key{k}:{i}") == value(k, i), (k, i)

if verb == "write":
    said = open(sys.argv[3], "a", buffering=1)
    threads = [threading.Thread(target=write, args=(k, said)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
else:
    check(sys.argv[3])
PY
answers() { [ "$(redis-cli -s "$work/socket" ping)" = PONG ]; }
# The check program is the server by another name.
start() {
	(exec -a redis-server "$(command -v redis-check-rdb)" --port 0 --unixsocket "$work/socket" \
		--dir "$mnt/redis" --appendonly yes --appendfsync always --save '' \
		--auto-aof-rewrite-min-size 100kb --auto-aof-rewrite-percentage 50 \
		--logfile "$work/log") &
	server=$!
	wait_until 30 answers || { tail "$work/log"; return 1; }
}
load() {
	: >"$work/said"
	python3 "$work/client.py" "$work/socket" write "$work/said" &
	client=$!
	wait_until 20 eval '[ "$(wc -l <"$work/said")" -ge 2000 ]'
}
is_there() { timeout 60 python3 "$work/client.py" "$work/socket" check "$work/said"; }
kill_server() {
	kill -9 $server
	wait $server $client
} 2>/dev/null

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
mkdir "$mnt/redis"
ok "starts" start
for ((i = 0; i < rounds; i++)); do
	ok "clients" load
	kill_server
	ok "the server killed, starts again" start
	ok "what it answered is there" is_there
	ok "clients" load
	ok "the daemon is killed" udax_kill
	kill_server
	ok "mounts again" udax_mount pmem0
	ok "starts again" start
	ok "what it answered is there" is_there
done
kill $server
wait $server
rewritten=$(grep -c 'AOF rewrite finished successfully' "$work/log")
diag "$rewritten rewrites"
ok "the file is sound" eval 'redis-check-aof "$mnt"/redis/appendonlydir/*.manifest </dev/null'
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
