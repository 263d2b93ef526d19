/* SPDX-License-Identifier: BSD-3-Clause */
/* FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR and what they set: immutable, append-only,
 * nodump, noatime */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#define OURS (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL)

/* The others stay: a filesystem has some of its own. */
static int set_flags(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	int number, result, all = 0;

	WORKS(ioctl(fd, FS_IOC_GETFLAGS, &all));
	all = (all & ~OURS) | flags;
	result = ioctl(fd, FS_IOC_SETFLAGS, &all);
	number = errno;
	close(fd);
	errno = number;
	return result;
}

static int get_flags(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	int flags = -1;

	WORKS(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	close(fd);
	return flags & OURS;
}

static void flags_are_kept(void)
{
	make_file("file", 0644);
	make_dir("dir", 0755);
	IS(get_flags("file"), 0);
	WORKS(set_flags("file", FS_NODUMP_FL | FS_NOATIME_FL));
	IS(get_flags("file"), FS_NODUMP_FL | FS_NOATIME_FL);
	WORKS(set_flags("dir", FS_NODUMP_FL));
	IS(get_flags("dir"), FS_NODUMP_FL);
	WORKS(set_flags("file", FS_IMMUTABLE_FL));
	IS(get_flags("file"), FS_IMMUTABLE_FL);
	WORKS(set_flags("file", FS_APPEND_FL));
	IS(get_flags("file"), FS_APPEND_FL);
	WORKS(set_flags("file", 0));
	IS(get_flags("file"), 0);
}

static void extended_flags(void)
{
	struct fsxattr flags = { 0 };
	int fd;

	make_file("file", 0644);
	fd = open("file", O_RDONLY);
	WORKS(set_flags("file", FS_IMMUTABLE_FL | FS_NODUMP_FL));
	WORKS(ioctl(fd, FS_IOC_FSGETXATTR, &flags));
	IS(flags.fsx_xflags &
		   (FS_XFLAG_IMMUTABLE | FS_XFLAG_NODUMP | FS_XFLAG_APPEND),
	   FS_XFLAG_IMMUTABLE | FS_XFLAG_NODUMP);
	flags.fsx_xflags = FS_XFLAG_NOATIME;
	WORKS(ioctl(fd, FS_IOC_FSSETXATTR, &flags));
	IS(get_flags("file"), FS_NOATIME_FL);
}

static void flags_are_refused(void)
{
	int flags = FS_NODUMP_FL;
	int fd;

	make_file("file", 0666);
	make_file("ours", 0666);
	give("ours", USER, USER);
	FAILS(EOPNOTSUPP, set_flags("file", 1 << 27));
	FAILS(EFAULT,
	      ioctl(open("file", O_RDONLY), FS_IOC_SETFLAGS, bad_address()));
	FAILS(EBADF, ioctl(1000, FS_IOC_GETFLAGS, &flags));
	fd = open("file", O_RDONLY);
	become(USER, USER, 0);
	FAILS(EPERM, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	WORKS(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	FAILS(EPERM, set_flags("ours", FS_IMMUTABLE_FL));
	FAILS(EPERM, set_flags("ours", FS_APPEND_FL));
	WORKS(set_flags("ours", FS_NODUMP_FL));
	become_root();
	IS(get_flags("ours"), FS_NODUMP_FL);
}

static void immutable_files(void)
{
	int fd;

	put("file", "text");
	fd = open("file", O_RDWR);
	WORKS(set_flags("file", FS_IMMUTABLE_FL));
	FAILS(EPERM, open("file", O_WRONLY));
	FAILS(EPERM, open("file", O_RDWR | O_APPEND));
	FAILS(EPERM, open("file", O_RDONLY | O_TRUNC));
	FAILS(EPERM, truncate("file", 0));
	FAILS(EPERM, unlink("file"));
	FAILS(EPERM, link("file", "link"));
	FAILS(EPERM, rename("file", "new"));
	FAILS(EPERM, chmod("file", 0600));
	FAILS(EPERM, fchmod(fd, 0600));
	FAILS(EPERM, chown("file", 1, 1));
	FAILS(EPERM,
	      utimensat(AT_FDCWD, "file",
			(const struct timespec[2]){ { 1, 1 }, { 1, 1 } }, 0));
	FAILS(EPERM, setxattr("file", "user.a", "1", 1, 0));
	WORKS(open("file", O_RDONLY));
	HOLDS(contains("file", "text"));
	WORKS(set_flags("file", 0));
	WORKS(unlink("file"));
}

static void immutable_files_keep_their_flags(void)
{
	put("file", "text");
	WORKS(set_flags("file", FS_IMMUTABLE_FL | FS_NODUMP_FL));
	FAILS(EPERM, set_flags("file", FS_IMMUTABLE_FL));
	FAILS(EPERM, set_flags("file", FS_IMMUTABLE_FL | FS_APPEND_FL));
	IS(get_flags("file"), FS_IMMUTABLE_FL | FS_NODUMP_FL);
	WORKS(set_flags("file", FS_IMMUTABLE_FL | FS_NODUMP_FL));
	WORKS(set_flags("file", 0));
}

static void access_knows_immutable_files(void)
{
	put("file", "text");
	WORKS(set_flags("file", FS_IMMUTABLE_FL));
	FAILS(EPERM, access("file", W_OK));
	WORKS(set_flags("file", 0));
}

/* Nor through what was open for writing before. */
static void immutable_files_that_are_open(void)
{
	int fd;

	put("file", "text");
	fd = open("file", O_RDWR);
	WORKS(set_flags("file", FS_IMMUTABLE_FL));
	FAILS(EPERM, fallocate(fd, 0, 0, 10000));
	FAILS(EPERM, ftruncate(fd, 0));
	FAILS(EPERM, utimensat(AT_FDCWD, "file", NULL, 0));
	HOLDS(contains("file", "text"));
	WORKS(set_flags("file", 0));
}

static void immutable_directories(void)
{
	make_dir("dir", 0755);
	make_dir("other", 0755);
	put("dir/file", "text");
	put("file", "text");
	WORKS(set_flags("dir", FS_IMMUTABLE_FL));
	FAILS(EPERM, creat("dir/new", 0644));
	FAILS(EPERM, mkdir("dir/new", 0755));
	FAILS(EPERM, symlink("x", "dir/new"));
	FAILS(EPERM, mknod("dir/new", S_IFIFO | 0644, 0));
	FAILS(EPERM, link("file", "dir/new"));
	FAILS(EPERM, unlink("dir/file"));
	FAILS(EPERM, rename("dir/file", "new"));
	FAILS(EPERM, rename("file", "dir/file"));
	FAILS(EPERM, rename("dir", "new"));
	FAILS(EPERM, rmdir("dir"));
	WORKS(truncate("dir/file", 0)); /* its files are another matter */
	WORKS(set_flags("dir", 0));
	WORKS(unlink("dir/file"));
}

static void append_only_files(void)
{
	int fd;

	put("file", "text");
	chmod("file", 06777);
	WORKS(set_flags("file", FS_APPEND_FL));
	FAILS(EPERM, open("file", O_WRONLY));
	FAILS(EPERM, open("file", O_RDWR));
	FAILS(EPERM, open("file", O_WRONLY | O_APPEND | O_TRUNC));
	FAILS(EPERM, truncate("file", 0));
	FAILS(EPERM, unlink("file"));
	FAILS(EPERM, link("file", "link"));
	FAILS(EPERM, rename("file", "new"));
	FAILS(EPERM, chmod("file", 0600));
	FAILS(EPERM, chown("file", 1, 1));
	become(USER, USER, 0);
	FAILS(EPERM, truncate("file", 0));
	become_root();
	IS(mode_of("file"), 06777); /* nothing of it was done */
	fd = (int)WORKS(open("file", O_RDWR | O_APPEND));
	IS(write(fd, "more", 4), 4);
	IS(pwrite(fd, "more", 4, 0), 4);
	FAILS(EPERM, ftruncate(fd, 0));
	FAILS(EPERM, fallocate(fd, 3, 0, 4));
	HOLDS(contains("file", "textmoremore"));
	WORKS(set_flags("file", 0));
}

static void append_only_files_that_are_open(void)
{
	int fd;

	put("file", "text");
	WORKS(set_flags("file", FS_APPEND_FL));
	fd = (int)WORKS(open("file", O_RDWR | O_APPEND));
	FAILS(EACCES,
	      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	FAILS(EPERM, fcntl(fd, F_SETFL, 0)); /* without O_APPEND */
	WORKS(set_flags("file", 0));
}

static void append_only_directories(void)
{
	make_dir("dir", 0755);
	put("dir/file", "text");
	WORKS(set_flags("dir", FS_APPEND_FL));
	WORKS(creat("dir/new", 0644));
	WORKS(mkdir("dir/sub", 0755));
	FAILS(EPERM, unlink("dir/file"));
	FAILS(EPERM, rename("dir/file", "dir/other"));
	FAILS(EPERM, rmdir("dir/sub"));
	FAILS(EPERM, rmdir("dir"));
	WORKS(set_flags("dir", 0));
}

static void noatime_of_a_file(void)
{
	char text[4];

	put("file", "text");
	WORKS(set_flags("file", FS_NOATIME_FL));
	WORKS(utimensat(AT_FDCWD, "file",
			(const struct timespec[2]){ { 1000, 0 }, { 2000, 0 } },
			0));
	IS(read((int)WORKS(open("file", O_RDONLY)), text, 4), 4);
	IS(stat_of("file").st_atim.tv_sec, 1000);
}

static void statx_says_so(void)
{
	struct statx x;

	make_file("file", 0644);
	WORKS(set_flags("file", FS_IMMUTABLE_FL));
	WORKS(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
	HOLDS(x.stx_attributes_mask & STATX_ATTR_IMMUTABLE);
	HOLDS(x.stx_attributes & STATX_ATTR_IMMUTABLE);
	WORKS(set_flags("file", 0));
	WORKS(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
	HOLDS(!(x.stx_attributes & STATX_ATTR_IMMUTABLE));
}

const struct family family_flags = {
	.name = "flags",
	.cases =
		(const struct check_case[]){
			CASE(flags_are_kept),
			CASE(extended_flags),
			CASE(flags_are_refused),
			CASE(immutable_files),
			CASE(immutable_files_keep_their_flags),
			CASE(access_knows_immutable_files),
			CASE(immutable_files_that_are_open),
			CASE(immutable_directories),
			CASE(append_only_files),
			CASE(append_only_files_that_are_open),
			CASE(append_only_directories),
			CASE(noatime_of_a_file),
			CASE(statx_says_so),
			CASES_END,
		},
};
