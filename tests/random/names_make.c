/* SPDX-License-Identifier: BSD-3-Clause */
/* names_make.c -- names that come, go and move */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

long step_mkdir(void)
{
	const char *path = new_path();
	mode_t mode = any_mode();

	note("mkdir %s %o", shown(path), mode);
	watch(path);
	return AS_USER(mkdir(path, mode));
}

long step_rmdir(void)
{
	const char *path = any_path();

	note("rmdir %s", shown(path));
	watch(path);
	return AS_USER(rmdir(path));
}

long step_mknod(void)
{
	static const mode_t types[] = { S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR,
					S_IFBLK, S_IFDIR, 0 };
	mode_t mode = types[chance(7)] | any_mode();
	dev_t device = one_in(3) ? 0 : makedev(1, 3);
	const char *path = new_path();

	note("mknod %s %o %#jx", shown(path), mode, (uintmax_t)device);
	watch(path);
	return AS_USER(mknod(path, mode, device));
}

long step_symlink(void)
{
	static char target[4200];
	const char *path = new_path();

	snprintf(target, sizeof(target), "%s", any_path() + one_in(3) * 2);
	if (one_in(20)) {
		memset(target, 't', sizeof(target));
		target[one_in(2) ? 4096 : 1 + chance(4096)] = 0;
	}
	note("symlink %s to %zu bytes %s", shown(path), strlen(target),
	     shown(target));
	watch(path);
	return AS_USER(symlink(target, path));
}

long step_readlink(void)
{
	static char target[4100];
	const char *path = any_path();
	size_t room = one_in(4) ? 1 + chance(4) : sizeof(target);
	long length;

	note("readlink %s", shown(path));
	length = AS_USER(readlink(path, target, room));
	if (length >= 0)
		say("%.*s ", (int)length, target);
	return length;
}

long step_link(void)
{
	const char *from = any_path(), *to = new_path();
	int flags = one_in(4) ? AT_SYMLINK_FOLLOW : 0;

	note("link %s %s%s", shown(from), shown(to), flags ? " follow" : "");
	watch(from);
	watch(to);
	return AS_USER(linkat(AT_FDCWD, from, AT_FDCWD, to, flags));
}

long step_unlink(void)
{
	const char *path = any_path();

	note("unlink %s", shown(path));
	watch(path);
	return AS_USER(unlink(path));
}

/* A whiteout, even where a directory was, with a slash behind its name. */
static void without_acl(const char *path)
{
	char name[PATH_MOST];
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	snprintf(name, sizeof(name), "%.*s", (int)length, path);
	(void)!removexattr(name, "system.posix_acl_access");
}

long step_rename(void)
{
	static const unsigned int kinds[] = {
		0,
		0,
		0,
		RENAME_NOREPLACE,
		RENAME_EXCHANGE,
		RENAME_EXCHANGE,
		RENAME_WHITEOUT,
		RENAME_WHITEOUT | RENAME_NOREPLACE,
		RENAME_EXCHANGE | RENAME_NOREPLACE,
		RENAME_EXCHANGE | RENAME_WHITEOUT,
		1u << 3,
	};
	unsigned int flags = kinds[chance(sizeof(kinds) / sizeof(kinds[0]))];
	const char *from = any_path();
	const char *to = one_in(2) ? any_path() : new_path();
	long result;

	/* ext4 makes the whiteout first, and gives it the default ACL. */
	if (flags & RENAME_WHITEOUT)
		times_do_not_count();
	note("rename %s %s flags %u", shown(from), shown(to), flags);
	watch(from);
	watch(to);
	result = AS_USER(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
	if (result == 0 && flags & RENAME_WHITEOUT)
		without_acl(from);
	return result;
}
