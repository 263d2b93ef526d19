#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# -o ro: all is readable, nothing is stored, not one byte; also with a log
# that waits to be replayed, and from a device that may only be read.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 25

sum() { sha256sum <"$work/pmem0"; }
contents() { (cd "$mnt" && find . -printf '%p %y %m %U %G %s %T@ %l\n' | sort && find . -type f | sort | xargs -d '\n' sha256sum); }
make_some() {
	mkdir -p "$mnt/d/e" && head -c 300000 /dev/urandom >"$mnt/large" &&
		echo small >"$mnt/d/small" && ln -s d/small "$mnt/link" &&
		truncate -s 10M "$mnt/sparse" && seq 1 400 | sed "s|^|$mnt/d/n|" | xargs touch &&
		setfattr -n user.a -v 1 "$mnt/large"
}
cat >"$work/refused.py" <<'PY'
import calls, errno, functools, mmap, os, sys
os.chdir(sys.argv[1])
refused = functools.partial(calls.refused, errno.EROFS)
refused(os.open, "large", os.O_RDWR)
refused(os.open, "large", os.O_WRONLY | os.O_APPEND)
refused(os.open, "large", os.O_RDONLY | os.O_TRUNC)
refused(os.open, "new", os.O_CREAT | os.O_WRONLY)
refused(os.open, ".", os.O_TMPFILE | os.O_RDWR)
for call in os.mkdir, os.mknod, os.mkfifo:
    refused(call, "new")
refused(os.symlink, "x", "new")
refused(os.link, "large", "new")
refused(os.unlink, "large")
refused(os.rmdir, "d/e")
refused(os.rename, "large", "new")
refused(os.truncate, "large", 5)
refused(os.chmod, "large", 0o600)
refused(os.chown, "large", 1, 1)
refused(os.utime, "large")
refused(os.setxattr, "large", "user.b", b"1")
refused(os.removexattr, "large", "user.a")
assert os.getxattr("large", "user.a") == b"1"
fd = os.open("large", os.O_RDONLY)
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
assert m[:] == open("large", "rb").read()
s = mmap.mmap(os.open("sparse", os.O_RDONLY), 0, prot=mmap.PROT_READ)
assert s[5000000:5001000] == bytes(1000)
p = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
p[0] = p[0] ^ 255
assert os.fsync(fd) is None
PY

udax_mkfs pmem0
udax_mount pmem0
ok "a tree is made" make_some
before=$(contents)
udax_umount
clean=$(sum)
ok "mounts read-only" udax_mount -o ro pmem0
like "says so" "$(grep " $mnt " /proc/mounts)" " ro,"
is "all is there" "$(contents)" "$before"
ok "every change is refused" timeout 20 python3 "$work/refused.py" "$mnt"
mount -i -o remount,rw "$mnt" 2>/dev/null
ok "remounted read-write, the daemon refuses" timeout 20 python3 "$work/refused.py" "$mnt"
ok "umount" udax_umount
is "not one byte has changed" "$(sum)" "$clean"

# With a log to replay: killed while its last changes are in the log only.
udax_mount pmem0
mv "$mnt/d/small" "$mnt/moved" && rm "$mnt/d/n1" && echo more >>"$mnt/moved"
mkdir "$mnt/late" && head -c 100000 /dev/urandom >"$mnt/late/file"
before=$(contents)
kill -9 "$daemon" && wait_until 10 gone "$daemon"
umount -l "$mnt"
daemon=
dirty=$(sum)
ok "killed; mounts read-only" udax_mount -o ro pmem0
is "all is there, the last changes too" "$(contents)" "$before"
ok "every change is refused" timeout 20 python3 "$work/refused.py" "$mnt"
ok "umount" udax_umount
is "not one byte has changed" "$(sum)" "$dirty"
fsck.udaxfs -n "$work/pmem0" >/dev/null
is "fsck -n changes nothing either" "$(sum)" "$dirty"
ok "mounts read-write" udax_mount pmem0
is "and all is there" "$(contents)" "$before"
ok "umount and check" eval 'udax_umount && device_clean pmem0'

# A file that may not be written
clean=$(sum)
chmod 400 "$work/pmem0"
chattr +i "$work/pmem0" 2>/dev/null && defer chattr -i "$work/pmem0"
ok "mounts a read-only device read-only" udax_mount -o ro pmem0
is "all is there" "$(contents)" "$before"
ok "umount" udax_umount
is "not one byte has changed" "$(sum)" "$clean"
chattr -i "$work/pmem0" 2>/dev/null
chmod 600 "$work/pmem0"

# two at a time
ok "mounts" udax_mount -o ro pmem0
first=$daemon
mkdir "$work/second"
status "a read-write mount beside it is refused" 32 udaxfs "$work/pmem0" "$work/second"
like "and says who has it" "$err" "in use.*$first"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
