/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filesystem that is mounted read-only: EROFS. The directory is one that the
 * family "prepare" has made while it could be written.
 */
#include "calls.h"
#include "check.h"
#include "families.h"
#include "tree.h"

#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

/* Left behind on purpose: above the case's own directory. */
static void something_to_look_at(void)
{
	WORKS(chdir(".."));
	make_dir("dir", 0777);
	put("dir/file", "text");
	make_file("dir/other-file", 0666);
	chmod("dir/file", 0666);
	make_dir("dir/sub", 0755);
	symlink("file", "dir/link");
	make_fifo("dir/fifo");
	WORKS(setxattr("dir/file", "user.name", "value", 5, 0));
}

/* The family's cases begin in a directory that cannot be made here. */
static void enter(void)
{
	WORKS(chdir("dir"));
}

static const char *target_of(const struct path_call *call)
{
	if (call->creates)
		return "new";
	if (strcmp(call->name, "rmdir") == 0)
		return "sub";
	if (strcmp(call->name, "open O_TMPFILE") == 0)
		return ".";
	return "file";
}

static void whatever_changes_is_refused(void)
{
	enter();
	for (const struct path_call *call = path_calls; call->name; call++)
		if (call->changes && !FAILS(EROFS, call->call(target_of(call))))
			check_say("%s", call->name);
	FAILS(EROFS, rename("file", "other-file"));
	FAILS(EROFS,
	      renameat2(AT_FDCWD, "file", AT_FDCWD, "sub", RENAME_EXCHANGE));
	FAILS(EROFS, open("file", O_RDWR));
	FAILS(EROFS, open("file", O_RDONLY | O_TRUNC));
	FAILS(EROFS, open("new", O_CREAT | O_RDONLY, 0644));
	FAILS(EROFS, access("file", W_OK));
	FAILS(EROFS, access("sub", W_OK));
	FAILS(EEXIST, mkdir("sub", 0755));
	FAILS(EEXIST, open("file", O_CREAT | O_EXCL | O_RDONLY, 0644));
}

static void descriptors_change_nothing_either(void)
{
	int flags = FS_NODUMP_FL;
	int fd;

	enter();
	fd = (int)WORKS(open("file", O_RDONLY));
	FAILS(EROFS, fchmod(fd, 0600));
	FAILS(EROFS, fchown(fd, 1, 1));
	FAILS(EROFS, futimens(fd, NULL));
	FAILS(EROFS, fsetxattr(fd, "user.a", "1", 1, 0));
	FAILS(EROFS, fremovexattr(fd, "user.name"));
	FAILS(EROFS, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	FAILS(EACCES, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0));
	WORKS(fsync(fd));
}

static void all_can_be_read(void)
{
	struct statvfs room;
	struct stat before;
	char value[8];
	int fifo;

	enter();
	before = stat_of("file");
	HOLDS(contains("file", "text"));
	IS(stat_of("file").st_atim.tv_nsec, before.st_atim.tv_nsec);
	IS(getxattr("file", "user.name", value, 8), 5);
	IS(readlink("link", value, 8), 4);
	WORKS(open("file", O_CREAT | O_RDONLY, 0644));
	WORKS(access("file", R_OK));
	WORKS(statvfs(".", &room));
	IS(room.f_flag & ST_RDONLY, ST_RDONLY);
	/* what is no file of this filesystem may be written */
	fifo = (int)WORKS(open("fifo", O_RDWR));
	IS(write(fifo, "x", 1), 1);
	WORKS(access("fifo", W_OK));
}

const struct family family_prepare = {
	.name = "prepare",
	.special = true,
	.cases =
		(const struct check_case[]){
			CASE(something_to_look_at),
			CASES_END,
		},
};

const struct family family_readonly = {
	.name = "readonly",
	.special = true,
	.in_place = true,
	.cases =
		(const struct check_case[]){
			CASE(whatever_changes_is_refused),
			CASE(descriptors_change_nothing_either),
			CASE(all_can_be_read),
			CASES_END,
		},
};
