/* SPDX-License-Identifier: BSD-3-Clause */
/* open(2) with O_CREAT, creat(2), O_TMPFILE: what a new file is */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <stdio.h>

static void mode_is_cut_by_the_umask(void)
{
	umask(027);
	WORKS(open("file", O_CREAT | O_WRONLY, 0666));
	WORKS(creat("program", 0777));
	umask(0);
	WORKS(open("all", O_CREAT | O_WRONLY, 07777));
	IS(mode_of("file"), 0640);
	IS(mode_of("program"), 0750);
	IS(mode_of("all"), 07777);
}

static void mode_does_not_bind_the_creator(void)
{
	char text[4];
	int fd;

	make_dir("dir", 0777);
	become(USER, USER, 0);
	fd = (int)WORKS(open("dir/file", O_CREAT | O_EXCL | O_RDWR, 0));
	IS(write(fd, "text", 4), 4);
	IS(pread(fd, text, 4, 0), 4);
	FAILS(EACCES, open("dir/file", O_RDONLY));
	IS(mode_of("dir/file"), 0);
}

static void owner_is_the_creator(void)
{
	make_dir("dir", 0777);
	make_dir("setgid", 02777);
	give("setgid", OTHER, GROUP);
	chmod("setgid", 02777);
	become(USER, USER, 0);
	WORKS(creat("dir/file", 0644));
	WORKS(creat("setgid/file", 0644));
	WORKS(mkdir("setgid/dir", 0755));
	become_root();
	IS(stat_of("dir/file").st_uid, USER);
	IS(stat_of("dir/file").st_gid, USER);
	IS(stat_of("setgid/file").st_uid, USER);
	IS(stat_of("setgid/file").st_gid, GROUP);
	IS(mode_of("setgid/file"), 0644);
	IS(stat_of("setgid/dir").st_gid, GROUP);
	IS(mode_of("setgid/dir"), 02755);
}

/* A set-group-ID program of a group that one is not in. */
static void setgid_of_a_strange_group_goes(void)
{
	make_dir("setgid", 02777);
	give("setgid", OTHER, GROUP);
	chmod("setgid", 02777);
	become(USER, USER, 0);
	WORKS(open("setgid/program", O_CREAT | O_WRONLY, 02775));
	WORKS(mknod("setgid/node", S_IFREG | 02775, 0));
	become(USER, USER, GROUP);
	WORKS(open("setgid/ours", O_CREAT | O_WRONLY, 02775));
	become_root();
	IS(mode_of("setgid/program"), 0775);
	IS(mode_of("setgid/node"), 0775);
	IS(mode_of("setgid/ours"), 02775);
}

static void what_is_there_stays_as_it_is(void)
{
	put("file", "text");
	chmod("file", 0604);
	give("file", USER, GROUP);
	WORKS(open("file", O_CREAT | O_RDWR, 0777));
	IS(mode_of("file"), 0604);
	IS(stat_of("file").st_uid, USER);
	HOLDS(contains("file", "text"));
}

static void moves_the_times_of_the_directory(void)
{
	struct stat before, after;

	make_dir("dir", 0755);
	before = stat_of("dir");
	tick();
	WORKS(creat("dir/file", 0644));
	after = stat_of("dir");
	HOLDS(newer(after.st_mtim, before.st_mtim));
	HOLDS(newer(after.st_ctim, before.st_ctim));
	before = after;
	tick();
	WORKS(creat("dir/file", 0644));
	after = stat_of("dir");
	HOLDS(!newer(after.st_mtim, before.st_mtim));
	after = stat_of("dir/file");
	IS(after.st_nlink, 1);
	IS(after.st_size, 0);
	IS(after.st_blocks, 0);
}

static void nothing_comes_of_a_removed_directory(void)
{
	int dir;

	make_dir("dir", 0755);
	dir = open("dir", O_RDONLY);
	rmdir("dir");
	FAILS(ENOENT, openat(dir, "file", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, mkdirat(dir, "dir", 0755));
	FAILS(ENOENT, mknodat(dir, "fifo", S_IFIFO | 0644, 0));
	FAILS(ENOENT, symlinkat("target", dir, "link"));
}

/* It has no name: its room goes with its last descriptor. */
static void nameless_file(void)
{
	struct stat attr;
	int fd;

	make_dir("dir", 0755);
	umask(022);
	fd = (int)WORKS(open("dir", O_TMPFILE | O_RDWR, 0666));
	WORKS(fstat(fd, &attr));
	IS(attr.st_nlink, 0);
	IS(attr.st_mode, S_IFREG | 0644);
	IS(write(fd, "text", 4), 4);
	IS(lseek(fd, 0, SEEK_END), 4);
	WORKS(rmdir("dir"));
	IS(write(fd, "text", 4), 4);
}

static void nameless_file_gets_a_name(void)
{
	char path[64];
	int fd = (int)WORKS(open(".", O_TMPFILE | O_RDWR, 0640));

	IS(write(fd, "text", 4), 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	WORKS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	IS(links_of("named"), 1);
	IS(mode_of("named"), 0640);
	HOLDS(contains("named", "text"));
	WORKS(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	IS(links_of("again"), 2);
	fd = (int)WORKS(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0640));
	FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "never", AT_EMPTY_PATH));
}

static void nameless_file_is_refused(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	FAILS(ENOENT, open("absent", O_TMPFILE | O_RDWR, 0644));
	FAILS(ENOTDIR, open("file", O_TMPFILE | O_RDWR, 0644));
	FAILS(EINVAL, open("dir", O_TMPFILE | O_RDONLY, 0644));
	become(USER, USER, 0);
	FAILS(EACCES, open("dir", O_TMPFILE | O_RDWR, 0644));
}

static void nameless_file_of_a_setgid_directory(void)
{
	struct stat attr;

	make_dir("dir", 02777);
	give("dir", OTHER, GROUP);
	chmod("dir", 02777);
	become(USER, USER, 0);
	WORKS(fstat((int)WORKS(open("dir", O_TMPFILE | O_RDWR, 0644)), &attr));
	IS(attr.st_uid, USER);
	IS(attr.st_gid, GROUP);
}

const struct family family_create = {
	.name = "create",
	.cases =
		(const struct check_case[]){
			CASE(mode_is_cut_by_the_umask),
			CASE(mode_does_not_bind_the_creator),
			CASE(owner_is_the_creator),
			CASE(setgid_of_a_strange_group_goes),
			CASE(what_is_there_stays_as_it_is),
			CASE(moves_the_times_of_the_directory),
			CASE(nothing_comes_of_a_removed_directory),
			CASE(nameless_file),
			CASE(nameless_file_gets_a_name),
			CASE(nameless_file_is_refused),
			CASE(nameless_file_of_a_setgid_directory),
			CASES_END,
		},
};
