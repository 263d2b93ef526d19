#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# session.sh [SECONDS]: CPU microseconds an operation, client and daemon, and
# operations a second, of the null server: its session module against
# libfuse's loop. One line a case.
set -u
seconds=${1:-2}
server=${NULL_SERVER:-tests/bench/null_server}
work=$(mktemp -d)
mkdir "$work/mnt"
pid=

finish() {
	umount -l "$work/mnt" 2>/dev/null
	[ -n "$pid" ] && wait "$pid"
	rmdir "$work/mnt" && rm -rf "$work"
}
trap finish EXIT

ticks() {
	sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
}

# NAME RW BLOCK JOBS
run() {
	local before after
	before=$(ticks)
	fio --name=x --filename="$work/mnt/f0" --rw="$2" --bs="$3" \
		--numjobs="$4" --group_reporting --direct=1 --ioengine=psync \
		--size=256m --time_based --runtime="$seconds" \
		--output-format=json >"$work/out" 2>/dev/null
	after=$(ticks)
	python3 - "$work/out" $((after - before)) "$@" <<'PY'
import json, os, sys
path, ticks, name, rw, block, jobs = sys.argv[1:]
job = json.load(open(path))["jobs"][0]
side = job["read" if "read" in rw else "write"]
ops = side["total_ios"]
# fio averages the jobs' shares over their runtimes
client = job["job_runtime"] / 1e3 * (job["usr_cpu"] + job["sys_cpu"]) / 100
daemon = int(ticks) / os.sysconf("SC_CLK_TCK")
print(f"{name:24} {rw:9} {block:>3} jobs {jobs}: "
      f"{(client + daemon) * 1e6 / ops:7.2f} us/op "
      f"(client {client * 1e6 / ops:6.2f} daemon {daemon * 1e6 / ops:6.2f})"
      f" {side['iops']:8.0f} op/s")
PY
}

# NAME OPTIONS...
serve() {
	local name=$1 i
	shift
	"$server" "$@" "$work/mnt" &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		[ -e "$work/mnt/f0" ] && break
		sleep 0.05
	done
	for rw in randread randwrite; do
		run "$name" $rw 4k 1
		run "$name" $rw 4k 4
	done
	[ -n "${LARGE:-}" ] && run "$name" read 1m 1 && run "$name" write 1m 1
	umount "$work/mnt"
	wait "$pid"
	pid=
}

if [ -n "${CASES:-}" ]; then
	while read -r name options; do
		# shellcheck disable=SC2086
		serve "$name" $options
	done <<<"$CASES"
else
	serve session
	serve libfuse -l
fi
