# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# functions.sh: what every end-to-end test sources. Speaks TAP.
#
#   . "${srcdir:-.}/tests/lib/functions.sh"
#   plan 3                        how many checks follow (or done_testing)
#   ok "sentence" command...      passes when the command succeeds
#   not_ok "sentence" command...  passes when it fails
#   is "sentence" got expected
#   like "sentence" text pattern  the text has a line that matches
#   status "sentence" N command...  exit status N; $out and $err are what it said
#   udax_mkfs NAME...             devices $work/NAME, 64M each (UDAX_SIZE)
#   udax_mount [-o OPT] NAME...   mounted on $mnt, daemon's pid in $daemon
#                                 (UDAX_OPTIONS: for every mount of a test)
#   short_long N M                N, in the long form of a test (UDAX_LONG) M
#   udax_populate                 files of every sort in $mnt (needs setfattr)
#   udax_filled NAME              $work/NAME with all that on it, unmounted: 3 checks
#   udax_umount                   and wait for the daemon to end
#   udax_kill                     kill -9 of the daemon; its mount is taken away
#
# Everything lives in $work, removed at the end; what is mounted below it is
# unmounted, or aborted by fusectl, whatever happens.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
build=$(pwd)
PATH=$build:$build/tests/lib:$PATH
# Where the scripts' Python finds calls.py; it leaves nothing in the source tree.
export PYTHONPATH=$srcdir/tests/lib${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1

checks=0 planned=0 failures=0
out='' err=''
# On tmpfs if there is one: a store is made durable by msync, and a disk's is slow.
memory=/dev/shm
[ -w $memory ] && [ "$(stat -f -c %T $memory)" = tmpfs ] || memory=${TMPDIR:-/tmp}
work=$(mktemp -d "$memory/udaxfs-test.XXXXXX")
mnt=$work/mnt
mkdir "$mnt"
daemon=

plan() { planned=$1; echo "1..$1"; }
done_testing() { planned=$checks; echo "1..$checks"; }
diag() { printf '%s\n' "$@" | sed 's/^/# /'; }
skip_all() { echo "1..0 # SKIP $*"; planned=0 checks=0; exit 0; }

report() {
	checks=$((checks + 1))
	if [ "$1" = 0 ]; then
		echo "ok $checks - $2"
	else
		failures=$((failures + 1))
		echo "not ok $checks - $2"
		return 1
	fi
}

ok() {
	local name=$1 rc=0
	shift
	"$@" >"$work/.said" 2>&1 || rc=$?	# in this shell: it may set variables
	report "$rc" "$name" || diag "$* (status $rc)" "$(cat "$work/.said")"
}

not_ok() {
	local name=$1 rc=0
	shift
	"$@" >"$work/.said" 2>&1 && rc=1
	report "$rc" "$name" || diag "$* succeeded" "$(cat "$work/.said")"
}

is() {
	local rc=0
	[ "$2" = "$3" ] || rc=1
	report "$rc" "$1" || diag "got:      $2" "expected: $3"
}

like() {
	local rc=0
	printf '%s\n' "$2" | grep -Eq -- "$3" || rc=1
	report "$rc" "$1" || diag "got:      $2" "expected: $3"
}

# status NAME EXPECTED COMMAND...: the exit status itself.
status() {
	local name=$1 expected=$2 rc=0
	shift 2
	timeout 120 "$@" >"$work/.out" 2>"$work/.err" || rc=$?
	out=$(<"$work/.out") err=$(<"$work/.err")
	is "$name" "$rc" "$expected" || diag "$*" "$out" "$err"
}

# json FILE-OR-TEXT EXPRESSION: one value, by Python on the object `j`.
json() { python3 -c 'import json,sys; j=json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$1" "$2"; }

requires() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "needs $program"
	done
}

requires_fuse() {
	[ -c /dev/fuse ] || skip_all "needs /dev/fuse"
}

# A sanitizer's runtime cannot be loaded into programs built without it.
requires_preload() {
	grep -q '^UDAX_CFLAGS = .*-fsanitize=' "$build/Makefile" &&
		skip_all "udax-run cannot run programs in a build with sanitizers"
	return 0
}

short_long() { if [ -n "${UDAX_LONG:-}" ]; then echo "$2"; else echo "$1"; fi; }

# Process state by /proc, never by kill -0: orphans are reaped late.
alive() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
	[ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# wait_until SECONDS COMMAND...
wait_until() {
	local tries=$(($1 * 50))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.02
	done
}
gone() { ! alive "$1"; }
mounted() { grep -q " $1 fuse.udaxfs " /proc/mounts; }
unmounted() { ! mounted "$1"; }

udax_mkfs() {
	local name
	local -a paths=()
	for name; do paths+=("$work/$name"); done
	mkfs.udaxfs -q -f -s "${UDAX_SIZE:-64M}" "${paths[@]}" ||
		{ diag "mkfs.udaxfs ${paths[*]} failed"; exit 1; }
}

daemon_of() {
	udaxctl list "$1" --json 2>/dev/null |
		sed -n 's/.*"pid":\([0-9]*\).*/\1/p'
}

udax_mount() {
	local name
	local -a options=() paths=()
	[ -z "${UDAX_OPTIONS:-}" ] || options+=(-o "$UDAX_OPTIONS")
	while [ "${1:-}" = -o ]; do options+=(-o "$2"); shift 2; done
	for name; do paths+=("$work/$name"); done
	timeout 30 udaxfs "${paths[@]}" "$mnt" "${options[@]}" || return
	daemon=$(daemon_of "$mnt")
}

# A bit of everything: 407 files, 5 directories, a symlink, a FIFO, xattrs.
udax_populate() (
	cd "$mnt" || exit 1
	mkdir -p dir/sub/deeper other
	for i in {1..400}; do : >"dir/file-$i"; done
	echo inline >small
	head -c 300000 /dev/urandom >large
	for i in {1..4}; do head -c $((i * 5000)) /dev/zero >"file-$i"; done
	for i in {1..200..2}; do
		dd if=/dev/urandom of=holes bs=4096 seek="$i" count=1 \
			conv=notrunc status=none
	done
	ln large hard
	ln -s target symbolic
	mkfifo fifo
	setfattr -n user.short -v value large
	setfattr -n user.long -v "$(printf '%03000d' 0)" large
	for i in {1..60}; do
		setfattr -n "user.number-$i" -v "$(printf '%0100d' 0)" file-1
	done
)

udax_filled() {
	udax_mkfs "$1"
	ok "mounted" udax_mount "$1"
	ok "filled" udax_populate
	ok "unmounted" udax_umount
}

udax_umount() {
	timeout 30 umount "$mnt" ||
		{ diag "$(find /proc/[0-9]*/{cwd,root,exe,fd} -lname "$mnt*" 2>/dev/null)"; return 1; }
	[ -z "$daemon" ] || wait_until 20 gone "$daemon" ||
		{ diag "daemon $daemon lives 20 s after umount"; return 1; }
	daemon=
}

udax_kill() {
	kill -9 "$daemon"
	wait_until 10 gone "$daemon" || { diag "daemon $daemon lives after SIGKILL"; return 1; }
	umount -l "$mnt"
	daemon=
}

# The number of a mount's connection in fusectl: the minor of its device.
connection_of() { awk -v at="$1" '$5 == at { split($3, n, ":"); print n[2] }' /proc/self/mountinfo; }

abort_mount() {
	local n control=/sys/fs/fuse/connections
	n=$(connection_of "$1")
	[ -d "$control/${n:-none}" ] || mount -t fusectl none "$control" 2>/dev/null
	[ -z "$n" ] || echo 1 2>/dev/null >"$control/$n/abort"
	umount -l "$1" 2>/dev/null
}

# Commands to run at the end, last one first.
at_exit=()
defer() { at_exit+=("$*"); }

clean_up() {
	local rc=$? at i
	trap - EXIT
	for ((i = ${#at_exit[@]} - 1; i >= 0; i--)); do eval "${at_exit[i]}" >/dev/null 2>&1; done
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	while read -r at; do
		timeout 20 umount "$at" 2>/dev/null || abort_mount "$at"
	done < <(awk -v work="$work/" 'index($2, work) == 1 && $3 ~ /^fuse/ { print $2 }' /proc/mounts)
	[ -z "$daemon" ] || wait_until 10 gone "$daemon" || kill -9 "$daemon" 2>/dev/null
	rm -rf --one-file-system "$work"
	if [ "$rc" = 0 ]; then
		[ "$checks" = "$planned" ] || { diag "planned $planned, ran $checks"; rc=1; }
		[ "$failures" = 0 ] || rc=1
	fi
	exit "$rc"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# --- a program with a file mapped (tests/lib/mapper.c) ---------------------
# mapper_start FILE [ro|private]; ask LINE → one line; mapper_end
mapper_start() { program_start mapper "$@"; }
# user_start FILE [ro] [lazy] [resume]: the same with libudax (tests/lib/udax_user.c)
user_start() { program_start udax_user "$@"; }
program_start() {
	local line
	coproc MAPPER { exec "$@"; }
	mapper=$MAPPER_PID
	to_mapper=${MAPPER[1]} from_mapper=${MAPPER[0]}
	read -r -t 20 line <&"$from_mapper" && [ "$line" = mapped ] ||
		{ diag "$*: ${line:-no answer}"; return 1; }
}
ask() {
	local answer
	printf '%s\n' "$1" >&"$to_mapper"
	read -r -t 20 answer <&"$from_mapper" || answer="no answer in 20 s"
	echo "$answer"
}
mapper_end() {
	eval "exec $to_mapper>&-"
	wait "$mapper" 2>/dev/null
}

# --- after a removal ---------------------------------------------------------
# device_clean NAME: unmounted (or removed), it passes the full check.
device_clean() { fsck.udaxfs -n "${@/#/$work/}"; }
