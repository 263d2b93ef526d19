#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who gets a token for direct mappings, and for what.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 14

cat >"$work/ioctl.py" <<'PY'
import errno, fcntl, os, sys, threading
TOKEN, SOCKET = 0x80805580, 0x80705581
def ask(path, flags, command, size):
    try:
        fd = os.open(path, flags)
        out = fcntl.ioctl(fd, command, bytes(size))
    except OSError as e:
        return errno.errorcode[e.errno]
    skip = 16 if command == TOKEN else 0
    where = out[skip:skip + 108].rstrip(b"\0").decode()
    version = int.from_bytes(out[skip + 108:skip + 112], "little")
    assert version == 1, version
    return where if command == SOCKET else "token" if any(out[:16]) else "zeros"
path, mode, what = sys.argv[1:4]
flags = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "none": 3}[mode]
answer = []
def run():
    answer.append(ask(path, flags, *((TOKEN, 128) if what == "token" else (SOCKET, 112))))
if len(sys.argv) > 4:
    os.setgroups([])
    os.setgid(int(sys.argv[4])), os.setuid(int(sys.argv[4]))
thread = threading.Thread(target=run)     # not the process's first thread
thread.start()
thread.join()
print(answer[0])
PY
# With files open from before.
cat >"$work/dead.py" <<'PY'
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
sys.stdin.readline()
try:
    fcntl.ioctl(fd, 0x80805580, bytes(128))
    token = "token"
except OSError as e:
    token = errno.errorcode[e.errno]
print(token, fcntl.ioctl(fd, 0x80705581, bytes(112))[:108].rstrip(b"\0").decode())
PY
ask_for() { python3 "$work/ioctl.py" "$@"; }

udax_mkfs pmem0
ok "mounts" udax_mount pmem0
echo x >"$mnt/file"
chmod 666 "$mnt/file"
chmod 755 "$work" "$mnt"
socket=$(ask_for "$mnt" r socket)
is "any file names the socket" "$(ask_for "$mnt/file" w socket)" "$socket"
expected=token
[ -n "$socket" ] || expected=ENOTSUP	# a daemon without the door
is "a file open to read and write gets a token" "$(ask_for "$mnt/file" rw token)" $expected
is "so does one open to read" "$(ask_for "$mnt/file" r token)" $expected
is "not one open to write only" "$(ask_for "$mnt/file" w token)" EACCES
is "not one open for neither" "$(ask_for "$mnt/file" none token)" EACCES
is "not a directory" "$(ask_for "$mnt" r token)" ENODEV
ok "unmounts" udax_umount

ok "mounts for the owner's eyes" udax_mount -o allow_other pmem0
if [ "$(id -u)" = 0 ]; then
	is "another user gets none" "$(ask_for "$mnt/file" rw token 65534)" EACCES
else
	ok "another user gets none # SKIP needs root" true
fi
coproc DEAD { python3 "$work/dead.py" "$mnt/file"; }
dead=$DEAD_PID to_dead=${DEAD[1]} from_dead=${DEAD[0]}
read -r -t 20 line <&"$from_dead"
socket=$(ask_for "$mnt" r socket)
ok "all devices go" udaxctl remove-device "$mnt" 0
echo >&"$to_dead"
read -r -t 20 line <&"$from_dead"
is "a dead filesystem still says where the door is, and gives no token" "$line" "ENXIO $socket"
wait "$dead"
udax_umount
ok "mounts without the door" udax_mount -o direct=off pmem0
is "direct=off: no token, and no socket" \
	"$(ask_for "$mnt/file" rw token)$(ask_for "$mnt" r socket)" ENOTSUP
