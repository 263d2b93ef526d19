#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# overlayfs with its upper directory here: whiteouts, opaque directories,
# copies of what is below, with their xattrs.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires setfattr getfattr
[ "$(id -u)" = 0 ] || skip_all "needs root"
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
	skip_all "needs overlayfs in the kernel"

lower=$work/lower merged=$work/merged
mkdir -p "$lower/dir/sub" "$lower/gone" "$merged"
for name in file dir/a dir/b dir/sub/c gone/d; do echo "$name" >"$lower/$name"; done
setfattr -n user.kept -v yes "$lower/file" 2>/dev/null
chmod 600 "$lower/dir/b"

# What is merged, as a listing: mode, name, target; and what files say.
picture() { (cd "$1" && find . -printf '%M %p %l\n' | sort && find . -type f -exec cat {} + | sort); }
change() {
	cd "$merged" || return
	echo more >>file
	rm dir/a
	mv dir/b dir/renamed
	rm -r gone && mkdir gone && echo new >gone/new
	mkdir made && echo x >made/x
	ln -s x made/link
	mv made/x dir/sub/x
	chmod 640 dir/sub/c
}

udax_mkfs pmem0
for kind in trusted user; do
	where=$mnt/$kind also=''
	[ $kind = trusted ] || also=,userxattr
	udax_mount pmem0
	mkdir -p "$where/upper" "$where/work"
	lay() { mount -t overlay none "$merged" -o "lowerdir=$lower,upperdir=$where/upper,workdir=$where/work$also"; }
	ok "$kind.overlay: mounts" lay || { done_testing; exit 1; }
	defer "umount -l $merged"
	ok "$kind.overlay: changes" eval '(set -e; change)'
	is "$kind.overlay: what is appended to is copied" "$(<"$merged/file")" "file
more"
	like "$kind.overlay: a name that is gone is a character device 0:0" \
		"$(stat -c '%F %t:%T' "$where/upper/dir/a")" "^character special file 0:0$"
	like "$kind.overlay: a directory made anew is opaque" \
		"$(getfattr -d -m overlay --absolute-names "$where/upper/gone")" 'overlay.opaque="y"'
	picture "$merged" >"$work/before"
	ok "$kind.overlay: nothing of it went below" [ "$(cat "$lower/file" "$lower/dir/a")" = "file
dir/a" ]
	umount "$merged"
	ok "$kind.overlay: umount and check" eval 'udax_umount && device_clean pmem0'
	udax_mount pmem0
	ok "$kind.overlay: mounts again" lay
	ok "$kind.overlay: all as it was" eval 'picture "$merged" | diff "$work/before" -'
	umount "$merged"
	udax_umount
done
done_testing
