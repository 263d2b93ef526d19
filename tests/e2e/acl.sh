#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# POSIX ACLs: they and the mode agree, they decide, are inherited, copied, kept.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires setfacl getfacl
[ "$(id -u)" = 0 ] || skip_all "needs root"
plan 16

cat >"$work/acl.py" <<'PY'
import errno, os, socket, struct, sys
from calls import as_user, is_, mode, refused
os.chdir(sys.argv[1])
os.umask(0)
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
TAGS = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}

def acl(text):
    """"u7 U5:1001 g4 G6:7 m7 o0": owner, a user, group, a group, mask, others."""
    out = struct.pack("<I", 2)
    for word in text.split():
        head, _, who = word.partition(":")
        out += struct.pack("<HHI", TAGS[head[0]], int(head[1:], 8), int(who) if who else 0xffffffff)
    return out

def text(path, name=ACCESS):
    value = os.getxattr(path, name)
    assert struct.unpack_from("<I", value) == (2,)
    words = []
    for at in range(4, len(value), 8):
        tag, perm, who = struct.unpack_from("<HHI", value, at)
        letter = [k for k, v in TAGS.items() if v == tag][0]
        words.append(f"{letter}{perm}" + (f":{who}" if letter in "UG" else ""))
    return " ".join(words)

def set_(path, words, name=ACCESS):
    os.setxattr(path, name, acl(words))

def touch(path, m=0o666):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, m))

def agree():
    touch("f", 0o4640)
    refused(errno.ENODATA, os.getxattr, "f", ACCESS)
    os.removexattr("f", ACCESS)
    # one that says no more than a mode becomes it
    set_("f", "u7 g5 o1")
    is_(mode("f"), 0o4751)
    refused(errno.ENODATA, os.getxattr, "f", ACCESS)
    set_("f", "u6 U7:1001 g4 m5 o0")
    is_(mode("f"), 0o4650)
    is_(os.listxattr("f"), [ACCESS])
    for m, after in (0o4777, "u7 U7:1001 g4 m7 o7"), (0o600, "u6 U7:1001 g4 m0 o0"), \
            (0o2624, "u6 U7:1001 g4 m2 o4"):
        os.chmod("f", m)
        is_((mode("f"), text("f")), (m, after))
    os.chown("f", 5, 6)
    is_(text("f"), "u6 U7:1001 g4 m2 o4")
    set_("f", "u6 g4 m6 o0")           # a mask alone is something more
    is_((mode("f"), text("f")), (0o2660, "u6 g4 m6 o0"))
    os.chmod("f", 0o640)
    set_("f", "u6 g4 o2")
    is_(mode("f"), 0o642)
    is_(os.listxattr("f"), [])
    set_("f", "u6 U7:1 g4 m7 o0")
    os.removexattr("f", ACCESS)        # leaves the mode alone
    is_((mode("f"), os.listxattr("f")), (0o670, []))
    long = "u6 " + " ".join(f"U4:{i}" for i in range(500)) + " g4 m4 o0"
    set_("f", long)
    is_(text("f"), long)
    os.chmod("f", 0o604)
    is_(text("f"), long.replace("m4 o0", "m0 o4"))

def wrong():
    touch("f"); os.mkdir("d"); os.symlink("f", "l")
    for words in "u7 g5", "u7 U5:1 g5 o0", "g5 u7 o0", "u7 g5 o0 o0", "u10 g5 o0":
        refused(errno.EINVAL, set_, "f", words)
    refused(errno.EINVAL, os.setxattr, "f", ACCESS, acl("u7 g5 o0")[:-1])
    refused(errno.EOPNOTSUPP, os.setxattr, "f", ACCESS, b"\1" + acl("u7 g5 o0")[1:])
    refused(errno.EACCES, set_, "f", "u7 g5 o0", DEFAULT)
    refused(errno.EOPNOTSUPP, os.setxattr, "l", ACCESS, acl("u7 g5 o0"), follow_symlinks=False)
    refused(errno.EOPNOTSUPP, os.setxattr, "f", "system.other", b"1")
    refused(errno.E2BIG, set_, "d", "u6 " + " ".join(f"U4:{i}" for i in range(600)) + " g4 m4 o0", DEFAULT)
    is_((os.listxattr("f"), os.listxattr("d")), ([], []))
    def other():
        refused(errno.EPERM, set_, "f", "u7 U7:1001 g7 m7 o7")
        refused(errno.EPERM, os.removexattr, "f", ACCESS)
    as_user(1001, 1001, [], other)

def decides():
    touch("f", 0o600)
    os.mkdir("d", 0o700)
    def may(path, flags, yes=True):
        try:
            os.close(os.open(path, flags))
            assert yes, f"{path} was opened"
        except PermissionError:
            assert not yes, f"{path} was not opened"
    def none():
        may("f", os.O_RDONLY, False), may("d", os.O_RDONLY, False)
    as_user(1001, 1001, [], none)
    set_("f", "u6 U6:1001 g0 G4:77 m7 o0")
    set_("d", "u7 U7:1001 g0 G5:77 m7 o0")
    def named():
        may("f", os.O_RDWR), may("d", os.O_RDONLY)
        touch("d/mine", 0o644)
        refused(errno.EPERM, os.chmod, "f", 0o777)
    as_user(1001, 1001, [], named)
    def of_group():
        may("f", os.O_RDONLY), may("f", os.O_RDWR, False), may("d/mine", os.O_RDONLY)
        refused(errno.EACCES, os.open, "d/his", os.O_CREAT | os.O_WRONLY)
    as_user(1002, 1002, [77], of_group)
    as_user(1003, 1003, [], none)
    os.chmod("f", 0o640)               # the mask: reading only
    as_user(1001, 1001, [], lambda: (may("f", os.O_RDONLY), may("f", os.O_RDWR, False)))
    os.chmod("f", 0o600)
    as_user(1001, 1001, [], lambda: may("f", os.O_RDONLY, False))
    set_("f", "u6 g0 o4")
    as_user(1001, 1001, [], lambda: may("f", os.O_RDONLY))

def inherited():
    os.mkdir("d")
    set_("d", "u7 U7:1001 g5 m7 o5", DEFAULT)
    is_((mode("d"), os.listxattr("d")), (0o777, [DEFAULT]))
    os.umask(0o077)                    # counts for nothing here
    touch("d/f", 0o666)
    is_((mode("d/f"), text("d/f")), (0o664, "u6 U7:1001 g5 m6 o4"))
    refused(errno.EACCES, set_, "d/f", "u7 g5 o0", DEFAULT)
    touch("d/small", 0o600)
    is_((mode("d/small"), text("d/small")), (0o600, "u6 U7:1001 g5 m0 o0"))
    os.mkdir("d/e", 0o777)
    is_((mode("d/e"), text("d/e"), text("d/e", DEFAULT)),
        (0o775, "u7 U7:1001 g5 m7 o5", "u7 U7:1001 g5 m7 o5"))
    touch("d/e/f", 0o640)
    is_(text("d/e/f"), "u6 U7:1001 g5 m4 o0")
    os.mkfifo("d/fifo", 0o622)
    is_(text("d/fifo"), "u6 U7:1001 g5 m2 o0")
    os.symlink("f", "d/l")
    is_((mode("d/l"), os.listxattr("d/l", follow_symlinks=False)), (0o777, []))
    s = socket.socket(socket.AF_UNIX)
    s.bind("d/socket")
    is_(text("d/socket"), "u7 U7:1001 g5 m0 o0")   # bind(2) applies the umask itself
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o666)
    os.link(f"/proc/self/fd/{fd}", "d/was-tmp", src_dir_fd=fd, follow_symlinks=True)
    is_(text("d/was-tmp"), "u6 U7:1001 g5 m6 o4")
    set_("d/e", "u7 g5 o1", DEFAULT)   # kept, though it says no more than a mode
    touch("d/e/g", 0o666)
    is_((mode("d/e/g"), os.listxattr("d/e/g")), (0o640, []))
    os.mkdir("d/e/h", 0o777)
    is_((mode("d/e/h"), os.listxattr("d/e/h")), (0o751, [DEFAULT]))
    os.removexattr("d/e", DEFAULT)
    os.removexattr("d/e", DEFAULT)
    touch("d/e/i", 0o666)
    is_(mode("d/e/i"), 0o600)          # the umask again
    os.mkdir("masked", 0o777)
    is_(mode("masked"), 0o700)
    os.mkfifo("masked/fifo", 0o666)
    is_(mode("masked/fifo"), 0o600)

def setgid():
    os.mkdir("d"); touch("d/f")
    os.chown("d/f", 1001, 77)
    os.chmod("d/f", 0o2755)
    def member():
        set_("d/f", "u7 U7:5 g5 m5 o5")
    as_user(1001, 1001, [77], member)
    is_(mode("d/f"), 0o2755)
    def not_member():
        set_("d/f", "u7 U7:5 g5 m7 o5")
    as_user(1001, 1001, [], not_member)
    is_((mode("d/f"), text("d/f")), (0o775, "u7 U7:5 g5 m7 o5"))
    os.chmod("d/f", 0o2755)
    as_user(1001, 1001, [], lambda: set_("d/f", "u7 g7 o5"))
    is_(mode("d/f"), 0o775)
    os.chmod("d", 0o2777)
    os.chown("d", 0, 77)
    set_("d", "u7 U7:1001 g7 m7 o7", DEFAULT)
    as_user(1001, 1001, [], lambda: os.mkdir("d/e"))
    is_((mode("d/e"), os.stat("d/e").st_gid), (0o2777, 77))

globals()[sys.argv[2]]()
PY
acl() { mkdir "$mnt/$1" && timeout 30 python3 "$work/acl.py" "$mnt/$1" "$1"; }
# Of all below: names, modes, owners, ACLs, xattrs.
picture() { (cd "$1" && getfacl -Rp . && getfattr -Rd -m user. .); }

chmod 755 "$work"
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
for part in agree wrong decides inherited setgid; do
	ok "$part" acl $part
done

tree=$mnt/tree
mkdir "$tree"
setfacl -m u:1001:rwx,g:77:r-x,d:u:1002:rw-,d:m::rwx "$tree"
mkdir "$tree/sub"
echo text >"$tree/sub/file"
setfacl -m u:1003:r-- "$tree/sub/file"
setfattr -n user.x -v y "$tree/sub/file"
ln -s file "$tree/sub/link"
picture "$tree" >"$work/before" 2>/dev/null
like "getfacl shows what setfacl set" "$(<"$work/before")" "^user:1003:r--"
copied() {
	picture "$1" 2>/dev/null | diff "$work/before" -
}
cp -a "$tree" "$mnt/cp"
ok "cp -a keeps them" copied "$mnt/cp"
mkdir "$mnt/tar"
tar -C "$tree" --acls --xattrs -cf - . | tar -C "$mnt/tar" --acls --xattrs -xpf -
ok "tar --acls keeps them" copied "$mnt/tar"
mkdir "$mnt/rsync"
rsync -aAX "$tree/" "$mnt/rsync/"
ok "rsync -A keeps them" copied "$mnt/rsync"
setfacl -R -b "$mnt/cp"
is "setfacl -b takes them all away" "$(getfacl -Rsp "$mnt/cp")" ""

getfacl -Rp "$mnt" >"$work/all"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
udax_mount pmem0
ok "kept" eval 'getfacl -Rp "$mnt" | diff "$work/all" -'
free=$(stat -f -c %f "$mnt")
ok "removed" eval 'rm -r "$mnt"/*'
more_free() { [ "$(stat -f -c %f "$mnt")" -gt "$free" ]; }
ok "their blocks are free again" wait_until 5 more_free
ok "umount and check" eval 'udax_umount && device_clean pmem0'
