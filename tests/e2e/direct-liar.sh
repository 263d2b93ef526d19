#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that says it has given everything back, and has not: the device is
# not dead before it is true. A pin is what it got past revoking with. And one
# that was answered and has not mapped yet: nothing to be found is no proof.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires python3
plan 13

cat >"$work/liar.py" <<'PYTHON'
import array, fcntl, mmap, os, socket, struct, sys
HELLO, OPEN, MAP, UNMAP, PIN, UNPIN = 1, 2, 4, 5, 7, 8
f = os.open(sys.argv[1], os.O_RDWR)
token = bytearray(128)
fcntl.ioctl(f, 2 << 30 | 128 << 16 | ord('U') << 8 | 0x80, token)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(bytes(token[16:124]).split(b'\0')[0])
number = 0
def ask(type, body):
    global number
    number += 1
    s.send(struct.pack('=IHHQiI', 24 + len(body), type, 0, number, 0, 0) + body)
    while True:
        data, control, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(16))
        _, got, reply, id, status, _ = struct.unpack('=IHHQiI', data[:24])
        if reply and id == number:
            break
    fds = array.array('i')
    for _, _, bytes_ in control:
        fds.frombytes(bytes_[:len(bytes_) - len(bytes_) % 4])
    if status:
        sys.exit('message %d: %s' % (type, os.strerror(-status)))
    return data[24:], list(fds)
ask(HELLO, struct.pack('=II', 0x58414455, 1))
handle, = struct.unpack('=I', ask(OPEN, bytes(token[:16]))[0][:4])
reply, fds = ask(MAP, struct.pack('=IIQQ', handle, 1, 0, 65536))
lease, offset, length = struct.unpack('=QQQ', reply[:24])
_, _, place = struct.unpack('=QQQ', reply[40:64])
if sys.argv[2] == 'early':
    print('answered', flush=True)
    sys.stdin.readline()
    print('it reads', mmap.mmap(fds[0], length, offset=place)[:4].decode(), flush=True)
    sys.stdin.readline()
    sys.exit()
memory = mmap.mmap(fds[0], length, offset=place)
pin, = struct.unpack('=Q', ask(PIN, struct.pack('=QQQ', lease, 0, 4096))[0])
print('pinned', flush=True)
sys.stdin.readline()
ask(UNPIN, struct.pack('=Q', pin))
ask(UNMAP, struct.pack('=QQQ', lease, 0, length))
print('said so', flush=True)
sys.stdin.readline()
PYTHON

maps_it() { grep -q "$work/b" "/proc/$liar/maps"; }
state() {
	json "$(udaxctl list-devices "$mnt" --json)" \
		"[d['state'] for d in j['devices'] if d['path'].endswith('/b')][0]"
}

udax_mkfs a b
udax_mount a b
for i in 1 2 3 4; do head -c 65536 /dev/urandom >"$mnt/file-$i"; done
for i in 1 2 3 4; do
	on_b=$(json "$(udaxctl filemap --json "$mnt/file-$i")" "any(e.get('device') == 1 for e in j['extents'])")
	[ "$on_b" = True ] && file=$mnt/file-$i
done

start() {
	coproc LIAR { exec python3 "$work/liar.py" "$@"; }
	liar=$LIAR_PID to=${LIAR[1]} from=${LIAR[0]}
	read -r -t 20 line <&"$from"
}
go_on() {
	echo >&"$to"
	read -r -t 20 line <&"$from"
}
start "$file" liar
is "a client maps and pins" "$line" pinned
ok "with the device's own memory" maps_it
udaxctl remove-device "$mnt" "$work/b" --no-wait >/dev/null
ok "its pin alone is waited for" timeout 20 udaxctl wait-device "$mnt" "$work/b" --state=draining
go_on
is "it unpins and says that it has unmapped" "$line" "said so"
sleep 0.5
ok "it has not" maps_it
is "and the device is not dead" "$(state)" draining
ok "it is when the mapping has been taken away" timeout 20 udaxctl wait-device "$mnt" "$work/b" --state=dead
not_ok "which nobody has any more" maps_it
eval "exec $to>&-"
wait "$liar"

udax_umount
udax_mount a b
head -c 65536 /dev/zero | tr '\0' x >"$mnt/early"
start "$mnt/early" early
is "a client is answered, and stops before it maps" "$line" answered
status "its blocks are not given to others" 1 truncate -s 0 "$mnt/early"
like "who wants them is told" "$err" "busy"
go_on
is "it maps what it was given" "$line" "it reads xxxx"
eval "exec $to>&-"
wait "$liar"
ok "and when it is gone they are free" timeout 20 truncate -s 0 "$mnt/early"
