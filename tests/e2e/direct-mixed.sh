#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Leases, pins, kernel mappings, writes and size changes of one file, all at
# once: nothing waits for ever, nothing is lost count of. Then the device goes.
# UDAX_SECONDS: for how long (3).
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 11

cat >"$work/mixed.py" <<'PY'
import errno, os, random, signal, subprocess, sys, threading, time
from calls import fallocate
path, seconds, going = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "going"
SIZE = 1 << 20
end = time.monotonic() + seconds
counts, problems, slowest = {}, [], [0, ""]
lock = threading.Lock()
# What may happen to each; with the device going, everything may end in these.
GOING = {"EIO", "ENXIO", "ECONNRESET", "EPIPE", "EFAULT"}

def note(what, began, said="ok"):
    took = time.monotonic() - began
    with lock:
        counts[what + " " + said] = counts.get(what + " " + said, 0) + 1
        if took > slowest[0]:
            slowest[:] = [took, what]

def call(what, fn, *args, may=()):
    began = time.monotonic()
    try:
        fn(*args)
        note(what, began)
    except OSError as e:
        name = errno.errorcode[e.errno]
        note(what, began, name)
        if name not in may and not (going and name in GOING):
            problems.append(what + " " + name)

def changes():
    fd = os.open(path, os.O_RDWR)
    open(sys.argv[4], "w").close()
    while time.monotonic() < end:
        page = random.randrange(256) * 4096
        n = random.randrange(4)
        if n == 0:
            call("shrink", os.ftruncate, fd, page + random.choice((0, 100)), may=("EBUSY",))
            call("grow", os.ftruncate, fd, SIZE, may=("EBUSY",))
        elif n == 1:
            call("punch", fallocate, fd, 3, page, random.randrange(1, 9) * 4096, may=("EBUSY",))
        elif n == 2:
            call("write", os.pwrite, fd, os.urandom(random.randrange(1, 20000)), page, may=("EBUSY",))
        else:
            call("read", os.pread, fd, 16384, page)

def talk(argv, orders):
    p = None
    while time.monotonic() < end:
        if p is None:
            p = subprocess.Popen([argv[0], path, *argv[1:]], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True, bufsize=1)
            if not p.stdout.readline().startswith("mapped"):   # empty just now
                p.stdin.close(); p.wait(); p = None
                if going: return
                continue
        order = orders()
        began = time.monotonic()
        try:
            p.stdin.write(order + "\n")
            said = p.stdout.readline().split()
        except BrokenPipeError:
            said = []
        note(argv[0] + " " + order.split()[0], began, said[0] if said and not said[0].isdigit() else "ok" if said else "died")
        if not said:
            p.wait()
            if not going: problems.append(f"{argv[0]} died {p.returncode}")
            p = None
    if p: p.stdin.close(); p.wait()

def holder_orders(state={}):
    mine = threading.get_ident()
    page = random.randrange(256) * 4096
    n = random.randrange(12)
    if n == 0:
        state[mine] = True
        return f"pin {page} {4096 * random.randrange(1, 4)}"
    if n < 4 and state.get(mine):
        state[mine] = False
        return "unpin"
    if n < 6: return f"map {page} {4096 * random.randrange(1, 64)}"
    return f"store {page} {random.randrange(256)}"

def mapper_orders():
    page = random.randrange(256) * 4096
    return random.choice((f"load {page}", f"store {page} 7", f"store {page} 8", "msync"))

threads = [threading.Thread(target=changes) for _ in range(2)]
threads += [threading.Thread(target=talk, args=(["direct_holder"], holder_orders)) for _ in range(2)]
threads += [threading.Thread(target=talk, args=(["direct_holder", "ro"], holder_orders_ro)) for holder_orders_ro in
            [lambda: f"map {random.randrange(256) * 4096} 65536"]]
threads += [threading.Thread(target=talk, args=(["mapper"], mapper_orders)) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join(seconds + 40)
if any(t.is_alive() for t in threads): problems.append("something hangs")
print(sorted(counts.items()), "slowest", slowest, file=sys.stderr)
print("; ".join(sorted(set(problems))) or "well", flush=True)
os._exit(0)
PY
mixed() { timeout 100 python3 "$work/mixed.py" "$mnt/data" "${UDAX_SECONDS:-3}" "$1" "$work/begun" 2>"$work/counts"; }

udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1
head -c 1M /dev/urandom >"$mnt/data"
is "all go on" "$(mixed staying)" well
diag "$(fold -w 100 "$work/counts")"
ok "the ledger adds up" udaxctl verify "$mnt"
none() { [ "$(json "$(udaxctl list-holders "$mnt" --json)" '[h for h in j["holders"] if h["kind"] != "kernel_mapping"]')" = "[]" ]; }
ok "nobody holds anything" wait_until 5 none
head -c 1M /dev/urandom >"$mnt/data"
where=$(json "$(udaxctl filemap "$mnt/data" --json)" 'j["extents"][0]["device"]')
rm "$work/begun"
mixed going >"$work/said" &
mixed=$!
ok "again" wait_until 20 test -e "$work/begun"
sleep 1
ok "the file's device goes meanwhile" timeout 60 udaxctl remove-device "$mnt" "$where" --recall-ms=300
ok "which ends nobody's wait badly" wait_until 60 gone "$mixed"
is "nor with a wrong word" "$(cat "$work/said")" well
diag "$(fold -w 100 "$work/counts")"
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount works" udax_umount
ok "the devices pass the full check" device_clean pmem0 pmem1
