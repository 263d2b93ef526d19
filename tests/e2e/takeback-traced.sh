#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that nobody can take anything from: deaf, and in a debugger's hands.
# The command says so in time and names it; it is cancelled; then it may kill.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse
requires python3
plan 27

# Traces until its input ends.
cat >"$work/tracer.py" <<'PY'
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
print('traces' if libc.ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0 else 'fails', flush=True)
sys.stdin.read()
PY

two_devices
ok "a file on the second device" file_on_b file 262144
ok "a client that answers maps it" lessee good "$mnt/file" library 2
ok "one that is deaf, too" lessee deaf "$mnt/file" deaf 2
coproc TRACER { exec python3 "$work/tracer.py" "${pid[deaf]}"; }
read -r -t 20 line <&"${TRACER[0]}"
is "a debugger has the deaf one" "$line" traces

remove_b --timeout=3
is "the deadline passes: exit 3" $? 3
is "revoking: a lease is out" "$(of_removed state)" revoking
is "the good one has lost it" "$(say good 'load 0')" "SIGBUS BUS_ADRERR right"
is "the deaf one is named, alone" "$(holders_of_b)" "lease:${pid[deaf]}"
is "and still stores" "$(say deaf 'store 4096 77')" ok
is "nobody gets a new lease" "$(say good remap)" ENXIO
status "a second removal is refused" 4 udaxctl remove-device "$mnt" "$work/b"
status "waiting for it has its deadline" 3 udaxctl wait-device "$mnt" "$work/b" --state=dead --timeout=0.3

ok "cancelled" timeout 20 udaxctl cancel-remove "$mnt" "$work/b"
is "the device is live" "$(on_b state)" live
is "what was revoked stays so" "$(say good 'load 0')" "SIGBUS BUS_ADRERR right"
remapped() { [ "$(say good remap)" = ok ]; }
ok "it may ask again" wait_until 10 remapped
is "and sees what the other stored" "$(say good 'load 4096')" 77
is "the deaf one was never disturbed" "$(say deaf 'load 4096')" 77
ok "and is alive" alive "${pid[deaf]}"

remove_b --mode=kill --timeout=20
is "with --mode=kill the removal ends" $? 0
is "dead" "$(of_removed state)" dead
# Its tracer has to let go of what is left of it.
ok "by its end" wait_until 5 gone "${pid[deaf]}"
ok "the good one lives" alive "${pid[good]}"
is "without the device" "$(say good 'load 0')" "SIGBUS BUS_ADRERR right"
lessee_end good
ok "the ledger adds up" udaxctl verify "$mnt"
ok "unmounts" udax_umount
ok "both pass the full check" device_clean a b
