/* SPDX-License-Identifier: BSD-3-Clause */
/* Which call moves which time. */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static int fd; /* of "file", for the calls below */

static bool equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A call, and which of mtime and ctime it moves, of "file" and of "dir". */
static int do_write(void)
{
	return (int)write(fd, "text", 4);
}

static int do_truncate(void)
{
	return truncate("file", 3);
}

static int do_ftruncate(void)
{
	return ftruncate(fd, 9000);
}

static int do_truncate_same(void)
{
	return ftruncate(fd, 9000);
}

static int do_open_truncate(void)
{
	return open("file", O_WRONLY | O_TRUNC);
}

static int do_allocate(void)
{
	return fallocate(fd, 0, 0, 20000);
}

static int do_punch(void)
{
	return fallocate(fd, 3, 0, 4096);
}

static int do_chmod(void)
{
	return chmod("file", 0600);
}

static int do_chown(void)
{
	return chown("file", 0, 0);
}

static int do_setxattr(void)
{
	return setxattr("file", "user.name", "value", 5, 0);
}

static int do_removexattr(void)
{
	return removexattr("file", "user.name");
}

static int do_link(void)
{
	return link("file", "dir/link");
}

static int do_rename(void)
{
	return rename("dir/link", "dir/renamed");
}

static int do_unlink(void)
{
	return unlink("dir/renamed");
}

static int do_mkdir(void)
{
	return mkdir("dir/dir", 0755);
}

static int do_rmdir(void)
{
	return rmdir("dir/dir");
}

static int do_symlink(void)
{
	return symlink("x", "dir/symlink");
}

static int do_mknod(void)
{
	return mknod("dir/node", S_IFIFO, 0);
}

static int do_open(void)
{
	return open("file", O_RDWR);
}

static int do_open_new(void)
{
	return open("dir/new", O_CREAT | O_WRONLY, 0644);
}

static int do_fsync(void)
{
	return fsync(fd);
}

static int do_read(void)
{
	char byte;

	return (int)pread(fd, &byte, 1, 0);
}

static int do_failed_rename(void)
{
	return rename("dir", "dir/below") == -1 ? 0 : -1;
}

static int do_copy(void)
{
	loff_t from = 0, to = 100;

	return (int)copy_file_range(fd, &from, fd, &to, 50, 0);
}

static const struct {
	const char *name;
	int (*call)(void);
	const char *file; /* "mc": of mtime and ctime those that move */
	const char *dir;
} moves[] = {
	{ "write", do_write, "mc", "" },
	{ "truncate", do_truncate, "mc", "" },
	{ "ftruncate", do_ftruncate, "mc", "" },
	{ "ftruncate to the same", do_truncate_same, "mc", "" },
	{ "copy_file_range", do_copy, "mc", "" },
	{ "fallocate", do_allocate, "mc", "" },
	{ "punch", do_punch, "mc", "" },
	{ "open O_TRUNC", do_open_truncate, "mc", "" },
	{ "chmod", do_chmod, "c", "" },
	{ "chown", do_chown, "c", "" },
	{ "setxattr", do_setxattr, "c", "" },
	{ "removexattr", do_removexattr, "c", "" },
	{ "link", do_link, "c", "mc" },
	{ "rename", do_rename, "c", "mc" },
	{ "unlink", do_unlink, "c", "mc" },
	{ "mkdir", do_mkdir, "", "mc" },
	{ "rmdir", do_rmdir, "", "mc" },
	{ "symlink", do_symlink, "", "mc" },
	{ "mknod", do_mknod, "", "mc" },
	{ "open", do_open, "", "" },
	{ "open O_CREAT", do_open_new, "", "mc" },
	{ "fsync", do_fsync, "", "" },
	{ "read", do_read, "", "" },
	{ "a rename that fails", do_failed_rename, "", "" },
};

static void moved(const char *call, const char *path, const char *expected,
		  const struct stat *before)
{
	const struct stat after = stat_of(path);
	char got[3] = "";

	if (!equal(after.st_mtim, before->st_mtim))
		strcat(got, "m");
	if (!equal(after.st_ctim, before->st_ctim))
		strcat(got, "c");
	if (!HOLDS(strcmp(got, expected) == 0))
		check_say("%s: of the %s moved \"%s\", expected \"%s\"", call,
			  path, got, expected);
	HOLDS(!newer(before->st_mtim, after.st_mtim));
	HOLDS(!newer(before->st_ctim, after.st_ctim));
}

static void which_call_moves_which(void)
{
	make_dir("dir", 0755);
	fd = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		const struct stat file = stat_of("file"), dir = stat_of("dir");

		tick();
		if (WORKS(moves[i].call()) < 0)
			check_say("%s", moves[i].name);
		moved(moves[i].name, "file", moves[i].file, &file);
		moved(moves[i].name, "dir", moves[i].dir, &dir);
	}
}

static void stores_move_the_time(void)
{
	struct stat before;
	char *page;

	fd = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));
	WORKS(ftruncate(fd, 4096));
	before = stat_of("file");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	tick();
	page[0] = 1;
	WORKS(msync(page, 4096, MS_SYNC));
	HOLDS(newer(stat_of("file").st_mtim, before.st_mtim));
	HOLDS(newer(stat_of("file").st_ctim, before.st_ctim));
}

const struct family family_moves = {
	.name = "moves",
	.cases =
		(const struct check_case[]){
			CASE(which_call_moves_which),
			CASE(stores_move_the_time),
			CASES_END,
		},
};
