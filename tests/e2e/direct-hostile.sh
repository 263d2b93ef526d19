#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The direct socket given what no library of ours would send, and who may not.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 24
# One that another user may run, too.
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3)

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
head -c 65536 /dev/zero >"$mnt/data"
socket=$(json "$(udaxctl list "$mnt" --json)" 'j["mounts"][0]["direct_socket"]')
ok "the socket is there" test -S "$socket"
is "for its user alone" "$(stat -c %a "$socket") $(stat -c %a "$(dirname "$socket")")" "600 711"

cat >"$work/hostile.py" <<'PY'
import array, fcntl, os, random, socket, struct, sys, time
path, what, file = sys.argv[1:4]
HEADER = "=IHHQiI"
HELLO, OPEN, CLOSE, MAP, UNMAP, SYNC, PIN, UNPIN, RETURNED = range(1, 10)

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)             # waits where the daemon's queue is full
    s.settimeout(20)
    return s

def packet(kind, body=b"", id=1, length=None, reply=0, status=0, pad=0):
    length = 24 + len(body) if length is None else length
    return struct.pack(HEADER, length, kind, reply, id, status, pad) + body

def hello(s, id=1):
    s.send(packet(HELLO, struct.pack("=II", 0x58414455, 1), id))
    data, fds = s.recv(65536), None
    assert len(data) == 72, data
    return data

def token(flags=os.O_RDWR):
    fd = os.open(file, flags)
    buffer = array.array("B", bytes(128))
    nr = (2 << 30) | (ord("U") << 8) | 0x80 | (128 << 16)
    fcntl.ioctl(fd, nr, buffer)
    os.close(fd)
    return bytes(buffer[:16])

def open_handle(s):
    s.send(packet(OPEN, token(), 2))
    data = s.recv(65536)
    assert len(data) == 64, data
    return struct.unpack_from("=I", data, 24)[0]

def status(data):
    return struct.unpack_from(HEADER, data)[4]

def closed(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass

def bad(data, greet=True, fds=()):
    s = connect()
    if greet:
        hello(s)
    if fds:
        s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    else:
        s.send(data)
    closed(s)

def alive():
    s = connect()
    hello(s)

if what == "before-hello":
    bad(packet(OPEN, bytes(16)), False)
    bad(packet(RETURNED, bytes(40)), False)
elif what == "hellos":
    bad(packet(HELLO, struct.pack("=II", 0x58414455, 1)))     # twice
    bad(packet(HELLO, struct.pack("=II", 0x11111111, 1)), False)
    s = connect()
    s.send(packet(HELLO, struct.pack("=II", 0x58414455, 99)))
    assert status(s.recv(65536)) == -93                       # EPROTONOSUPPORT
    hello(s)
elif what == "lengths":
    for data in (b"x", packet(OPEN, bytes(15)), packet(OPEN, bytes(17)),
                 packet(OPEN, bytes(16), length=24), packet(OPEN, bytes(16), length=4000000000),
                 packet(MAP, bytes(24) + bytes(60000)), packet(CLOSE)):
        bad(data)
elif what == "fields":
    whole = struct.pack("=QQQ", 1, 0, 4096)
    for data in (packet(OPEN, bytes(16), id=0), packet(OPEN, bytes(16), reply=1),
                 packet(OPEN, bytes(16), status=-1), packet(OPEN, bytes(16), pad=1),
                 packet(0), packet(64, bytes(48)), packet(65535), packet(10),
                 packet(UNMAP, struct.pack("=QQQ", 1, 1, 4096)),
                 packet(UNMAP, struct.pack("=QQQ", 1, 0, 0)),
                 packet(PIN, struct.pack("=QQQ", 1, 1 << 63, 4096)),
                 packet(SYNC, struct.pack("=QQQ", 1, (1 << 63) - 4096, 8192)),
                 packet(MAP, struct.pack("=IIQQ", 0, 2, 0, 4096)),
                 packet(CLOSE, struct.pack("=II", 0, 7))):
        bad(data)
elif what == "descriptors":
    bad(packet(CLOSE, struct.pack("=II", 0, 0)), fds=(0,))
    bad(packet(CLOSE, struct.pack("=II", 0, 0)), fds=(0, 1, 2) * 5)
    bad(packet(CLOSE, struct.pack("=II", 0, 0)), fds=(0,) * 253)
elif what == "others":
    # Of nobody, or of somebody else: refused, and the connection goes on.
    s, other = connect(), connect()
    hello(s), hello(other)
    handle = open_handle(other)
    other.send(packet(MAP, struct.pack("=IIQQ", handle, 1, 0, 4096), 3))
    reply = other.recv(65536)
    lease = struct.unpack_from("=Q", reply, 24)[0]
    whole = struct.pack("=QQQ", lease, 0, 4096)
    for kind, expected in ((UNMAP, 0), (PIN, None), (SYNC, None)):
        s.send(packet(kind, whole, 9))
        got = status(s.recv(65536))
        assert got == expected or expected is None and got <= 0, (kind, got)
    other.send(packet(SYNC, whole, 9))
    assert status(other.recv(65536)) == 0                     # it is there still
    s.send(packet(UNPIN, struct.pack("=Q", 12345)))
    assert status(s.recv(65536)) == -2
    s.send(packet(RETURNED, struct.pack("=QQQQII", 5, lease, 0, 4096, 0, 0), 0))
    s.send(packet(MAP, struct.pack("=IIQQ", 4000000000, 0, 0, 4096)))
    assert status(s.recv(65536)) == -9
    s.send(packet(OPEN, random.randbytes(16)))
    assert status(s.recv(65536)) == -13
    other.send(packet(SYNC, whole, 9))
    assert status(other.recv(65536)) == 0
elif what == "ranges":
    s = connect()
    hello(s)
    handle = open_handle(s)
    for offset, length in ((65536, 4096), (1 << 62, 1 << 61), ((1 << 63) - 8192, 4096)):
        s.send(packet(MAP, struct.pack("=IIQQ", handle, 1, offset, length)))
        assert status(s.recv(65536)) == -61, offset           # ENODATA
    s.send(packet(MAP, struct.pack("=IIQQ", handle, 1, 0, 1 << 62)))
    reply = s.recv(65536)
    assert status(reply) == 0 and struct.unpack_from("=Q", reply, 40)[0] == 65536
elif what == "flood":
    # Never reads. What it asked for must not pile up.
    s = connect()
    hello(s)
    handle = open_handle(s)
    data = packet(MAP, struct.pack("=IIQQ", handle, 1, 0, 65536), 7)
    try:
        for i in range(2000000):
            s.send(data)
        raise SystemExit("was never closed")
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass
    alive()
elif what == "crowd":
    crowd = [connect() for _ in range(900)]
    alive()
elif what == "leave":
    for i in range(300):
        s = connect()
        if i % 3:
            s.send(packet(HELLO, struct.pack("=II", 0x58414455, 1)))
        if i % 3 == 2:
            s.send(packet(OPEN, token()))
        s.close()
    alive()
elif what == "silent":
    s = connect()
    began = time.monotonic()
    closed(s)
    assert 8 < time.monotonic() - began < 15
elif what == "random":
    rng = random.Random(7)
    for i in range(300):
        s = connect()
        hello(s)
        try:
            for j in range(20):
                kind = rng.randrange(0, 12)
                size = {OPEN: 16, CLOSE: 8, MAP: 24, UNPIN: 8, RETURNED: 40}.get(kind, 24)
                body = bytearray(rng.randbytes(size))
                if rng.random() < 0.5:
                    body = bytearray(size)
                    body[rng.randrange(size)] = rng.randrange(256)
                s.send(packet(kind, bytes(body), rng.randrange(3)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        s.close()
    alive()
PY
memory_of() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
before=$(memory_of)
timeout 60 "$python" "$work/hostile.py" "$socket" silent "$mnt/data" 2>"$work/silent" &
silent=$!
for what in before-hello hellos lengths fields descriptors others ranges flood crowd leave random; do
	ok "survives: $what" timeout 60 "$python" "$work/hostile.py" "$socket" $what "$mnt/data"
done
wait $silent
is "survives: silent" "$? $(cat "$work/silent")" "0 "
ok "it lives" alive "$daemon"
ok "its memory is what it was, but for 64 MiB" [ "$(($(memory_of) - before))" -lt 65536 ]
ok "nobody holds anything" wait_until 5 eval '[ "$(udaxctl list-holders "$mnt" --json | grep -c lease)" = 0 ]'
ok "the ledger adds up" timeout 20 udaxctl verify "$mnt"
chmod 755 "$work" "$mnt"
like "another user is not let in" \
	"$(setpriv --reuid=65534 --clear-groups "$python" "$work/hostile.py" "$socket" leave "$mnt/data" 2>&1)" \
	"^PermissionError"
ok "umount and check" eval 'udax_umount && device_clean pmem0'

# Who is let in by another option.
ok "mounts for any" udax_mount -o allow_other -o direct=any pmem0
socket=$(json "$(udaxctl list "$mnt" --json)" 'j["mounts"][0]["direct_socket"]')
chmod 666 "$mnt/data"
ok "another user is let in" setpriv --reuid=65534 --clear-groups "$python" "$work/hostile.py" "$socket" ranges "$mnt/data"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
