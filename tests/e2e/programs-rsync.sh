#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# rsync -aHAXS there and back: hard links, ACLs, attributes, sparse files,
# owners, times, special files; then only what has changed.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse
requires rsync setfacl getfacl setfattr getfattr
[ "$(id -u)" = 0 ] || skip_all "needs root: owners and devices"
plan 16

tree=$work/tree back=$work/back
make_tree() (
	mkdir -p "$tree/dir/sub/empty" "$tree/default" && cd "$tree" || exit 1
	for i in 0 1 100 4095 4096 4097 70000 2097152 3000001; do
		head -c "$i" /dev/urandom >"dir/size-$i"
	done
	ln dir/size-70000 dir/sub/linked && ln dir/size-70000 linked-too
	ln -s dir/size-1 symbolic && ln -s nowhere/at/all dangling && ln symbolic linked-symbolic
	mkfifo fifo && mknod null c 1 3 && mknod block b 7 200
	dd if=/dev/urandom of=sparse bs=4096 seek=700 count=2 status=none
	truncate -s 16M sparse
	printf x >"$(printf 'odd\nname \xff\xfe')"
	chown 1234:5678 dir/size-1 && chown -h 77:78 symbolic && chmod 6755 dir/size-100 && chmod 1777 dir/sub
	touch -hd '2001-02-03 04:05:06.123456789' dir/size-4096 dangling
	touch -d '1969-12-31 23:00:00.5' dir/size-4097
	setfattr -n trusted.t -v secret dir/sub dir/size-1
	setfattr -n user.long -v "$(printf '%01500d' 0)" dir/size-100
	setfattr -h -n trusted.link -v x dangling
	for i in {1..20}; do setfattr -n user.many-"$i" -v "value $i" dir/size-0; done
	setfacl -m u:1234:rw,g:4321:r,m::rw dir/size-4095 && setfacl -d -m u:1234:rwx,o::- default
	mkdir default/inherits && echo x >default/inherits/file
	mkdir many && cd many && for i in {1..500}; do echo "$i" >"file-$i"; done
)
# What a tree is, without rsync.
listing() {
	(cd "$1" && find . ! -path . -printf '%P %y %m %U %G %n %T@ %l ' \( -type d -printf '\n' -o -printf '%s\n' \) | sort
		find . -type f -print0 | sort -z | xargs -0 md5sum
		find . -print0 | sort -z | xargs -0 getfattr -dhm - -e hex --
		find . ! -type l -print0 | sort -z | xargs -0 getfacl -n --) 2>/dev/null
}
same() { listing "$1" >"$work/a" && listing "$2" >"$work/b" && [ -s "$work/a" ] && diff -U1 "$work/a" "$work/b"; }
# Times to the nanosecond: alone, rsync compares seconds.
sync_() { timeout 60 rsync -aHAXS --modify-window=-1 --delete "$@"; }
# What rsync still finds to do, contents compared.
left() { sync_ -nic "$1/" "$2/"; }

ok "a tree of everything" make_tree
UDAX_SIZE=128M
udax_mkfs pmem0
ok "mounts" udax_mount pmem0
mkdir "$mnt/copy"
ok "there" sync_ "$tree/" "$mnt/copy/"
ok "the same" same "$tree" "$mnt/copy"
is "nothing is left to do" "$(left "$tree" "$mnt/copy")" ""
is "holes are holes" "$(stat -c %b "$mnt/copy/sparse")" 16
ok "and back" sync_ "$mnt/copy/" "$back/"
ok "the same" same "$tree" "$back"
change() (
	cd "$tree" && printf changed | dd of=dir/size-2097152 bs=1 seek=1000000 conv=notrunc status=none &&
		mv many fewer && rm fewer/file-1* && chown 1:2 dir/size-0 && setfattr -x user.many-3 dir/size-0 &&
		setfacl -b dir/size-4095 && rm linked-too && echo more >>sparse
)
ok "some of it changes" change
ok "by differences, in place" sync_ --inplace --no-whole-file "$tree/" "$mnt/copy/"
ok "the same" same "$tree" "$mnt/copy"
ok "within the mount" sync_ "$mnt/copy/" "$mnt/again/"
ok "umount and check" eval 'udax_umount && device_clean pmem0'
ok "mounts again" udax_mount pmem0
ok "the same" same "$tree" "$mnt/copy"
ok "and so is the other" same "$tree" "$mnt/again"
udax_umount
