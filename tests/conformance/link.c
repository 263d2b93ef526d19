/* SPDX-License-Identifier: BSD-3-Clause */
/* link(2), unlink(2), symlink(2), readlink(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void link_is_another_name(void)
{
	struct stat before, dir, after;

	make_dir("dir", 0755);
	put("file", "text");
	before = stat_of("file");
	dir = stat_of("dir");
	tick();
	WORKS(link("file", "dir/name"));
	after = stat_of("dir/name");
	IS(after.st_ino, before.st_ino);
	IS(after.st_nlink, 2);
	HOLDS(newer(after.st_ctim, before.st_ctim));
	HOLDS(!newer(after.st_mtim, before.st_mtim));
	HOLDS(newer(stat_of("dir").st_mtim, dir.st_mtim));
	before = after;
	tick();
	WORKS(unlink("file"));
	after = stat_of("dir/name");
	IS(after.st_nlink, 1);
	HOLDS(newer(after.st_ctim, before.st_ctim));
	HOLDS(contains("dir/name", "text"));
}

static void link_is_refused(void)
{
	make_file("file", 0644);
	make_file("other", 0644);
	make_dir("dir", 0755);
	symlink("absent", "dangling");
	FAILS(EEXIST, link("file", "other"));
	FAILS(EEXIST, link("file", "file"));
	FAILS(EEXIST, link("file", "dir"));
	FAILS(EEXIST, link("file", "dangling"));
	FAILS(EEXIST, link("file", "."));
	FAILS(EPERM, link("dir", "another"));
	FAILS(ENOENT, link("absent", "new"));
	FAILS(ENOENT, link("file", "no/such"));
	FAILS(ENOTDIR, link("file", "other/x"));
	FAILS(ENOTDIR, link("file/", "new"));
	FAILS(ENOENT, link("file", "new/"));
	FAILS(EINVAL, linkat(AT_FDCWD, "file", AT_FDCWD, "new", 1 << 30));
	FAILS(EBADF, linkat(-1, "file", AT_FDCWD, "new", 0));
	FAILS(EBADF, linkat(AT_FDCWD, "file", 1000, "new", 0));
	IS(links_of("file"), 1);
}

static void link_to_another_filesystem(void)
{
	if (stat_of("/dev").st_dev == stat_of(".").st_dev)
		check_skip("/dev is this filesystem");
	make_file("file", 0644);
	make_dir("dir", 0755);
	FAILS(EXDEV, link("file", "/dev/udaxfs-conformance"));
	FAILS(EXDEV, rename("file", "/dev/udaxfs-conformance"));
	FAILS(EXDEV, rename("dir", "/dev/udaxfs-conformance"));
	FAILS(EXDEV, link("/dev/null", "null"));
}

static void link_needs_both_directories(void)
{
	make_dir("open", 0777);
	make_dir("closed", 0755);
	make_dir("blind", 0666);
	make_file("open/file", 0666);
	make_file("blind/file", 0666);
	become(USER, USER, 0);
	FAILS(EACCES, link("open/file", "closed/new"));
	FAILS(EACCES, link("blind/file", "open/new"));
	FAILS(EACCES, link("open/file", "blind/new"));
	WORKS(link("open/file", "open/new"));
}

/* fs.protected_hardlinks: only what one owns or may read and write. */
static void link_to_what_is_not_ones_own(void)
{
	FILE *sysctl = fopen("/proc/sys/fs/protected_hardlinks", "re");
	int protects = sysctl && fgetc(sysctl) == '1';

	if (!protects)
		check_skip("fs.protected_hardlinks is off");
	make_dir("dir", 0777);
	make_file("dir/private", 0644);
	make_file("dir/suid", 04777);
	make_file("dir/shared", 0666);
	make_fifo("dir/fifo");
	become(USER, USER, 0);
	FAILS(EPERM, link("dir/private", "dir/a"));
	FAILS(EPERM, link("dir/suid", "dir/b"));
	FAILS(EPERM, link("dir/fifo", "dir/c"));
	WORKS(link("dir/shared", "dir/d"));
}

static void link_to_a_symlink(void)
{
	make_file("file", 0644);
	symlink("file", "link");
	WORKS(link("link", "second"));
	HOLDS(S_ISLNK(stat_of("second").st_mode));
	IS(links_of("link"), 2);
	WORKS(linkat(AT_FDCWD, "link", AT_FDCWD, "third", AT_SYMLINK_FOLLOW));
	HOLDS(same_file("third", "file"));
	make_fifo("fifo");
	WORKS(link("fifo", "second-fifo"));
	HOLDS(same_file("fifo", "second-fifo"));
}

static void link_to_what_has_no_name(void)
{
	int removed, fd;

	make_file("file", 0644);
	make_dir("dir", 0755);
	make_file("other", 0644);
	removed = open("dir", O_RDONLY);
	rmdir("dir");
	FAILS(ENOENT, linkat(AT_FDCWD, "other", removed, "new", 0));
	fd = open("file", O_RDONLY);
	unlink("file");
	FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "new", AT_EMPTY_PATH));
}

static void unlink_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	FAILS(ENOENT, unlink("absent"));
	FAILS(EISDIR, unlink("dir"));
	FAILS(EISDIR, unlink("."));
	FAILS(EISDIR, unlink(".."));
	FAILS(EISDIR, unlink("dir/"));
	FAILS(ENOTDIR, unlink("file/"));
	FAILS(ENOTDIR, unlink("file/x"));
	FAILS(EINVAL, unlinkat(AT_FDCWD, "file", 1 << 30));
	FAILS(ENOTDIR, unlinkat(AT_FDCWD, "file", AT_REMOVEDIR));
	FAILS(EBADF, unlinkat(-1, "file", 0));
	FAILS(ENOTDIR, unlinkat(open("file", O_RDONLY), "file", 0));
	become(USER, USER, 0);
	FAILS(EACCES, unlink("file"));
	FAILS(ENOENT, unlink("absent"));
}

static void unlink_moves_the_directorys_times(void)
{
	struct stat before, after;

	make_dir("dir", 0755);
	make_file("dir/file", 0644);
	before = stat_of("dir");
	tick();
	WORKS(unlink("dir/file"));
	after = stat_of("dir");
	HOLDS(newer(after.st_mtim, before.st_mtim));
	HOLDS(newer(after.st_ctim, before.st_ctim));
}

/* uid, and who may take the file of USER out of the directory of OTHER. */
static void unlink_from_a_sticky_directory(void)
{
	static const struct {
		uid_t uid;
		int number;
	} who[] = { { USER, 0 }, { OTHER, 0 }, { GROUP, EPERM }, { 0, 0 } };

	make_dir("sticky", 01777);
	give("sticky", OTHER, OTHER);
	chmod("sticky", 01777);
	for (size_t i = 0; i < 4; i++) {
		make_file("sticky/file", 0666);
		give("sticky/file", USER, USER);
		become(who[i].uid, who[i].uid, 0);
		if (who[i].number)
			FAILS(who[i].number, unlink("sticky/file"));
		else
			WORKS(unlink("sticky/file"));
		become_root();
		unlink("sticky/file");
	}
}

static void unlinked_file_lives_while_it_is_open(void)
{
	struct stat attr;
	char text[8];
	int fd;

	put("file", "text");
	fd = (int)WORKS(open("file", O_RDWR));
	WORKS(unlink("file"));
	FAILS(ENOENT, open("file", O_RDONLY));
	WORKS(fstat(fd, &attr));
	IS(attr.st_nlink, 0);
	IS(attr.st_size, 4);
	IS(pwrite(fd, "more", 4, 4), 4);
	IS(pread(fd, text, 8, 0), 8);
	HOLDS(memcmp(text, "textmore", 8) == 0);
	WORKS(ftruncate(fd, 2));
	WORKS(fchmod(fd, 0600));
	make_file("file", 0644);
	IS(stat_of("file").st_size, 0);
}

static void symlink_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	symlink("absent", "dangling");
	FAILS(EEXIST, symlink("x", "file"));
	FAILS(EEXIST, symlink("x", "dir"));
	FAILS(EEXIST, symlink("x", "dangling"));
	FAILS(EEXIST, symlink("x", "."));
	FAILS(ENOENT, symlink("", "link"));
	FAILS(ENOENT, symlink("x", "no/such"));
	FAILS(ENOENT, symlink("x", "link/"));
	FAILS(ENOTDIR, symlink("x", "file/link"));
	FAILS(ENAMETOOLONG, symlink(name_of_length(PATH_MAX), "link"));
	FAILS(EFAULT, symlink(bad_address(), "link"));
	FAILS(EBADF, symlinkat("x", -1, "link"));
	become(USER, USER, 0);
	FAILS(EACCES, symlink("x", "link"));
}

static void symlink_of_every_length(void)
{
	static const size_t lengths[] = { 1,	59,   60,   255, 256,
					  1000, 4000, 4094, 4095 };
	char got[PATH_MAX];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *target = name_of_length(lengths[i]);

		WORKS(symlink(target, "link"));
		IS(readlink("link", got, sizeof(got)), lengths[i]);
		HOLDS(memcmp(got, target, lengths[i]) == 0);
		IS(stat_of("link").st_size, lengths[i]);
		IS(stat_of("link").st_mode, S_IFLNK | 0777);
		IS(readlink("link", got, 1), 1);
		unlink("link");
	}
}

static void readlink_is_refused(void)
{
	char got[16];

	make_file("file", 0644);
	make_dir("closed", 0700);
	symlink("x", "link");
	symlink("x", "closed/link");
	FAILS(EINVAL, readlink("file", got, sizeof(got)));
	FAILS(EINVAL, readlink(".", got, sizeof(got)));
	FAILS(ENOENT, readlink("absent", got, sizeof(got)));
	FAILS(ENOTDIR, readlink("file/x", got, sizeof(got)));
	FAILS(EINVAL, readlink("link", got, 0));
	FAILS(EFAULT, readlink("link", bad_address(), 10));
	FAILS(EBADF, readlinkat(-1, "link", got, sizeof(got)));
	IS(readlinkat((int)WORKS(open("link", O_PATH | O_NOFOLLOW)), "", got,
		      sizeof(got)),
	   1);
	become(USER, USER, 0);
	FAILS(EACCES, readlink("closed/link", got, sizeof(got)));
}

/* 40 are followed, not one more. */
static void symlinks_in_a_row(void)
{
	char from[16], to[16];

	put("0", "text");
	for (int i = 1; i <= 41; i++) {
		snprintf(to, sizeof(to), "%d", i - 1);
		snprintf(from, sizeof(from), "%d", i);
		WORKS(symlink(to, from));
	}
	WORKS(open("40", O_RDONLY));
	FAILS(ELOOP, open("41", O_RDONLY));
	FAILS(ELOOP, stat("41", &(struct stat){ 0 }));
	WORKS(lstat("41", &(struct stat){ 0 }));
}

const struct family family_link = {
	.name = "link",
	.cases =
		(const struct check_case[]){
			CASE(link_is_another_name),
			CASE(link_is_refused),
			CASE(link_to_another_filesystem),
			CASE(link_needs_both_directories),
			CASE(link_to_what_is_not_ones_own),
			CASE(link_to_a_symlink),
			CASE(link_to_what_has_no_name),
			CASE(unlink_is_refused),
			CASE(unlink_moves_the_directorys_times),
			CASE(unlink_from_a_sticky_directory),
			CASE(unlinked_file_lives_while_it_is_open),
			CASE(symlink_is_refused),
			CASE(symlink_of_every_length),
			CASE(readlink_is_refused),
			CASE(symlinks_in_a_row),
			CASES_END,
		},
};
