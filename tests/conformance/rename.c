/* SPDX-License-Identifier: BSD-3-Clause */
/* rename(2), renameat2(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

static int rename2(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_moves_a_name(void)
{
	struct stat before, after, from_dir, to_dir;

	make_dir("a", 0755);
	make_dir("b", 0755);
	put("a/file", "text");
	before = stat_of("a/file");
	from_dir = stat_of("a");
	to_dir = stat_of("b");
	tick();
	WORKS(rename("a/file", "b/moved"));
	FAILS(ENOENT, access("a/file", F_OK));
	after = stat_of("b/moved");
	IS(after.st_ino, before.st_ino);
	HOLDS(!newer(after.st_mtim, before.st_mtim));
	HOLDS(newer(after.st_ctim, before.st_ctim));
	HOLDS(newer(stat_of("a").st_mtim, from_dir.st_mtim));
	HOLDS(newer(stat_of("b").st_mtim, to_dir.st_mtim));
}

static void rename_replaces(void)
{
	struct stat attr;
	char text[8];
	int fd;

	put("old", "old");
	put("new", "new");
	WORKS(link("old", "other"));
	fd = (int)WORKS(open("old", O_RDONLY));
	WORKS(rename("new", "old"));
	HOLDS(contains("old", "new"));
	FAILS(ENOENT, access("new", F_OK));
	IS(links_of("other"), 1);
	WORKS(unlink("other"));
	WORKS(fstat(fd, &attr));
	IS(attr.st_nlink, 0);
	IS(read(fd, text, 8), 3);
	HOLDS(memcmp(text, "old", 3) == 0);
	symlink("absent", "link");
	WORKS(rename("old", "link"));
	HOLDS(contains("link", "new"));
}

static void rename_of_two_names_of_one_file(void)
{
	put("a", "text");
	WORKS(link("a", "b"));
	WORKS(rename("a", "b"));
	WORKS(rename("a", "a"));
	IS(links_of("a"), 2);
	HOLDS(same_file("a", "b"));
}

static void rename_of_directories(void)
{
	make_dir("a", 0755);
	make_dir("a/sub", 0755);
	make_dir("b", 0755);
	make_dir("b/empty", 0755);
	make_dir("full", 0755);
	make_file("full/file", 0644);
	IS(links_of("a"), 3);
	WORKS(rename("a/sub", "b/empty"));
	IS(links_of("a"), 2);
	IS(links_of("b"), 3);
	HOLDS(same_file("b/empty/..", "b"));
	WORKS(rename("b/empty", "b/other"));
	IS(links_of("b"), 3);
	FAILS(ENOTEMPTY, rename("b", "full"));
	WORKS(rename("full", "b/other"));
	WORKS(access("b/other/file", F_OK));
	WORKS(rename("b/other/", "b/slash/"));
}

static void rename_is_refused(void)
{
	make_dir("dir", 0755);
	make_dir("dir/sub", 0755);
	make_dir("empty", 0755);
	make_file("file", 0644);
	symlink("dir", "link");
	FAILS(ENOENT, rename("absent", "new"));
	FAILS(ENOENT, rename("file", "no/such"));
	FAILS(ENOENT, rename("", "new"));
	FAILS(ENOENT, rename("file", ""));
	FAILS(EISDIR, rename("file", "dir"));
	FAILS(EISDIR, rename("link", "dir"));
	FAILS(ENOTDIR, rename("dir", "file"));
	FAILS(ENOTDIR, rename("dir", "link"));
	FAILS(ENOTDIR, rename("file/", "new"));
	FAILS(ENOTDIR, rename("file", "new/"));
	FAILS(ENOTDIR, rename("file/x", "new"));
	FAILS(ENOTDIR, rename("dir", "file/x"));
	FAILS(EINVAL, rename("dir", "dir/new"));
	FAILS(EINVAL, rename("dir", "dir/sub/new"));
	FAILS(ENOTEMPTY, rename("empty", "dir"));
	FAILS(ENOTEMPTY, rename("dir/sub", "dir"));
	FAILS(EBUSY, rename(".", "new"));
	FAILS(EBUSY, rename("dir", "."));
	FAILS(EBUSY, rename("dir/..", "new"));
	FAILS(ENAMETOOLONG, rename("file", name_of_length(256)));
	FAILS(ENAMETOOLONG, rename(name_of_length(256), "new"));
	WORKS(rename("file", name_of_length(255)));
}

static void rename_needs_both_directories(void)
{
	make_dir("open", 0777);
	make_dir("closed", 0755);
	make_dir("blind", 0666);
	make_file("open/file", 0644);
	make_file("closed/file", 0666);
	make_file("blind/file", 0666);
	become(USER, USER, 0);
	FAILS(EACCES, rename("open/file", "closed/new"));
	FAILS(EACCES, rename("closed/file", "open/new"));
	FAILS(EACCES, rename("blind/file", "open/new"));
	FAILS(EACCES, rename("open/file", "blind/new"));
	WORKS(rename("open/file", "open/new"));
}

/* Its ".." would change, and that is a write. */
static void rename_of_a_directory_one_may_not_write(void)
{
	make_dir("a", 0777);
	make_dir("b", 0777);
	make_dir("a/theirs", 0755);
	make_dir("a/ours", 0555);
	give("a/ours", USER, USER);
	become(USER, USER, 0);
	FAILS(EACCES, rename("a/theirs", "b/theirs"));
	FAILS(EACCES, rename("a/ours", "b/ours"));
	WORKS(rename("a/theirs", "a/moved"));
	WORKS(rename("a/ours", "a/also"));
}

static void rename_in_sticky_directories(void)
{
	make_dir("sticky", 01777);
	give("sticky", OTHER, OTHER);
	chmod("sticky", 01777);
	make_dir("open", 0777);
	make_file("sticky/theirs", 0666);
	make_file("sticky/ours", 0666);
	give("sticky/ours", USER, USER);
	become(USER, USER, 0);
	FAILS(EPERM, rename("sticky/theirs", "open/new"));
	FAILS(EPERM, rename("sticky/theirs", "sticky/new"));
	FAILS(EPERM, rename("sticky/ours", "sticky/theirs"));
	FAILS(EPERM, rename2("sticky/ours", "sticky/theirs", RENAME_EXCHANGE));
	WORKS(rename("sticky/ours", "sticky/new"));
	become(OTHER, OTHER, 0);
	WORKS(rename("sticky/new", "sticky/theirs"));
}

static void noreplace(void)
{
	put("a", "a");
	put("b", "b");
	make_dir("dir", 0755);
	symlink("absent", "dangling");
	FAILS(EEXIST, rename2("a", "b", RENAME_NOREPLACE));
	FAILS(EEXIST, rename2("a", "a", RENAME_NOREPLACE));
	FAILS(EEXIST, rename2("a", "dir", RENAME_NOREPLACE));
	FAILS(EEXIST, rename2("a", "dangling", RENAME_NOREPLACE));
	FAILS(EEXIST, rename2("dir", ".", RENAME_NOREPLACE));
	WORKS(rename2("a", "c", RENAME_NOREPLACE));
	HOLDS(contains("c", "a"));
}

static void exchange(void)
{
	put("a", "a");
	make_dir("dir", 0755);
	make_dir("dir/sub", 0755);
	put("dir/b", "b");
	WORKS(rename2("a", "dir/b", RENAME_EXCHANGE));
	HOLDS(contains("a", "b"));
	HOLDS(contains("dir/b", "a"));
	WORKS(rename2("a", "dir/sub", RENAME_EXCHANGE));
	HOLDS(contains("dir/sub", "b"));
	IS(links_of("dir"), 2);
	HOLDS(same_file("a/..", "."));
	WORKS(rename2("a", "a", RENAME_EXCHANGE));
	FAILS(ENOENT, rename2("a", "absent", RENAME_EXCHANGE));
	FAILS(EINVAL, rename2("dir", "dir/b", RENAME_EXCHANGE));
	FAILS(EINVAL, rename2("dir/b", "dir", RENAME_EXCHANGE));
}

static void whiteout(void)
{
	struct stat attr;

	put("a", "a");
	put("b", "b");
	make_dir("dir", 0755);
	WORKS(rename2("a", "dir/moved", RENAME_WHITEOUT));
	HOLDS(contains("dir/moved", "a"));
	attr = stat_of("a");
	HOLDS(S_ISCHR(attr.st_mode));
	IS(attr.st_rdev, makedev(0, 0));
	WORKS(rename2("b", "dir/moved", RENAME_WHITEOUT));
	HOLDS(contains("dir/moved", "b"));
	HOLDS(S_ISCHR(stat_of("b").st_mode));
	FAILS(EEXIST,
	      rename2("a", "dir/moved", RENAME_WHITEOUT | RENAME_NOREPLACE));
	IS(links_of("."), 3);
}

static void flags_that_make_no_sense(void)
{
	put("a", "a");
	put("b", "b");
	FAILS(EINVAL, rename2("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE));
	FAILS(EINVAL, rename2("a", "b", RENAME_EXCHANGE | RENAME_WHITEOUT));
	FAILS(EINVAL, rename2("a", "b", 1 << 20));
	FAILS(EBADF, renameat2(-1, "a", AT_FDCWD, "b", 0));
	FAILS(EBADF, renameat2(AT_FDCWD, "a", 1000, "b", 0));
	FAILS(ENOTDIR, renameat2(AT_FDCWD, "a", open("b", O_RDONLY), "b", 0));
}

/* In a mount namespace of our own, which ends with us. */
static void mountpoints_are_busy(void)
{
	make_dir("mountpoint", 0755);
	make_dir("dir", 0755);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "mountpoint", "tmpfs", 0, NULL) != 0)
		check_skip("no mount namespaces");
	FAILS(EBUSY, rmdir("mountpoint"));
	FAILS(EBUSY, rename("mountpoint", "new"));
	FAILS(EBUSY, rename("dir", "mountpoint"));
	FAILS(EXDEV, rename("dir", "mountpoint/dir"));
	WORKS(umount("mountpoint"));
	WORKS(rmdir("mountpoint"));
}

const struct family family_rename = {
	.name = "rename",
	.cases =
		(const struct check_case[]){
			CASE(rename_moves_a_name),
			CASE(rename_replaces),
			CASE(rename_of_two_names_of_one_file),
			CASE(rename_of_directories),
			CASE(rename_is_refused),
			CASE(rename_needs_both_directories),
			CASE(rename_of_a_directory_one_may_not_write),
			CASE(rename_in_sticky_directories),
			CASE(noreplace),
			CASE(exchange),
			CASE(whiteout),
			CASE(flags_that_make_no_sense),
			CASE(mountpoints_are_busy),
			CASES_END,
		},
};
