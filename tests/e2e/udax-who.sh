#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may map directly, and what others are told.
. "${srcdir:-.}/tests/lib/functions.sh"
requires_fuse

said() { echo | timeout 10 "$@" | head -1; }
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$build/tests/lib/udax_user")

echo x >"$work/plain"
is "a file of another filesystem is not for it" "$(said udax_user "$work/plain")" "mmap EOPNOTSUPP"
udax_mkfs pmem0
ok "mounts" udax_mount -o allow_other pmem0
head -c 8192 /dev/zero >"$mnt/file"
chmod 666 "$mnt/file"
chmod 755 "$work" "$mnt"
is "the owner may" "$(said udax_user "$mnt/file")" mapped
is "and one who reads" "$(said udax_user "$mnt/file" ro)" mapped
if [ "$(id -u)" = 0 ]; then
	is "another user may not" "$(said "${nobody[@]}" "$mnt/file")" "mmap EACCES"
fi
ok "unmounts" udax_umount
if [ "$(id -u)" = 0 ]; then
	ok "direct=any" udax_mount -o allow_other,direct=any pmem0
	is "lets anybody" "$(said "${nobody[@]}" "$mnt/file")" mapped
	chmod 600 "$mnt/file"
	is "who may open the file" "$(said "${nobody[@]}" "$mnt/file")" "open EACCES"
	chmod 666 "$mnt/file"
	ok "unmounts" udax_umount
	ok "direct=group" udax_mount -o allow_other,direct=group:65534 pmem0
	is "lets its members" "$(said "${nobody[@]}" "$mnt/file")" mapped
	is "by a second group, too" "$(said setpriv --reuid 65533 --regid 65533 --groups 65534 \
		"$build/tests/lib/udax_user" "$mnt/file")" mapped
	is "and no others" "$(said setpriv --reuid 65533 --regid 65533 --clear-groups \
		"$build/tests/lib/udax_user" "$mnt/file")" "mmap EACCES"
	ok "unmounts" udax_umount
fi
ok "direct=off" udax_mount -o direct=off pmem0
is "lets nobody" "$(said udax_user "$mnt/file")" "mmap EOPNOTSUPP"
ok "unmounts" udax_umount
done_testing
