#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The control socket given what no client of ours would send.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 16

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
socket=/run/udaxfs/$daemon.control
[ "$(id -u)" = 0 ] || socket=${XDG_RUNTIME_DIR:-/tmp/udaxfs-$(id -u)}/udaxfs/$daemon.control
ok "the socket is there" test -S "$socket"
is "for its user alone" "$(stat -c %a "$socket") $(stat -c %a "$(dirname "$socket")")" "600 711"

cat >"$work/hostile.py" <<'PY'
import json, socket, sys
path, what = sys.argv[1], sys.argv[2]

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)             # waits where the daemon's queue is full
    s.settimeout(20)
    return s

def answer(data):
    s = connect()
    try:
        s.sendall(data)
    except BrokenPipeError:
        return None
    got = b""
    while True:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            return None
        if not more:
            break
        got += more
    return json.loads(got) if got else None

if what == "garbage":
    a = answer(b"\xff\x00\x01 hello\n")
    assert a["status"] == 2 and a["error"], a
elif what == "types":
    for request in ({"verb": 5}, [1, 2], "list", {"verb": "list" * 100}, {},
                    {"verb": "remove-device"},
                    {"verb": "remove-device", "device": [1]},
                    {"verb": "wait-device", "device": "0"},
                    {"verb": "remove-device", "device": "0", "mode": "gently"}):
        a = answer(json.dumps(request).encode() + b"\n")
        assert a["status"] == 2 and a["error"], (request, a)
    a = answer(b'{"verb":"filemap","inode":-5}\n')
    assert a["status"] == 1, a
    a = answer(b'{"verb":"filemap","inode":99999999999}\n')
    assert a["status"] == 1, a
elif what == "deep":
    a = answer(b"[" * 5000 + b"\n")
    assert a["status"] == 2, a
elif what == "long":
    assert answer(b"x" * 200000) is None
elif what == "bytewise":
    s = connect()
    for byte in b'{"version":1,"verb":"list"}\n':
        s.sendall(bytes([byte]))
    assert b'"status":0' in s.recv(65536)
elif what == "crowd":
    crowd = [connect() for _ in range(300)]
    for s in crowd[:200]:
        s.sendall(b'{"verb":"wait-device","device":"0","state":"dead"}\n')
    for s in crowd:
        s.close()
elif what == "leave":
    for _ in range(200):
        s = connect()
        s.sendall(b'{"verb":"list-entries"}\n')
        s.close()
PY
for what in garbage types deep long bytewise crowd leave; do
	ok "survives: $what" timeout 60 python3 "$work/hostile.py" "$socket" $what
done
ok "udaxctl is answered" timeout 20 udaxctl list-devices "$mnt"
daemon=$(json "$(udaxctl list "$mnt" --json)" 'j["mounts"][0]["pid"]')
kill -STOP "$daemon"
timeout 20 udaxctl list >"$work/list" 2>"$work/stuck"
is "a daemon that is stopped holds nobody up" $? 0
like "and is named" "$(cat "$work/stuck")" "/$daemon\.control: no answer in 2 s"
kill -CONT "$daemon"
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3)
chmod 755 "$work"
like "another user is not let in" \
	"$(setpriv --reuid=65534 --clear-groups $python "$work/hostile.py" "$socket" garbage 2>&1)" \
	"^PermissionError"
is "the device is live still" "$(json "$(udaxctl list-devices "$mnt" --json)" 'j["devices"][0]["state"]')" live
ok "umount and check" eval 'udax_umount && device_clean pmem0'
