#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# check.sh BUILD [KERNEL [TEST...]]: the demonstration and the end-to-end tests
# on another stock Debian kernel (6.1 unless named), in a virtual machine.
# Needs what tests/vm/vmrun needs. Not part of `make check`.
set -euo pipefail
build=$(cd "$1" && pwd) kernel=${2:-6.1}
shift $(($# < 2 ? $# : 2))
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT

mkdir -p "$share/build/tests/lib" "$share/build/fs/client/.libs" "$share/build/.libs" "$share/source"
cp "$build"/{udaxfs,mkfs.udaxfs,fsck.udaxfs,udaxctl,udax-run} "$share/build/"
cp "$build"/.libs/udax-cp "$share/build/"
cp "$build"/.libs/libudax.so.0 "$share/build/.libs/"
cp "$build"/fs/client/.libs/libudax_preload.so "$share/build/fs/client/.libs/"
find "$build/tests/lib" -maxdepth 1 -type f -perm -u+x -exec cp {} "$share/build/tests/lib/" \;
cp -r "$source_dir/tests" "$share/source/"
if [ $# -gt 0 ]; then
	printf '%s\n' "$@"
else
	# mkfs and fsck ask nothing of the kernel
	(cd "$source_dir" && printf '%s\n' tests/e2e/*.sh | grep -vE '/(mkfs|fsck)-')
fi >"$share/tests"
cat >"$share/run" <<'X'
#!/bin/bash
cd /host/build; export LD_LIBRARY_PATH=/host/build/.libs UDAX_KILL_ROUNDS=3 srcdir=/host/source TMPDIR=/tmp UDAX_DEMO_TREE=/usr/share
mkdir -p /dev/pts; mount -t devpts none /dev/pts 2>/dev/null; ln -sf pts/ptmx /dev/ptmx
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null
echo "kernel $(uname -r)"
echo "== demo"; bash /host/source/tests/demo.sh /host/build; rc=$?
[ $rc = 0 ] && passed=1 failed=0 || passed=0 failed=1
skipped=0
while read -r t; do
	timeout 600 bash "/host/source/$t" >/tmp/out 2>&1 </dev/null; rc=$?
	case $rc in
	0) passed=$((passed + 1)); echo "PASS: $t";;
	77) skipped=$((skipped + 1)); echo "SKIP: $t $(grep -o 'SKIP.*' /tmp/out | head -1)";;
	*) failed=$((failed + 1)); echo "FAIL: $t (status $rc)"; grep -A9 '^not ok' /tmp/out; tail -3 /tmp/out;;
	esac
done </host/tests
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
X
"$source_dir/tests/vm/vmrun" -k "$kernel" -l none -m 3072 -t "${UDAX_VM_LIMIT:-3000}" -d "$share" \
	-p "bash python3-minimal libfuse3-3 fuse3 liburing2 liburcu8 libjson-c5 libblkid1 libuuid1 libisal2 libxxhash0 coreutils util-linux bsdutils mount diffutils findutils grep sed gawk attr procps tar linux-libc-dev" \
	-- 'bash /host/run'
