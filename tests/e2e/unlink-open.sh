#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Removed while open or mapped: usable until the last close, then freed.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 6

cat >"$work/unlink.py" <<'PY'
import mmap, os, sys, time
os.chdir(sys.argv[1])
def free():
    return os.statvfs(".").f_bfree
before = free()
fd = os.open("file", os.O_RDWR | os.O_CREAT)
os.write(fd, b"x" * (8 << 20))
m = mmap.mmap(fd, 8 << 20)
m[4096] = 1
os.unlink("file")
assert os.fstat(fd).st_nlink == 0
assert os.pread(fd, 1, 4096) == b"\1"
os.ftruncate(fd, 12 << 20)
os.pwrite(fd, b"more", 10 << 20)
os.close(fd)
m[8192] = 2                     # the mapping keeps it
assert free() < before - 2000
m.close()
for _ in range(100):            # RELEASE and FORGET are not waited for
    if free() >= before - 8:
        break
    time.sleep(0.05)
assert free() >= before - 8, (before, free())
os.mkdir("dir")
d = os.open("dir", os.O_RDONLY)
os.rmdir("dir")
assert os.listdir(d) == []
os.close(d)
PY
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
ok "usable until closed, then freed" timeout 30 python3 "$work/unlink.py" "$mnt"
used() { df --output=iused "$mnt" | tail -1 | tr -d ' '; }
before=$(used)
# left open over the daemon's death: an orphan, freed at the next mount
exec 9>"$mnt/orphan"
head -c 4M /dev/zero >&9
rm "$mnt/orphan"
kill -9 "$daemon"
ok "killed" wait_until 10 gone "$daemon"
exec 9>&-
umount -l "$mnt"
daemon=
ok "mounts again" udax_mount pmem0
is "the orphan is gone" "$(used)" "$before"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
