# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
# copying.sh: a udax-cp that is caught in the middle; after functions.sh.

# start_copy SOURCE DESTINATION: stopped when the first window is done, with
# the second one pinned or about to be; its pid in $copy.
start_copy() {
	local until=$((SECONDS + 20))
	mkfifo "$work/says"
	(exec udax-cp --progress --depth=1 --block=4K "$1" "$2" 2>"$work/says") &
	copy=$!
	exec {says}<"$work/says"
	rm "$work/says"
	until [ -e "$2.udax-cp" ] || [ $SECONDS -ge $until ]; do :; done
	kill -STOP $copy
	[ -e "$2.udax-cp" ]
}

# What it said since then, progress aside.
said_by_copy() {
	grep -v ' / ' <&"$says"
	exec {says}<&-
}
