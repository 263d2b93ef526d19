#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may do what: modes, owners, suid, sgid, sticky, another user.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires getfattr setpriv unshare
[ "$(id -u)" = 0 ] || skip_all "needs root"
plan 22

cat >"$work/permissions.py" <<'PY'
import errno, os, stat, sys
from calls import as_user, fallocate, mode, refused
os.chdir(sys.argv[1])
os.umask(0)

def touch(path, m=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, m))

def modes():
    for m in 0o0, 0o600, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o6711, 0o1777:
        touch(f"m{m:o}", m)
        os.chmod(f"m{m:o}", m)
        assert mode(f"m{m:o}") == m
        os.mkdir(f"d{m:o}", m)
        os.chmod(f"d{m:o}", m)
        assert mode(f"d{m:o}") == m
    os.umask(0o027)
    touch("masked", 0o666)
    os.mkdir("masked-d")
    os.umask(0)
    assert (mode("masked"), mode("masked-d")) == (0o640, 0o750)
    for m in range(0, 0o1000, 0o111):
        os.chmod("masked", m)
        assert mode("masked") == m

def owners():
    touch("suid")
    for m, after in (0o6755, 0o755), (0o4711, 0o711), (0o2644, 0o2644), (0o2674, 0o674):
        os.chmod("suid", m)
        os.chown("suid", 1, 1)
        assert mode("suid") == after, f"{m:o}: {mode('suid'):o}"
    os.chmod("suid", 0o755)
    st = os.stat("suid")
    assert (st.st_uid, st.st_gid) == (1, 1)
    os.chown("suid", 2 ** 32 - 2, 2 ** 31)
    st = os.stat("suid")
    assert (st.st_uid, st.st_gid) == (2 ** 32 - 2, 2 ** 31)
    os.chown("suid", -1, 65534)
    st = os.stat("suid")
    assert (st.st_uid, st.st_gid) == (2 ** 32 - 2, 65534)
    os.symlink("suid", "link")
    os.chown("link", 5, 6, follow_symlinks=False)
    assert os.lstat("link").st_uid == 5 and os.stat("link").st_uid == 2 ** 32 - 2

def another():
    touch("private", 0o600)
    touch("readable", 0o644)
    touch("group", 0o640)
    os.chown("group", 0, 1234)
    os.mkdir("closed", 0o700)
    os.mkdir("open", 0o777)
    touch("closed/f", 0o666)
    def nobody():
        refused(errno.EACCES, os.open, "private", os.O_RDONLY)
        os.close(os.open("readable", os.O_RDONLY))
        refused(errno.EACCES, os.open, "readable", os.O_WRONLY)
        refused(errno.EACCES, os.open, "closed/f", os.O_RDONLY)
        refused(errno.EACCES, os.stat, "closed/f")
        refused(errno.EACCES, os.listdir, "closed")
        refused(errno.EACCES, os.mkdir, "new")
        refused(errno.EACCES, os.unlink, "readable")
        refused(errno.EPERM, os.chmod, "readable", 0o777)
        refused(errno.EPERM, os.chown, "readable", 65534, -1)
        refused(errno.EACCES, os.open, "group", os.O_RDONLY)
        refused(errno.EACCES, os.truncate, "readable", 0)
        touch("open/mine")
        assert os.stat("open/mine").st_uid == 65534
        assert not os.access("private", os.R_OK) and os.access("readable", os.R_OK)
        os.chmod("open/mine", 0o2755)
        os.utime("open/mine")
        refused(errno.EPERM, os.mknod, "open/dev", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    as_user(65534, 65534, [], nobody)
    def member():
        os.close(os.open("group", os.O_RDONLY))
        refused(errno.EACCES, os.open, "group", os.O_WRONLY)
    as_user(65534, 65534, [1234], member)

def sticky():
    os.mkdir("tmp", 0o777)
    os.chmod("tmp", 0o1777)
    as_user(1001, 1001, [], lambda: touch("tmp/his", 0o666))
    def other():
        refused(errno.EPERM, os.unlink, "tmp/his")
        refused(errno.EPERM, os.rename, "tmp/his", "tmp/mine")
        touch("tmp/own")
        refused(errno.EPERM, os.rename, "tmp/own", "tmp/his")
        os.unlink("tmp/own")
    as_user(1002, 1002, [], other)
    as_user(1001, 1001, [], lambda: os.unlink("tmp/his"))

def setgid():
    os.mkdir("g", 0o777)
    os.chown("g", 0, 777)
    os.chmod("g", 0o2777)
    def member():
        touch("g/file", 0o2775)
        os.mkdir("g/dir", 0o775)
        os.mkdir("g/dir/dir", 0o775)
    as_user(1001, 1001, [], member)
    for path in "g/file", "g/dir", "g/dir/dir":
        assert os.stat(path).st_gid == 777, path
    assert mode("g/dir") == mode("g/dir/dir") == 0o2775
    # no sgid for who is not in the group
    assert mode("g/file") == 0o775, oct(mode("g/file"))
    os.chown("g/file", 1001, 777)
    def not_member():
        os.chmod("g/file", 0o2775)
        assert mode("g/file") == 0o775, oct(mode("g/file"))
    as_user(1001, 1001, [], not_member)

def written():
    # a write or truncate by another user takes suid away; root keeps it
    for size, change in (10, lambda: os.truncate("s", 3)), (10, lambda: open("s", "ab").write(b"x")), \
            (100000, lambda: os.pwrite(os.open("s", os.O_WRONLY), b"x", 5)), \
            (10, lambda: os.open("s", os.O_WRONLY | os.O_TRUNC)):
        with open("s", "wb") as f:
            f.write(bytes(size))
        os.chmod("s", 0o6777)
        as_user(65534, 65534, [], change)
        assert mode("s") == 0o777, oct(mode("s"))
        os.unlink("s")
    with open("s", "wb") as f:
        f.write(b"1")
    os.chmod("s", 0o6777)
    with open("s", "ab") as f:
        f.write(b"1")
    assert mode("s") == 0o6777

def privileges():
    # suid, sgid and capabilities: what each call takes away, from whom
    caps = b"\1\0\0\2" + b"\0\4\0\0" + bytes(12)
    def fd():
        return os.open("p", os.O_RDWR)
    def chown():
        os.chown("p", -1, 1001)
    calls = {
        "write": lambda: os.write(fd(), b"x"),
        "extend": lambda: os.pwrite(fd(), b"x", 20000),
        "truncate": lambda: os.truncate("p", 5),
        "ftruncate": lambda: os.ftruncate(fd(), 5),
        "open": lambda: os.open("p", os.O_WRONLY | os.O_TRUNC),
        "allocate": lambda: fallocate(fd(), 0, 0, 5000),
        "punch": lambda: fallocate(fd(), 3, 0, 5000),
        "zero": lambda: fallocate(fd(), 16, 0, 5000),
        "copy": lambda: os.copy_file_range(os.open("src", os.O_RDONLY), fd(), 4096),
    }
    def fresh(m):
        for name in "p", "src":
            with open(name, "wb") as f:
                f.write(bytes(10000))
            os.chmod(name, 0o777)
        os.setxattr("p", "security.capability", caps)
        os.chmod("p", m)
        assert mode("p") == m
    def after(what, expected):
        assert mode("p") == expected, f"{what}: {mode('p'):o}, expected {expected:o}"
        assert os.listxattr("p") == [], what
    for name, call in calls.items():
        for m, stranger, member in (0o6777, 0o777, 0o777), (0o2767, 0o767, 0o2767), (0o4767, 0o767, 0o767):
            fresh(m)
            as_user(1001, 1001, [], call)
            after(f"{name} by another", stranger)
            fresh(m)
            as_user(1001, 1001, [5, 0], call)
            after(f"{name} by a member", member)
            fresh(m)
            as_user(0, 0, [], call)
            after(f"{name} by root", m)
    fresh(0o755)
    os.chown("p", 1001, 77)
    os.chmod("p", 0o2767)
    as_user(1001, 1001, [], chown)
    assert mode("p") == 0o767
    os.chmod("p", 0o6767)
    os.chown("p", 0, 0)
    assert mode("p") == 0o2767

globals()[sys.argv[2]]()
PY
permissions() { timeout 30 python3 "$work/permissions.py" "$mnt" "$1"; }
chmod 755 "$work"
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
is "the root is its owner's" "$(stat -c '%a %u %g' "$mnt")" "755 0 0"
for part in modes owners another sticky setgid written privileges; do
	ok "$part" permissions $part
done
# Root by name alone: without the capability, or with it in a namespace of its own.
cat >"$work/change.py" <<'PY'
import os, sys
fd = os.open("w", os.O_RDWR)
{"copy": lambda: os.copy_file_range(os.open("source", os.O_RDONLY), fd, 4096, 0, 0),
 "fallocate": lambda: os.posix_fallocate(fd, 0, 100000),
 "write": lambda: os.write(fd, b"x")}[sys.argv[1]]()
PY
left() { # left HOW COMMAND...: the mode that a change leaves
	local how=$1
	shift
	rm -f "$mnt/w"
	head -c 9000 /dev/zero | tee "$mnt/source" >"$mnt/w"
	chmod 6777 "$mnt/w"
	(cd "$mnt" && "$@" python3 "$work/change.py" "$how")
	stat -c %a "$mnt/w"
}
for how in copy fallocate write; do
	is "$how by root" "$(left $how)" 6777
	is "$how by root without CAP_FSETID" "$(left $how setpriv --bounding-set=-fsetid)" 777
	is "$how by root of a namespace" "$(left $how unshare -Ur)" 777
done
setfattr -n trusted.secret -v 1 "$mnt/source"
like "trusted attributes are listed for root" "$(getfattr -m - "$mnt/source" 2>/dev/null)" trusted.secret
is "not without CAP_SYS_ADMIN" "$(setpriv --bounding-set=-sys_admin getfattr -m - "$mnt/source")" ""
is "nor in a namespace of its own" "$(unshare -Ur getfattr -m - "$mnt/source")" ""
ok "umount and check" eval 'udax_umount && device_clean pmem0'
