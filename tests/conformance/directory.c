/* SPDX-License-Identifier: BSD-3-Clause */
/* mkdir(2), rmdir(2), chdir(2), getcwd, mknod(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static void mkdir_makes_an_empty_directory(void)
{
	struct stat before = stat_of("."), after;

	tick();
	umask(027);
	WORKS(mkdir("dir", 0777));
	WORKS(mkdir("slash/", 01777));
	umask(0);
	IS(mode_of("dir"), 0750);
	IS(mode_of("slash"), 01750);
	IS(links_of("dir"), 2);
	IS(links_of("."), 4);
	HOLDS(same_file("dir/..", "."));
	HOLDS(same_file("dir/.", "dir"));
	after = stat_of(".");
	HOLDS(newer(after.st_mtim, before.st_mtim));
	WORKS(rmdir("dir"));
	IS(links_of("."), 3);
}

static void mkdir_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	symlink("absent", "dangling");
	FAILS(EEXIST, mkdir("file", 0755));
	FAILS(EEXIST, mkdir("dir", 0755));
	FAILS(EEXIST, mkdir("dangling", 0755));
	FAILS(EEXIST, mkdir(".", 0755));
	FAILS(EEXIST, mkdir("..", 0755));
	FAILS(EEXIST, mkdir("/", 0755));
	FAILS(ENOENT, mkdir("no/such", 0755));
	FAILS(ENOENT, mkdir("", 0755));
	FAILS(ENOTDIR, mkdir("file/dir", 0755));
	FAILS(EBADF, mkdirat(-1, "new", 0755));
	FAILS(ENOTDIR, mkdirat(open("file", O_RDONLY), "new", 0755));
	become(USER, USER, 0);
	FAILS(EACCES, mkdir("new", 0755));
	FAILS(EEXIST, mkdir("dir", 0755));
}

static void rmdir_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	make_dir("dir/sub", 0755);
	make_dir("sticky", 01777);
	make_dir("sticky/theirs", 0777);
	symlink("dir/sub", "link");
	FAILS(ENOTEMPTY, rmdir("dir"));
	FAILS(ENOTDIR, rmdir("file"));
	FAILS(ENOTDIR, rmdir("link"));
	FAILS(ENOTDIR, rmdir("link/"));
	FAILS(ENOENT, rmdir("absent"));
	FAILS(EINVAL, rmdir("dir/."));
	FAILS(ENOTEMPTY, rmdir("dir/sub/.."));
	FAILS(EBUSY, rmdir("/"));
	become(USER, USER, 0);
	FAILS(EACCES, rmdir("dir/sub"));
	FAILS(EPERM, rmdir("sticky/theirs"));
}

static void rmdir_of_where_one_is(void)
{
	char path[PATH_MAX];
	int dir;

	make_dir("dir", 0755);
	WORKS(chdir("dir"));
	dir = open(".", O_RDONLY);
	WORKS(rmdir("../dir"));
	FAILS(ENOENT, getcwd(path, sizeof(path)) ? 0 : -1);
	FAILS(ENOENT, creat("file", 0644));
	FAILS(ENOENT, mkdir("dir", 0755));
	FAILS(ENOENT, open("absent", O_RDONLY));
	WORKS(access(".", F_OK));
	WORKS(access("..", F_OK));
	IS(stat_of(".").st_nlink, 0);
	WORKS(fchmod(dir, 0700));
	WORKS(chdir(".."));
}

static void chdir_is_refused(void)
{
	int file, closed;

	make_file("file", 0644);
	make_dir("closed", 0600);
	symlink("circle", "circle");
	file = open("file", O_RDONLY);
	closed = open("closed", O_RDONLY);
	FAILS(ENOENT, chdir("absent"));
	FAILS(ENOENT, chdir(""));
	FAILS(ENOTDIR, chdir("file"));
	FAILS(ELOOP, chdir("circle"));
	FAILS(EFAULT, chdir(bad_address()));
	FAILS(ENOTDIR, fchdir(file));
	FAILS(EBADF, fchdir(1000));
	become(USER, USER, 0);
	FAILS(EACCES, chdir("closed"));
	FAILS(EACCES, fchdir(closed));
}

static void where_one_is_may_be_moved(void)
{
	char before[PATH_MAX], after[PATH_MAX];

	make_dir("a", 0755);
	make_dir("a/b", 0755);
	make_dir("other", 0755);
	if (!getcwd(before, sizeof(before) - 32))
		check_skip("no way up from here");
	WORKS(chdir("a/b"));
	WORKS(rename("../../a", "../../other/moved"));
	HOLDS(getcwd(after, sizeof(after)));
	strcat(before, "/other/moved/b");
	HOLDS(strcmp(before, after) == 0);
	WORKS(chdir("../../.."));
	HOLDS(same_file("other/moved/b/../../..", "."));
}

static void nodes_of_every_sort(void)
{
	const mode_t types[] = {
		S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, 0
	};
	const dev_t device = makedev(0xabc, 0x12345);

	umask(022);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct stat attr;

		WORKS(mknod("node", types[i] | 0666, device));
		attr = stat_of("node");
		IS(attr.st_mode, (types[i] ? types[i] : S_IFREG) | 0644);
		IS(attr.st_nlink, 1);
		IS(attr.st_size, 0);
		if (S_ISCHR(attr.st_mode) || S_ISBLK(attr.st_mode))
			IS(attr.st_rdev, device);
		WORKS(unlink("node"));
	}
}

static void mknod_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0777);
	symlink("absent", "dangling");
	FAILS(EEXIST, mknod("file", S_IFIFO | 0644, 0));
	FAILS(EEXIST, mknod("dangling", S_IFIFO | 0644, 0));
	FAILS(EEXIST, mknod("dir", S_IFIFO | 0644, 0));
	FAILS(ENOENT, mknod("no/such", S_IFIFO | 0644, 0));
	FAILS(ENOENT, mknod("new/", S_IFREG | 0644, 0));
	FAILS(ENOTDIR, mknod("file/x", S_IFIFO | 0644, 0));
	FAILS(EPERM, mknod("new", S_IFDIR | 0755, 0));
	FAILS(EINVAL, mknod("new", S_IFLNK | 0777, 0));
	FAILS(EINVAL, mknod("new", 0170000 | 0644, 0));
	FAILS(EBADF, mknodat(-1, "new", S_IFIFO | 0644, 0));
	become(USER, USER, 0);
	FAILS(EACCES, mknod("new", S_IFIFO | 0644, 0));
	FAILS(EPERM, mknod("dir/new", S_IFCHR | 0644, makedev(1, 3)));
	FAILS(EPERM, mknod("dir/new", S_IFBLK | 0644, makedev(7, 0)));
	WORKS(mknod("dir/fifo", S_IFIFO | 0644, 0));
	WORKS(mknod("dir/socket", S_IFSOCK | 0644, 0));
	WORKS(mknod("dir/file", S_IFREG | 0644, 0));
	WORKS(mknod("dir/whiteout", S_IFCHR | 0644, makedev(0, 0)));
}

const struct family family_directory = {
	.name = "directory",
	.cases =
		(const struct check_case[]){
			CASE(mkdir_makes_an_empty_directory),
			CASE(mkdir_is_refused),
			CASE(rmdir_is_refused),
			CASE(rmdir_of_where_one_is),
			CASE(chdir_is_refused),
			CASE(where_one_is_may_be_moved),
			CASE(nodes_of_every_sort),
			CASE(mknod_is_refused),
			CASES_END,
		},
};
