/* SPDX-License-Identifier: BSD-3-Clause */
/* stat(2), statx(2), statfs(2), fsync(2), ioctl(2) of no sort */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

static void numbers_of_files(void)
{
	struct stat attr, dir;

	put("file", "text");
	make_dir("dir", 0755);
	attr = stat_of("file");
	dir = stat_of(".");
	IS(attr.st_dev, dir.st_dev);
	HOLDS(attr.st_ino != stat_of("dir").st_ino);
	IS(attr.st_nlink, 1);
	IS(attr.st_size, 4);
	HOLDS(attr.st_blksize >= 512);
	WORKS(rename("file", "dir/moved"));
	IS(stat_of("dir/moved").st_ino, attr.st_ino);
}

static void blocks_are_counted(void)
{
	char page[4096] = "x";
	int fd = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));

	IS(pwrite(fd, page, 4096, 0), 4096);
	IS(stat_of("file").st_blocks, 8);
	IS(pwrite(fd, page, 4096, 1 << 20), 4096);
	IS(stat_of("file").st_blocks, 16);
	IS(pwrite(fd, page, 100, 50), 100);
	IS(stat_of("file").st_blocks, 16);
	WORKS(ftruncate(fd, 4096));
	IS(stat_of("file").st_blocks, 8);
	WORKS(ftruncate(fd, 0));
	IS(stat_of("file").st_blocks, 0);
}

static void stat_is_refused(void)
{
	struct stat out;

	make_file("file", 0644);
	make_dir("closed", 0600);
	make_file("closed/file", 0666);
	symlink("circle", "circle");
	FAILS(ENOENT, stat("absent", &out));
	FAILS(ENOENT, stat("", &out));
	FAILS(ENOTDIR, stat("file/x", &out));
	FAILS(ENOTDIR, stat("file/", &out));
	FAILS(ELOOP, stat("circle", &out));
	WORKS(lstat("circle", &out));
	FAILS(EFAULT, stat("file", bad_address()));
	FAILS(EFAULT, stat(bad_address(), &out));
	FAILS(EBADF, fstat(1000, &out));
	FAILS(EBADF, fstatat(-1, "file", &out, 0));
	FAILS(EINVAL, fstatat(AT_FDCWD, "file", &out, 1 << 30));
	WORKS(fstatat(open("file", O_PATH), "", &out, AT_EMPTY_PATH));
	become(USER, USER, 0);
	FAILS(EACCES, stat("closed/file", &out));
	WORKS(stat("closed", &out));
}

static void statx_says_what_stat_says(void)
{
	struct statx x;
	struct stat attr;

	put("file", "text");
	WORKS(chmod("file", 02711));
	WORKS(link("file", "link"));
	attr = stat_of("file");
	WORKS(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
	IS(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	IS(x.stx_mode, attr.st_mode);
	IS(x.stx_nlink, 2);
	IS(x.stx_size, 4);
	IS(x.stx_ino, attr.st_ino);
	IS(x.stx_blocks, attr.st_blocks);
	IS(x.stx_mtime.tv_sec, attr.st_mtim.tv_sec);
	IS(x.stx_mtime.tv_nsec, attr.st_mtim.tv_nsec);
	FAILS(EINVAL, statx(AT_FDCWD, "file", 1 << 30, STATX_TYPE, &x));
	FAILS(EINVAL, statx(AT_FDCWD, "file", 0, STATX__RESERVED, &x));
	FAILS(EINVAL,
	      statx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC,
		    STATX_TYPE, &x));
	FAILS(EBADF, statx(-1, "file", 0, STATX_TYPE, &x));
	FAILS(ENOENT, statx(AT_FDCWD, "", 0, STATX_TYPE, &x));
	WORKS(statx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC, STATX_TYPE, &x));
	WORKS(statx(AT_FDCWD, "file", AT_STATX_DONT_SYNC, STATX_TYPE, &x));
}

/* The time of birth does not move. */
static void birth_time_stays(void)
{
	struct timespec before, after;
	struct statx x;
	struct statx_timestamp born;

	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	make_file("file", 0644);
	clock_gettime(CLOCK_REALTIME_COARSE, &after);
	WORKS(statx(AT_FDCWD, "file", 0, STATX_BTIME, &x));
	if (!IS(x.stx_mask & STATX_BTIME, STATX_BTIME))
		return;
	born = x.stx_btime;
	HOLDS(born.tv_sec >= before.tv_sec && born.tv_sec <= after.tv_sec);
	tick();
	put("file", "text");
	WORKS(utimensat(AT_FDCWD, "file",
			(const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0));
	WORKS(rename("file", "new"));
	WORKS(statx(AT_FDCWD, "new", 0, STATX_BTIME, &x));
	IS(x.stx_btime.tv_sec, born.tv_sec);
	IS(x.stx_btime.tv_nsec, born.tv_nsec);
}

static void room_of_the_filesystem(void)
{
	static char bytes[1 << 20];
	struct statvfs before, after;
	struct statfs out;
	int fd;

	WORKS(statvfs(".", &before));
	IS(before.f_namemax, 255);
	HOLDS(before.f_bavail <= before.f_bfree);
	HOLDS(before.f_bfree <= before.f_blocks);
	HOLDS(before.f_bsize >= 512 && before.f_frsize >= 512);
	fd = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));
	memset(bytes, 'x', sizeof(bytes));
	IS(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	WORKS(fsync(fd));
	WORKS(fstatvfs(fd, &after));
	HOLDS(before.f_bfree - after.f_bfree >=
	      sizeof(bytes) / before.f_frsize);
	HOLDS(after.f_ffree < before.f_ffree || before.f_ffree == 0);
	IS(before.f_flag & ST_RDONLY, 0);
	FAILS(ENOENT, statfs("absent", &out));
	FAILS(ENOTDIR, statfs("file/x", &out));
	FAILS(EBADF, fstatfs(1000, &out));
	FAILS(EFAULT, statfs(".", bad_address()));
	FAILS(ENAMETOOLONG, statfs(name_of_length(256), &out));
}

static void syncing(void)
{
	int file = (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));
	int fifo;

	make_fifo("fifo");
	fifo = (int)WORKS(open("fifo", O_RDWR));
	IS(write(file, "text", 4), 4);
	WORKS(fsync(file));
	WORKS(fdatasync(file));
	WORKS(fsync(open("file", O_RDONLY)));
	WORKS(fsync(open(".", O_RDONLY)));
	WORKS(fdatasync(open(".", O_RDONLY)));
	WORKS(syncfs(file));
	WORKS(sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE));
	FAILS(EINVAL, fsync(fifo));
	FAILS(EINVAL, fdatasync(fifo));
	FAILS(EBADF, fsync(1000));
	FAILS(EBADF, fdatasync(open("file", O_PATH)));
	FAILS(EBADF, syncfs(1000));
	FAILS(EINVAL, sync_file_range(file, 0, 0, 1 << 30));
	FAILS(EINVAL, sync_file_range(file, -1, 0, 0));
	FAILS(ESPIPE, sync_file_range(fifo, 0, 0, SYNC_FILE_RANGE_WRITE));
}

static void commands_nobody_knows(void)
{
	int left = -1;
	int fd;

	put("file", "text");
	fd = open("file", O_RDONLY);
	FAILS(ENOTTY, ioctl(fd, _IO('!', 77)));
	FAILS(ENOTTY, ioctl(open(".", O_RDONLY), _IO('!', 77)));
	FAILS(ENOTTY, ioctl(fd, TIOCGWINSZ, &(struct winsize){ 0 }));
	FAILS(EBADF, ioctl(1000, FIONREAD, &left));
	WORKS(ioctl(fd, FIONREAD, &left));
	IS(left, 4);
}

const struct family family_stat = {
	.name = "stat",
	.cases =
		(const struct check_case[]){
			CASE(numbers_of_files),
			CASE(blocks_are_counted),
			CASE(stat_is_refused),
			CASE(statx_says_what_stat_says),
			CASE(birth_time_stays),
			CASE(room_of_the_filesystem),
			CASE(syncing),
			CASE(commands_nobody_knows),
			CASES_END,
		},
};
