#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Eight clients with 64 ranges each store as fast as they can while the device
# goes. Brought back, it has every store that was made, and no other.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/lease_functions.sh"
requires_fuse
plan 12

two_devices
made() {
	local i
	for i in {1..8}; do file_on_b "file$i" 2097152 || return; done
}
ok "eight files on the second device" made
started() {
	local i
	for i in {1..8}; do
		# One of them has to be made to.
		if [ "$i" = 8 ]; then how=deaf; else how=library; fi
		lessee "c$i" "$mnt/file$i" $how 64 || return
	done
}
ok "eight clients map 64 ranges each" started
each() { # LINE → all answers, once
	local i
	for i in {1..8}; do say "c$i" "${1//%/$i}"; done | sort -u
}
is "they store" "$(each spin)" ok
sleep 0.5
is "none has ended by itself" "$(each spun)" spinning
remove_b --timeout=30
is "the removal ends" "$?:$(of_removed state)" 0:dead
diag "elapsed $(of_removed elapsed_us) us, $(of_removed leases_revoked) leases"
ended() { [ "$(each spun)" = "SIGBUS BUS_ADRERR right" ]; }
ok "each ends at the very store" wait_until 10 ended
is "and tells what it has stored" "$(each "save $work/saved%")" ok
for i in {1..8}; do lessee_end "c$i"; done
ok "the ledger adds up" udaxctl verify "$mnt"
ok "unmounts" udax_umount
ok "both pass the full check" device_clean a b
ok "the device is back" udax_mount a b
same() {
	local i
	for i in {1..8}; do cmp "$mnt/file$i" "$work/saved$i" || return; done
}
ok "with every store, and no other" same
