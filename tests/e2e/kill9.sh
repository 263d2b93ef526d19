#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 under load, again and again: what was acknowledged is there, the
# device passes fsck, and mounts.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
rounds=${UDAX_KILL_ROUNDS:-20}
plan $((rounds * 3 + 1))

# Writes whole files of its own, renames them into place and says which; the
# content follows from the name.
cat >"$work/load.py" <<'PY'
import os, random, sys
top, worker, seed, log = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
random.seed(f"{worker} {seed}")
said = open(log, "a", buffering=1)
n = 0
try:
    os.makedirs(f"{top}/w{worker}", exist_ok=True)
    while True:
        n += 1
        name = f"{top}/w{worker}/f{random.randrange(40)}"
        what = f"{worker} {seed} {n}"
        length = random.choice([10, 300, 5000, 70000, 600000])
        with open(name + ".new", "wb", buffering=0) as f:
            left = length
            block = (what + "\n").encode() * (length // len(what) + 1)
            f.write(block[:length])
        os.rename(name + ".new", name)
        said.write(f"{name} {length} {what}\n")
        if random.random() < 0.1:
            gone = f"{top}/w{worker}/f{random.randrange(40)}"
            if os.path.exists(gone):
                said.write(f"{gone} removing\n")
                os.unlink(gone)
                said.write(f"{gone} removed\n")
except OSError:
    pass
PY
cat >"$work/verify.py" <<'PY'
import os, sys
state = {}
for line in open(sys.argv[1]):
    name, *rest = line.split(" ")
    if rest[0].startswith("remov"):
        state[name] = None if rest[0] == "removed\n" else ...
    else:
        state[name] = (int(rest[0]), " ".join(rest[1:]).rstrip("\n"))
bad = 0
last = {}
for name in state:
    last[os.path.dirname(name)] = name
for name, expected in state.items():
    if expected is ...:
        continue                        # the kill came between
    if expected is None:
        continue                        # may have been made anew, unsaid
    length, what = expected
    try:
        data = open(name, "rb").read()
    except OSError as e:
        print(name, e)
        bad += 1
        continue
    first = data.split(b"\n")[0].decode()
    # newer than said: the rename came through and the line did not
    if first != what and int(first.split()[2]) > int(what.split()[2]) and first.split()[:2] == what.split()[:2]:
        continue
    if data != ((what + "\n").encode() * (length // len(what) + 1))[:length]:
        print(name, "is", len(data), first, "should be", length, what)
        bad += 1
sys.exit(bad != 0)
PY

udax_mkfs pmem0
for ((round = 0; round < rounds; round++)); do
	udax_mount pmem0 || exit 1
	pids=()
	for worker in 0 1 2; do
		python3 "$work/load.py" "$mnt" $worker $round "$work/log$worker" &
		pids+=($!)
	done
	wait_until 20 grep -q " $round " "$work/log2"
	sleep "0.$((3 + RANDOM % 6))"
	kill -9 "$daemon"
	wait_until 10 gone "$daemon"
	wait "${pids[@]}"
	umount -l "$mnt"
	daemon=
	fsck.udaxfs -n "$work/pmem0" >"$work/fsck" 2>&1
	rc=$?
	ok "round $round: fsck finds nothing worse than a log to replay" [ $((rc & ~4)) = 0 ]
	ok "round $round: mounts" udax_mount pmem0
	verify() { cat "$work"/log? >"$work/log" && timeout 60 python3 "$work/verify.py" "$work/log"; }
	ok "round $round: what was acknowledged is there" verify
	udax_umount || exit 1
done
ok "the device is clean" device_clean pmem0
