#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# udax-run python3: stores and loads by mmap are direct, on the mount and on
# the media; fork; taken away while stopped: still alive, SIGBUS when continued.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires_preload
requires python3
plan 24
# Not a shell script in front of it: it is to be stopped, and to be waited for.
python=$(python3 -c 'import sys; print(sys.executable)')
udax_mkfs pmem0 pmem1
ok "mounts" udax_mount pmem0 pmem1

cat >"$work/coherent.py" <<'PY'
import mmap, os, sys
path = sys.argv[1]
fd = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 3 << 20)
m = mmap.mmap(fd, 3 << 20)
m[5000:5005] = b"store"
assert os.pread(fd, 5, 5000) == b"store"
assert os.pwrite(fd, b"write", (2 << 20) + 1) == 5
assert m[(2 << 20) + 1:(2 << 20) + 6] == b"write"
r, w = os.pipe()
os.close(fd)
os.unlink(path)                      # only the mapping holds it
if os.fork() == 0:
    ok = m[5000:5005] == b"store"
    m[0:5] = b"child"
    os.write(w, b"y" if ok else b"n")
    os._exit(0)
os.wait()
assert os.read(r, 1) == b"y"
assert m[0:5] == b"child"
m.flush()
m.close()
PY
status "loads and stores, a child's too" 0 udax-run -v "$python" "$work/coherent.py" "$mnt/unlinked"
like "the mapping was direct" "$err" 'mapped 1 directly, 0 by the kernel'
like "what it read and wrote, too" "$err" 'read 5 bytes directly.*wrote 5 bytes directly'
is "nothing on stdout" "$out" ""

cat >"$work/store.py" <<'PY'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
for i in range(0, 1 << 20, 4096):
    m[i:i + 4] = i.to_bytes(4, "little")
PY
ok "a program stores, and says nothing more" udax-run "$python" "$work/store.py" "$mnt/kept"
stored() { python3 -c 'import sys
d = open(sys.argv[1], "rb").read()
assert len(d) == 1 << 20 and all(d[i:i + 4] == i.to_bytes(4, "little") for i in range(0, 1 << 20, 4096))' "$mnt/kept"; }
ok "read(2) of another program sees it" stored
ok "umount, check" eval 'udax_umount && device_clean pmem0 pmem1'
ok "mounts again" udax_mount pmem0 pmem1
ok "it is on the media" stored

# The device that does not have the metadata is taken away.
cat >"$work/loop.py" <<'PY'
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
m[0:4] = b"mine"
print("ready", flush=True)
i = 0
while True:
    i = (i + 4096) % (1 << 20)
    m[i] = 65
PY
device_of() { udaxctl filemap "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["extents"][0]["device"])'; }
for i in {1..8}; do
	head -c 8192 /dev/zero >"$mnt/looped"
	[ "$(device_of "$mnt/looped")" = 0 ] || break
	mv "$mnt/looped" "$mnt/elsewhere-$i"
done
udax-run "$python" "$work/loop.py" "$mnt/looped" >"$work/said" 2>"$work/err" &
program=$!
ok "one maps, stores, loops" wait_until 10 grep -q ready "$work/said"
holders=$(udaxctl list-holders "$mnt" --json)
is "it is seen to hold a lease" "$(json "$holders" "[h['kind'] for h in j['holders'] if h['pid'] == $program]")" "['lease']"
kill -STOP "$program"
state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$program/status"; }
is_stopped() { [ "$(state)" = T ]; }
ok "it is stopped" wait_until 5 is_stopped
is "its file is on the second device" "$(device_of "$mnt/looped")" 1
status "that device is removed" 0 udaxctl remove-device "$mnt" 1 --timeout=60 --json
is "dead" "$(json "$out" 'j["state"]')" dead
is "one lease was taken back" "$(json "$out" 'j["leases_revoked"] >= 1')" True
ok "the program is still alive" alive "$program"
ok "and stopped" is_stopped
kill -CONT "$program"
wait "$program" 2>/dev/null
is "continued, it gets SIGBUS" $? $((128 + $(kill -l BUS)))
status "without a device, the kernel's answer" 1 udax-run "$python" -c 'import sys
try:
    open(sys.argv[1], "r+b").read(1)
except OSError as e:
    sys.exit(e.errno != 5 and 2 or 1)' "$mnt/looped"
ok "a file on the other device is mapped as before" udax-run "$python" "$work/store.py" "$mnt/another"
ok "the ledger adds up" udaxctl verify "$mnt"
ok "umount" udax_umount
