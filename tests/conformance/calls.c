/* SPDX-License-Identifier: BSD-3-Clause */
#include "calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <string.h>
#include <unistd.h>

/* The other path of those that take two; in the case's directory. */
#define OTHER_FILE "other-file"

static long do_open(const char *path)
{
	return open(path, O_RDONLY);
}

static long do_open_write(const char *path)
{
	return open(path, O_WRONLY);
}

static long do_open_create(const char *path)
{
	return open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
}

static long do_creat(const char *path)
{
	return creat(path, 0644);
}

static long do_opendir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY);
}

static long do_tmpfile(const char *path)
{
	return open(path, O_TMPFILE | O_RDWR, 0644);
}

static long do_truncate(const char *path)
{
	return truncate(path, 0);
}

static long do_mkdir(const char *path)
{
	return mkdir(path, 0755);
}

static long do_mknod(const char *path)
{
	return mknod(path, S_IFREG | 0644, 0);
}

static long do_mkfifo(const char *path)
{
	return mkfifo(path, 0644);
}

static long do_symlink(const char *path)
{
	return symlink("target", path);
}

static long do_link_from(const char *path)
{
	return link(path, "new-name");
}

static long do_link_to(const char *path)
{
	return link(OTHER_FILE, path);
}

static long do_unlink(const char *path)
{
	return unlink(path);
}

static long do_rmdir(const char *path)
{
	return rmdir(path);
}

static long do_rename_from(const char *path)
{
	return rename(path, "new-name");
}

static long do_rename_to(const char *path)
{
	return rename(OTHER_FILE, path);
}

static long do_readlink(const char *path)
{
	char target[16];

	return readlink(path, target, sizeof(target));
}

static long do_chmod(const char *path)
{
	return chmod(path, 0644);
}

static long do_chown(const char *path)
{
	return chown(path, 0, 0);
}

static long do_lchown(const char *path)
{
	return lchown(path, 0, 0);
}

static long do_utimens(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, 0);
}

static long do_stat(const char *path)
{
	struct stat out;

	return stat(path, &out);
}

static long do_lstat(const char *path)
{
	struct stat out;

	return lstat(path, &out);
}

static long do_statx(const char *path)
{
	struct statx out;

	return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &out);
}

static long do_statfs(const char *path)
{
	struct statfs out;

	return statfs(path, &out);
}

static long do_access(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS);
}

static long do_chdir(const char *path)
{
	return chdir(path);
}

static long do_chroot(const char *path)
{
	return chroot(path);
}

static long do_exec(const char *path)
{
	char *none[] = { NULL };
	char *argv[] = { "program", NULL };

	return execve(path, argv, none);
}

static long do_setxattr(const char *path)
{
	return setxattr(path, "user.name", "value", 5, 0);
}

static long do_getxattr(const char *path)
{
	char value[16];

	return getxattr(path, "user.name", value, sizeof(value));
}

static long do_listxattr(const char *path)
{
	return listxattr(path, NULL, 0);
}

static long do_removexattr(const char *path)
{
	return removexattr(path, "user.name");
}

static long do_watch(const char *path)
{
	return inotify_add_watch(inotify_init(), path, IN_ALL_EVENTS);
}

const struct path_call path_calls[] = {
	{ "open", do_open, true, false, false },
	{ "open O_WRONLY", do_open_write, true, false, true },
	{ "open O_EXCL", do_open_create, false, true, true },
	{ "creat", do_creat, true, true, true },
	{ "open O_DIRECTORY", do_opendir, true, false, false },
	{ "open O_TMPFILE", do_tmpfile, true, false, true },
	{ "truncate", do_truncate, true, false, true },
	{ "mkdir", do_mkdir, false, true, true },
	{ "mknod", do_mknod, false, true, true },
	{ "mkfifo", do_mkfifo, false, true, true },
	{ "symlink", do_symlink, false, true, true },
	{ "link from", do_link_from, false, false, true },
	{ "link to", do_link_to, false, true, true },
	{ "unlink", do_unlink, false, false, true },
	{ "rmdir", do_rmdir, false, false, true },
	{ "rename from", do_rename_from, false, false, true },
	{ "rename to", do_rename_to, false, true, true },
	{ "readlink", do_readlink, false, false, false },
	{ "chmod", do_chmod, true, false, true },
	{ "chown", do_chown, true, false, true },
	{ "lchown", do_lchown, false, false, true },
	{ "utimensat", do_utimens, true, false, true },
	{ "stat", do_stat, true, false, false },
	{ "lstat", do_lstat, false, false, false },
	{ "statx", do_statx, true, false, false },
	{ "statfs", do_statfs, true, false, false },
	{ "access", do_access, true, false, false },
	{ "chdir", do_chdir, true, false, false },
	{ "chroot", do_chroot, true, false, false },
	{ "execve", do_exec, true, false, false },
	{ "setxattr", do_setxattr, true, false, true },
	{ "getxattr", do_getxattr, true, false, false },
	{ "listxattr", do_listxattr, true, false, false },
	{ "removexattr", do_removexattr, true, false, true },
	{ "inotify_add_watch", do_watch, true, false, false },
	{ NULL, NULL, false, false, false },
};
