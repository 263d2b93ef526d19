#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dax=inode: FS_XFLAG_DAX, set, inherited, and what it does; noatime.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 22

cat >"$work/flags.py" <<'PY'
import errno, fcntl, os, struct, sys
GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
FSGETXATTR, FSSETXATTR = 0x801c581f, 0x401c5820
DAX, NODUMP, DAX_FL, NODUMP_FL, COMPR_FL = 0x8000, 0x80, 0x2000000, 0x40, 0x4

def get(fd):
    return struct.unpack_from("I", fcntl.ioctl(fd, FSGETXATTR, bytes(28)))[0]
def set_(fd, xflags):
    fcntl.ioctl(fd, FSSETXATTR, struct.pack("I", xflags) + bytes(24))
def iflags(fd):
    return struct.unpack_from("I", fcntl.ioctl(fd, GETFLAGS, bytes(8)))[0]

os.chdir(sys.argv[1])
os.mkdir("d")
d = os.open("d", os.O_RDONLY)
assert get(d) == 0
set_(d, DAX)
assert get(d) == DAX and iflags(d) == DAX_FL
fd = os.open("d/file", os.O_CREAT | os.O_RDWR)
assert get(fd) == DAX, "not inherited"
os.mkdir("d/e")
assert get(os.open("d/e", os.O_RDONLY)) == DAX
set_(fd, NODUMP)
assert (get(fd), iflags(fd)) == (NODUMP, NODUMP_FL)
fcntl.ioctl(fd, SETFLAGS, struct.pack("Q", DAX_FL))
assert get(fd) == DAX
try:
    fcntl.ioctl(fd, SETFLAGS, struct.pack("Q", COMPR_FL))
    sys.exit("COMPR was taken")
except OSError as e:
    assert e.errno == errno.EOPNOTSUPP, e
plain = os.open("plain", os.O_CREAT | os.O_RDWR)
assert get(plain) == 0
os.write(plain, bytes(1 << 20))
os.write(fd, bytes(1 << 20))
PY
entries() { udaxctl list-entries "$mnt" "$1" --json | tr '{' '\n' | grep -c '"device_offset"'; }

udax_mkfs pmem0
ok "mounts" udax_mount -o dax=inode pmem0
ok "flags are set, got and inherited" timeout 20 python3 "$work/flags.py" "$mnt"
exec 8<"$mnt/plain" 9<"$mnt/d/file"
cat <&8 >/dev/null
cat <&9 >/dev/null
ok "a plain file's read fills the page cache" [ "$(entries "$mnt/plain")" -gt 0 ]
is "a DAX file's does not" "$(entries "$mnt/d/file")" 0
exec 8<&- 9<&-
ok "umount" udax_umount
ok "mounts again" udax_mount -o dax=inode pmem0
ok "the flag is still there" eval 'lsattr -d "$mnt/d" | grep -q x || ! command -v lsattr'
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0

# Append-only, and the kernel, which maps it all the same, does not know.
cat >"$work/stores.py" <<'PY'
import fcntl, mmap, os, struct, sys
os.chdir(sys.argv[1])
def mark(fd, flags): fcntl.ioctl(fd, 0x40086602, struct.pack("Q", flags))
def mapped(name):
    fd = os.open(name, os.O_RDWR | os.O_APPEND)
    return fd, mmap.mmap(fd, 4096)
for name in "after", "before":
    open(name, "wb").write(b"text" * 1024)
mark(os.open("after", os.O_RDONLY), 0x20)
fd, m = mapped("after")
m[0:4] = b"evil"
try:
    m.flush()
    sys.exit("it was written back")
except OSError:
    pass
fd, m = mapped("before")
m[0:4] = b"good"
mark(fd, 0x20)
m.flush()
PY
ok "mounts again" udax_mount pmem0
ok "a store to a page is refused where it is written back" timeout 20 python3 "$work/stores.py" "$mnt"
udax_umount
udax_mount pmem0
is "but for what was mapped before" "$(head -c 4 "$mnt/after") $(head -c 4 "$mnt/before")" "text good"
chattr -a "$mnt/after" "$mnt/before"
rm "$mnt/after" "$mnt/before"
udax_umount

atime() { stat -c %X.%x "$1"; }
ok "mounts with noatime" udax_mount -o noatime pmem0
touch -a -d 2001-01-01 "$mnt/plain"
before=$(atime "$mnt/plain")
cat "$mnt/plain" >/dev/null
is "a read moves nothing" "$(atime "$mnt/plain")" "$before"
ok "umount" udax_umount
udax_mount pmem0
cat "$mnt/plain" >/dev/null
not_ok "without it, it does" [ "$(atime "$mnt/plain")" = "$before" ]
ok "umount" udax_umount

# Of two reads, which moved atime.
moves() {
	local before after i moved=
	for i in 1 2; do
		before=$(atime "$1")
		sleep 0.01
		if [ -d "$1" ]; then ls "$1"; else cat "$1"; fi >/dev/null
		after=$(atime "$1")
		moved=$moved$([ "$before" = "$after" ] && echo - || echo +)
	done
	echo "$moved"
}
udax_mount pmem0
touch "$mnt/plain" "$mnt/d"
is "relatime: the first read moves it, not the second" "$(moves "$mnt/plain")$(moves "$mnt/d")" "+-+-"
udax_umount
udax_mount -o strictatime,nodiratime,lazytime pmem0
touch "$mnt/plain" "$mnt/d"
is "strictatime: each does; nodiratime: none" "$(moves "$mnt/plain")$(moves "$mnt/d")" "++--"
last=$(atime "$mnt/plain")
ok "umount" udax_umount
udax_mount pmem0
is "what lagged was written" "$(atime "$mnt/plain")" "$last"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
