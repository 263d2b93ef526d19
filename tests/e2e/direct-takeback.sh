#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device is taken back from clients of every character: obedient, deaf,
# stopped, lying, forked, traced, pinned. Without the library.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
remove=(udaxctl remove-device "$mnt" 0 --json --recall-ms=300 --zap-ms=1000 --kill-ms=1000)

# Each on a filesystem of its own: the file is on the only device.
begin() {
	udax_mkfs pmem0 && udax_mount pmem0 &&
		head -c 1048576 /dev/zero | tr '\0' a >"$mnt/data"
}
holder_start() {
	local line
	coproc HOLDER { exec direct_holder "$mnt/data" "$@"; }
	mapper=$HOLDER_PID
	to_mapper=${HOLDER[1]} from_mapper=${HOLDER[0]}
	read -r -t 20 line <&"$from_mapper" && [ "$line" = mapped ] ||
		{ diag "direct_holder: ${line:-no answer}"; return 1; }
}
holders() { udaxctl list-holders "$mnt" 0 --json; }
finish() {
	mapper_end
	ok "$1: umount and full check" eval 'udax_umount && device_clean pmem0'
}
state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }

# --- obedient
ok "obedient: begins" begin
ok "obedient: leases" holder_start
is "obedient: stores" "$(ask 'store 4096 7')" ok
is "obedient: the mount reads it" "$(od -An -tu1 -j4096 -N1 "$mnt/data" | tr -d ' ')" 7
held=$(holders)
is "obedient: list-holders names it" \
	"$(json "$held" '[(h["kind"],h["pid"],h["command"],h["path"],h["offset"],h["length"]) for h in j["holders"]]')" \
	"[('lease', $mapper, 'direct_holder', '$mnt/data', 0, 1048576)]"
is "obedient: filemap says so" "$(json "$(udaxctl filemap "$mnt/data" --json)" 'j["mapped_by"]')" lease
like "obedient: the socket is told" "$(udaxctl list "$mnt" --json)" "\"direct_socket\":\"[^\"]*/$daemon.direct\""
status "obedient: removed" 0 "${remove[@]}"
is "obedient: dead" "$(json "$out" 'j["state"]')" dead
is "obedient: one lease was revoked" "$(json "$out" 'j["leases_revoked"]')" 1
ok "obedient: at once" [ "$(json "$out" 'j["elapsed_us"]')" -lt 290000 ]
is "obedient: SIGBUS from then on" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
finish obedient

# --- deaf
ok "deaf: begins" begin
ok "deaf: leases" holder_start deaf
status "deaf: removed" 0 "${remove[@]}"
ok "deaf: after the recall's time" [ "$(json "$out" 'j["elapsed_us"]')" -gt 300000 ]
is "deaf: it was asked" "$(ask recalls)" 1
is "deaf: SIGBUS where it stores" "$(ask 'store 8192 1')" "SIGBUS BUS_ADRERR right"
finish deaf

# --- stopped
ok "stopped: begins" begin
ok "stopped: leases" holder_start
kill -STOP "$mapper"
ok "stopped: is" wait_until 5 eval "[ \"\$(state_of $mapper)\" = T ]"
status "stopped: removed" 0 "${remove[@]}"
is "stopped: still is" "$(state_of "$mapper")" T
kill -CONT "$mapper"
is "stopped: alive, SIGBUS" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
finish stopped

# --- liar
ok "liar: begins" begin
ok "liar: leases" holder_start liar
status "liar: removed" 0 "${remove[@]}"
is "liar: SIGBUS" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
finish liar

# --- a child maps on
ok "forked: begins" begin
ok "forked: leases" holder_start
child=$(ask fork)
defer kill -9 "$child"
mapper_end
child_is_named() { sleep 0.2; [ "$(json "$(holders)" '[(h["kind"],h["pid"]) for h in j["holders"]]')" = "[('lease', $child)]" ]; }
ok "forked: the child is the holder" wait_until 1 child_is_named
status "forked: removed" 0 "${remove[@]}"
ok "forked: the child lives" alive "$child"
kill -9 "$child"
ok "forked: umount and full check" eval 'udax_umount && device_clean pmem0'

# --- hung up
ok "hung up: begins" begin
ok "hung up: leases" holder_start
is "hung up: is" "$(ask hangup)" ok
is "hung up: maps on" "$(ask 'load 0')" 97
sleep 0.2
is "hung up: is a holder still" "$(json "$(holders)" '[h["pid"] for h in j["holders"]]')" "[$mapper]"
status "hung up: removed" 0 "${remove[@]}"
is "hung up: SIGBUS" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
finish "hung up"

# --- traced: cannot be zapped
ok "traced: begins" begin
ok "traced: leases" holder_start deaf
is "traced: is" "$(ask traced)" ok
status "traced: the deadline passes" 3 "${remove[@]}" --timeout=1.5
is "traced: revoking" "$(json "$out" 'j["state"]')" revoking
is "traced: named" "$(json "$(holders)" '[(h["kind"],h["pid"]) for h in j["holders"]]')" "[('lease', $mapper)]"
is "traced: maps on" "$(ask 'load 0')" 97
status "traced: cancelled" 0 udaxctl cancel-remove "$mnt" 0
status "traced: removed by force" 0 "${remove[@]}" --mode=kill --timeout=20
ok "traced: it is dead" wait_until 5 gone "$mapper"
finish traced

# --- pinned
ok "pinned: begins" begin
ok "pinned: leases" holder_start
is "pinned: is" "$(ask 'pin 4096 8192')" ok
is "pinned: list-holders says so" \
	"$(json "$(holders)" 'sorted((h["kind"],h["offset"],h["length"]) for h in j["holders"])')" \
	"[('lease', 0, 1048576), ('pin', 4096, 8192)]"
status "pinned: the deadline passes" 3 "${remove[@]}" --timeout=1.5
is "pinned: draining" "$(json "$out" 'j["state"]')" draining
is "pinned: no new pin" "$(ask 'pin 0 4096')" ENXIO
is "pinned: what is pinned is there" "$(ask 'load 4096')" 97
is "pinned: what is not is not" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
is "pinned: unpinned" "$(ask unpin)" ok
status "pinned: then it goes" 0 udaxctl wait-device "$mnt" 0 --state=dead --timeout=2
finish pinned

# --- pinned and deaf
ok "pinned, deaf: begins" begin
ok "pinned, deaf: leases" holder_start deaf
is "pinned, deaf: is" "$(ask 'pin 4096 8192')" ok
status "pinned, deaf: the deadline passes" 3 "${remove[@]}" --timeout=1.5
is "pinned, deaf: draining" "$(json "$out" 'j["state"]')" draining
is "pinned, deaf: what is pinned is there" "$(ask 'load 4096')" 97
is "pinned, deaf: what is not is not" "$(ask 'load 0')" "SIGBUS BUS_ADRERR right"
is "pinned, deaf: unpinned" "$(ask unpin)" ok
status "pinned, deaf: then it is zapped" 0 udaxctl wait-device "$mnt" 0 --state=dead --timeout=5
is "pinned, deaf: SIGBUS" "$(ask 'load 4096')" "SIGBUS BUS_ADRERR right"
finish "pinned, deaf"
done_testing
