#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A thousand clients with a hundred leases each, then one with all of them.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
[ "$(ulimit -Hn)" -ge 8192 ] || skip_all "needs 8192 descriptors"

line=''
of_devices() { json "$(udaxctl list-devices "$mnt" --json)" "j['devices'][0]['$1']"; }
crowd_of() {
	udax_mkfs pmem0 && udax_mount pmem0 && head -c 409600 /dev/urandom >"$mnt/data" || return
	coproc CROWD { exec direct_crowd "$mnt/data" "$1" "$2"; }
	crowd=$CROWD_PID to_crowd=${CROWD[1]} from_crowd=${CROWD[0]}
	read -r -t 60 line <&"$from_crowd"
}
give_some() {
	echo >&"$to_crowd"
	read -r -t 60 line <&"$from_crowd"
}
for shape in "1000 100" "1 100000"; do
	# shellcheck disable=SC2086
	ok "$shape: all have their leases" crowd_of $shape
	diag "$shape: $line"
	is "$shape: they are counted" "$(of_devices leases)" 100000
	ok "$shape: some give back" give_some
	diag "$shape: $line"
	is "$shape: the rest is counted" "$(of_devices leases)" 75000
	ok "$shape: the ledger adds up" timeout 60 udaxctl verify "$mnt"
	status "$shape: the device is removed" 0 udaxctl remove-device "$mnt" 0 --json --recall-ms=20000
	is "$shape: all were revoked" "$(json "$out" 'j["leases_revoked"]')" 75000
	diag "$shape: removed in $(json "$out" 'j["elapsed_us"]') us, refused after $(json "$out" 'j["first_refusal_us"]') us"
	ok "$shape: nobody was harmed" wait "$crowd"
	ok "$shape: umount and full check" eval 'udax_umount && device_clean pmem0'
done
done_testing
