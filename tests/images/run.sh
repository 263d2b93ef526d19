#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every folder here is one damaged filesystem: how it is damaged, and what must
# happen then. UDAX_IMAGES: only those whose names match.
#
# A folder's file `image` is read by this script and sets
#   base      one, two (devices) or crashed; what is damaged
#   damage()  how: p is tests/lib/poke on the first device, $dev and $dev2 are
#             the devices, ino NAME the inode of a name in the root directory
#   n p y     the exit statuses of fsck.udaxfs -n, -p -f and -y
#   kinds     of the problems that -n finds
#   change    names that are gone or other after -y (-PATH), new or other
#             (+PATH), numbers in them being N; no other name may change
#   lost      whether content may, too; if empty, every file must still be
#             there under some name
#   given     the devices fsck.udaxfs is given; all of them if empty
#
# Always: -n writes nothing; nor does -p if it ends with 4; where -p says that
# all is well, it is, and nothing was lost; after -y -n finds nothing, and the
# filesystem mounts and can be walked whole, unless y is 4 or 8.
# shellcheck source=tests/lib/functions.sh
. "${srcdir:-.}/tests/lib/functions.sh" || exit 1
requires python3
export PMEM2_FORCE_GRANULARITY=BYTE
dev=$work/dev dev2=$work/dev2

# The same keys of names each time.
make() {
	mkfs.udaxfs -q -s 16M "$@" &&
		for device; do poke "$device" super hash_seed 42 || return; done
}

prepare() {
	make "$work/one" && tree_image fill "$work/one" &&
		tree_image list "$work/one" | sort >"$work/one.list" &&
		make "$work/two" "$work/two2" &&
		tree_image fill "$work/two" "$work/two2" &&
		tree_image list "$work/two" "$work/two2" | sort >"$work/two.list" &&
		cp --sparse=always "$work/one" "$work/crashed" &&
		tree_image crash "$work/crashed" &&
		cp --sparse=always "$work/crashed" "$dev" &&
		tree_image list "$dev" | sort >"$work/crashed.list"
}

p() { poke "$dev" "$@"; }
ino() { poke "$work/$base" lookup 1 "$1"; }
at() { poke "$dev" where "$@"; }

# fresh: the devices as the damage left them.
fresh() {
	local name
	for name in dev dev2; do
		rm -f "$work/$name"
		[ ! -e "$work/damaged.$name" ] ||
			cp --sparse=always "$work/damaged.$name" "$work/$name"
	done
}

make_damaged() {
	rm -f "$work"/damaged.* "$dev" "$dev2"
	cp --sparse=always "$work/$base" "$dev"
	[ ! -e "$work/${base}2" ] || cp --sparse=always "$work/${base}2" "$dev2"
	damage || return
	cp --sparse=always "$dev" "$work/damaged.dev"
	[ ! -e "$dev2" ] || cp --sparse=always "$dev2" "$work/damaged.dev2"
}

unwritten() {
	cmp -s "$dev" "$work/damaged.dev" &&
		{ [ ! -e "$dev2" ] || cmp -s "$dev2" "$work/damaged.dev2"; }
}

# fsck STATUS OPTION...: says what is not as it should be.
fsck() {
	local expected=$1 rc=0
	shift
	timeout 60 fsck.udaxfs "$@" "${devices[@]}" >"$work/out" 2>"$work/err" || rc=$?
	[ "$rc" = "$expected" ] && return
	echo "fsck.udaxfs $* ended with $rc, not $expected:"
	head -20 "$work/out" "$work/err"
}

walk() {
	timeout 60 tree_image list "${devices[@]}" 2>"$work/err" >"$work/walked" ||
		echo "cannot be walked: $(cat "$work/err")"
	sort "$work/walked" >"$work/list"
}

# What has changed, one of a sort.
changes() {
	diff "$work/$base.list" "$work/list" |
		sed -nE 's/^< ([^ ]*) .*/-\1/p; s/^> ([^ ]*) .*/+\1/p' |
		sed -E 's/[0-9]+/N/g' | sort -u
}
contents() { awk '$2 !~ /^4/ { print $2, $4, $5, $6 }' "$1" | sort -u; }

mended() {
	fsck 0 -n
	walk
	[ "$(changes)" = "$(tr ' ' '\n' <<<"$change" | sed '/^$/d' | sort -u)" ] ||
		echo "$1: changes: $(changes | tr '\n' ' ')"
	[ -n "$lost" ] || [ "$(contents "$work/$base.list")" = "$(contents "$work/list")" ] ||
		echo "$1: contents: $(diff <(contents "$work/$base.list") <(contents "$work/list") | tr '\n' ' ')"
}

# The image's story, as far as it is not the expected one.
story() {
	local found
	fsck "$n" -n --json
	found=$(python3 -c 'import json, sys
print(*sorted({p["kind"] for p in json.load(open(sys.argv[1]))["problems"]}))' "$work/out")
	[ "$found" = "$kinds" ] || echo "kinds: $found, not $kinds" "$(cat "$work/out")"
	unwritten || echo "-n has written"

	fsck "$p" -p -f
	if [ "$p" = 4 ]; then
		[ "$base" = crashed ] || unwritten || echo "-p has written"
	elif [ "$p" -le 1 ]; then
		mended -p
	fi

	fresh
	fsck "$y" -y
	[ "$y" -gt 1 ] || mended -y
}

ok "what is to be damaged" prepare
for image in "$srcdir"/tests/images/*"${UDAX_IMAGES:-}"*/image; do
	name=$(basename "$(dirname "$image")")
	base=one n=4 p=4 y=1 kinds='' change='' lost='' given=''
	# shellcheck source=/dev/null
	. "$image"
	make_damaged >"$work/out" 2>&1 || {
		report 1 "$name" || diag "not made: $(cat "$work/out")"
		continue
	}
	devices=("$dev")
	[ ! -e "$dev2" ] || devices+=("$dev2")
	[ -z "$given" ] || read -ra devices <<<"$given"
	is "$name" "$(story)" ""
done
done_testing
