#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmounted and mounted again, many times, in many ways: what was there is.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
plan 12

contents() { (cd "$mnt" && find . -printf '%p %y %m %U %G %n %s %T@ %l\n' | sort && find . -type f | sort | xargs -d '\n' sha256sum); }
udax_mkfs pmem0
more() {	# N: something of everything
	mkdir -p "$mnt/r$1/sub" && head -c $((1 + $1 * 70001)) /dev/urandom >"$mnt/r$1/data" &&
		ln "$mnt/r$1/data" "$mnt/r$1/hard" && ln -s data "$mnt/r$1/soft" &&
		truncate -s $(($1 << 20)) "$mnt/r$1/sparse" && echo "$1" >>"$mnt/log" &&
		{ [ ! -e "$mnt/r$(($1 - 3))" ] || rm -r "$mnt/r$(($1 - 3))"; }
}
rounds() {
	local i before=
	for i in 1 2 3 4 5 6 7 8; do
		udax_mount pmem0 || return
		[ -z "$before" ] || [ "$(contents)" = "$before" ] || { echo "round $i differs"; return 1; }
		more "$i" || return
		before=$(contents)
		udax_umount || return
	done
}
ok "eight rounds" rounds
ok "the device is clean" device_clean pmem0
ok "mounts" udax_mount pmem0
is "the log is whole" "$(tr '\n' ' ' <"$mnt/log")" "1 2 3 4 5 6 7 8 "
free=$(stat -f -c '%f %d' "$mnt")
before=$(contents)
udax_umount
udax_mount pmem0
is "as much is free as before" "$(stat -f -c '%f %d' "$mnt")" "$free"
# killed with nothing going on: the free map is made anew from the extents
kill -9 "$daemon" && wait_until 10 gone "$daemon"
umount -l "$mnt"
daemon=
ok "killed, it mounts" udax_mount pmem0
is "all is there" "$(contents)" "$before"
is "as much is free as before" "$(stat -f -c '%f %d' "$mnt")" "$free"
ok "umount" udax_umount

# Another place and name: nothing in it says where it was.
mv "$work/pmem0" "$work/renamed"
cp --sparse=always "$work/renamed" "$work/copy"
ok "the device renamed" udax_mount renamed
is "all is there" "$(contents)" "$before"
udax_umount
ok "and clean, its copy too" eval 'device_clean renamed && device_clean copy'
