#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# FIFOs, sockets, device nodes, symlinks of every length: they work, are
# counted, and stay.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

cat >"$work/special.py" <<'PY'
import errno, os, socket, stat, sys
from calls import refused
os.chdir(sys.argv[1])

DEVICES = [(stat.S_IFCHR, 1, 3), (stat.S_IFCHR, 1, 5), (stat.S_IFBLK, 259, 1048575),
           (stat.S_IFCHR, 4095, 255), (stat.S_IFBLK, 7, 256)]
LENGTHS = [1, 2, 50, 100, 180, 190, 200, 210, 220, 255, 256, 1000, 4000, 4095]

def target(n):
    return ("/" + "abcdefghi" * 500)[-n:]

def make():
    os.mkfifo("fifo", 0o644)
    for kind, major, minor in DEVICES:
        os.mknod(f"dev-{major}-{minor}", kind | 0o600, os.makedev(major, minor))
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket")
    os.mknod("sock2", stat.S_IFSOCK | 0o600)
    for n in LENGTHS:
        os.symlink(target(n), f"link{n}")
    refused(errno.ENAMETOOLONG, os.symlink, "x" * 4096, "toolong")
    refused(errno.ENOENT, os.symlink, "", "empty")
    refused(errno.EEXIST, os.symlink, "x", "fifo")
    refused(errno.EEXIST, os.mkfifo, "fifo")
    check()

def check():
    assert stat.S_ISFIFO(os.stat("fifo").st_mode)
    assert stat.S_ISSOCK(os.stat("socket").st_mode) and stat.S_ISSOCK(os.stat("sock2").st_mode)
    for kind, major, minor in DEVICES:
        st = os.stat(f"dev-{major}-{minor}")
        assert stat.S_IFMT(st.st_mode) == kind and st.st_rdev == os.makedev(major, minor), (major, minor, st)
        assert st.st_blocks == 0
    for n in LENGTHS:
        assert os.readlink(f"link{n}") == target(n), n
        assert os.lstat(f"link{n}").st_size == n
    assert len(os.listdir(".")) == 3 + len(DEVICES) + len(LENGTHS)

def use():
    if os.fork() == 0:
        open("fifo", "w").write("through the fifo")
        os._exit(0)
    assert open("fifo").read() == "through the fifo"
    os.wait()
    os.rename("fifo", "moved")
    os.link("moved", "fifo")
    os.unlink("moved")
    s = socket.socket(socket.AF_UNIX)
    os.unlink("socket")
    s.bind("socket")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect("socket")
    c.send(b"hello")
    assert s.accept()[0].recv(5) == b"hello"
    os.symlink(".", "loop")
    assert os.path.samefile("loop/loop/loop/fifo", "fifo")
    os.symlink("circle", "circle")
    refused(errno.ELOOP, os.stat, "circle")
    os.unlink("loop"), os.unlink("circle")
    refused(errno.EINVAL, os.readlink, "fifo")

globals()[sys.argv[2]]()
PY
special() { timeout 20 python3 "$work/special.py" "$mnt" "$1"; }
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
free=$(stat -f -c %f "$mnt") inodes=$(stat -f -c %d "$mnt")
ok "made" special make
ok "they work" special use
ok "a node opens its device, unless nodev" eval 'cat "$mnt/dev-1-3" || grep " $mnt .*nodev" /proc/mounts'
is "statx(2) knows its number, too" "$(stat -c '%t:%T %w' "$mnt/dev-259-1048575" | cut -d' ' -f1,2)" \
	"103:fffff $(date +%F)"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "all are there" special check
ok "removed" eval 'rm -r "$mnt"/*'
same_free() { [ "$(stat -f -c '%f %d' "$mnt")" = "$free $inodes" ]; }
ok "their blocks and inodes are free again" wait_until 5 same_free
same_free || diag "free $free $inodes before, $(stat -f -c '%f %d' "$mnt") now"
ok "umount" udax_umount
ok "the device is clean" device_clean pmem0
