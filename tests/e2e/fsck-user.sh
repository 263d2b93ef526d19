#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# fsck.udaxfs and who runs it: what it asks on a terminal, and nowhere else; that
# it may be interrupted; what becomes of a full filesystem.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires python3
export PMEM2_FORCE_GRANULARITY=BYTE
dev=$work/dev good=$work/good

# on_terminal ANSWER COMMAND...: on a terminal of its own, the answer (with \n;
# \x03 interrupts, \x04 is the end of input) typed when it asks; what was shown, then the status.
on_terminal() {
	timeout 60 python3 - "$@" <<-'PY'
		import os, pty, sys
		answer = sys.argv[1].encode().decode("unicode_escape").encode()
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[2], sys.argv[2:])
		shown = b""
		while True:
		    try:
		        more = os.read(fd, 4096)
		    except OSError:
		        break
		    if not more:
		        break
		    shown += more
		    if answer and shown.endswith(b"[n] "):
		        line, _, answer = answer.partition(b"\n")
		        os.write(fd, line if line in (b"\3", b"\4") else line + b"\n")
		print(shown.decode().replace("\r", ""))
		print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PY
}

# asked NAME ANSWER STATUS OPTION...: on a terminal it asks.
asked() {
	local name=$1 answer=$2 expected=$3
	shift 3
	out=$(on_terminal "$answer" fsck.udaxfs "$@" "$dev" 2>&1)
	like "$name" "$out" '^Mend nothing \(n\)'
	is "... status" "$(tail -n 1 <<<"$out")" "status $expected"
}

silent() {
	local name=$1 expected=$2
	shift 2
	out=$(on_terminal "" fsck.udaxfs "$@" "$dev" 2>&1)
	is "$name" "$(grep -c Mend <<<"$out"; tail -n 1 <<<"$out")" "0
status $expected"
}

fresh() { cp --sparse=always "$1" "$dev"; }
unwritten() { ok "... nothing is written" cmp "$dev" "$1"; }

mkfs.udaxfs -q -s 16M "$good"
ok "filled" tree_image fill "$good"
ino() { poke "$good" lookup 1 "$1"; }
cp --sparse=always "$good" "$work/safe"
poke "$work/safe" inode "$(ino small)" nlink 3
cp --sparse=always "$good" "$work/worse"
poke "$work/worse" flip $(($(poke "$good" where node "$(ino holes)") + 30))

# --------------------------------------------------------------------- asked
fresh "$good"
silent "nothing is wrong: nothing is asked" 0
for answer in 'n\n' '\n' '\x04\n' 'what\nmaybe\nn\n'; do
	fresh "$work/safe"
	asked "answered ${answer@Q}" "$answer" 4
	unwritten "$work/safe"
done
fresh "$work/safe"
asked "interrupted while it asks" '\x03\n' 32
unwritten "$work/safe"
fresh "$work/safe"
asked "what is safe, safely" 'p\n' 1
status "... mends it" 0 fsck.udaxfs -n "$dev"
fresh "$work/worse"
asked "what is not safe, safely" 'p\n' 4
unwritten "$work/worse"
fresh "$work/worse"
asked "all of it" 'y\n' 1
status "... mends it" 0 fsck.udaxfs -n "$dev"
fresh "$work/worse"
silent "-n asks nothing" 4 -n
silent "-p asks nothing" 4 -p -f
silent "--json asks nothing" 4 --json
unwritten "$work/worse"
status "what is no terminal is asked nothing" 4 fsck.udaxfs "$dev" <<<y
unwritten "$work/worse"
silent "-y asks nothing" 1 -y

fresh "$work/worse"
status "--json" 1 fsck.udaxfs -y --json "$dev"
is "... says what was done" \
	"$(json "$out" 'j["clean"], j["exit"], j["problems_left"], [(p["kind"], p["fixed"]) for p in j["problems"]]')" \
	"(True, 1, 0, [('tree', True)])"

# --------------------------------------------------------------- interrupted
# Sooner and later; what counts is what another run makes of what is left.
interrupted=0 said=
for signal in INT TERM; do
	for ((delay = 1; delay <= 20; delay++)); do
		rc=0
		fresh "$work/worse"
		timeout --preserve-status -s $signal "0.$(printf %03d $delay)" \
			fsck.udaxfs -y "$dev" >"$work/out" 2>&1 || rc=$?
		case $rc in
		32) interrupted=$((interrupted + 1)) ;;
		1) ;;
		# before it had begun
		130 | 143) ;;
		*) said+="SIG$signal after $delay ms: $rc " ;;
		esac
		fsck.udaxfs -y "$dev" >"$work/out" 2>&1
		fsck.udaxfs -n "$dev" >"$work/out" 2>&1 ||
			said+="SIG$signal after $delay ms: $(head -n 1 "$work/out") "
	done
done
is "SIGINT and SIGTERM, and another run" "$said" ""
diag "$interrupted interrupted"

# ---------------------------------------------------------------------- full
requires_fuse
mkfs.udaxfs -q -f -s 16M "$dev"
ok "filled up" tree_image full "$dev"
crowd=$(poke "$dev" lookup 1 crowd)
poke "$dev" flip $(($(poke "$dev" where node "$crowd") + 30))
status "a large directory, and no room to make it anew" 4 fsck.udaxfs -y "$dev"
like "... is said" "$out" "inode $crowd: no room to mend it"
like "... and what to do" "$out" "mount it, make room"
like "... and nothing was mended" "$out" "2 problems left, 0 fixed"
status "... again" 4 fsck.udaxfs -y --json "$dev"
is "... nothing is called fixed" \
	"$(json "$out" 'j["problems_left"], j["problems_fixed"], any(p["fixed"] for p in j["problems"])')" \
	"(2, 0, False)"
ok "it can be mounted" udax_mount dev
ok "... room be made" rm "$mnt/filler"
ok "... and unmounted" udax_umount
status "then it is mended" 1 fsck.udaxfs -y "$dev"
like "... whole" "$out" "1501 entries kept, 0 dropped"
status "... for good" 0 fsck.udaxfs -n "$dev"
done_testing
