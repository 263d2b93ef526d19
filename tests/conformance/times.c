/* SPDX-License-Identifier: BSD-3-Clause */
/* utimensat(2), and atime */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <dirent.h>
#include <stdlib.h>

static struct timespec at(time_t s, long ns)
{
	return (struct timespec){ .tv_sec = s, .tv_nsec = ns };
}

static int set_times(const char *path, struct timespec a, struct timespec m)
{
	const struct timespec times[2] = { a, m };

	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

static bool equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void times_to_the_nanosecond(void)
{
	static const time_t seconds[] = {
		0, 1, 2147483647, 2147483648, 4294967296, -1, -2147483648,
	};
	struct stat before, after;

	make_file("file", 0644);
	symlink("file", "link");
	before = stat_of("file");
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		tick();
		WORKS(set_times("file", at(seconds[i], 1),
				at(seconds[i], 999999999)));
		after = stat_of("file");
		HOLDS(equal(after.st_atim, at(seconds[i], 1)));
		HOLDS(equal(after.st_mtim, at(seconds[i], 999999999)));
		HOLDS(newer(after.st_ctim, before.st_ctim));
		before = after;
	}
	WORKS(set_times("link", at(5, 6), at(7, 8)));
	HOLDS(equal(stat_of("link").st_mtim, at(7, 8)));
	HOLDS(equal(stat_of("file").st_mtim, before.st_mtim));
}

static void now_and_omit(void)
{
	const struct timespec now = at(0, UTIME_NOW), omit = at(0, UTIME_OMIT);
	struct stat before, after;

	make_file("file", 0644);
	WORKS(set_times("file", at(1, 0), at(2, 0)));
	WORKS(set_times("file", omit, at(3, 0)));
	after = stat_of("file");
	IS(after.st_atim.tv_sec, 1);
	IS(after.st_mtim.tv_sec, 3);
	WORKS(set_times("file", at(4, 0), omit));
	IS(stat_of("file").st_mtim.tv_sec, 3);
	IS(stat_of("file").st_atim.tv_sec, 4);
	WORKS(set_times("file", now, omit));
	HOLDS(labs(stat_of("file").st_atim.tv_sec - time(NULL)) < 10);
	IS(stat_of("file").st_mtim.tv_sec, 3);
	before = stat_of("file");
	tick();
	WORKS(set_times("file", omit, omit));
	after = stat_of("file");
	HOLDS(equal(after.st_ctim, before.st_ctim));
	WORKS(utimensat(AT_FDCWD, "file", NULL, 0));
	after = stat_of("file");
	HOLDS(newer(after.st_mtim, before.st_mtim));
	HOLDS(equal(after.st_mtim, after.st_atim));
}

static void setting_is_refused(void)
{
	const struct timespec now = at(0, UTIME_NOW), omit = at(0, UTIME_OMIT);
	const struct timespec both[2] = { at(1, 1), at(1, 1) };

	make_file("file", 0644);
	make_file("shared", 0666);
	make_file("ours", 0);
	give("ours", USER, USER);
	FAILS(EINVAL, set_times("file", at(1, 1000000000), at(1, 1)));
	FAILS(EINVAL, set_times("file", at(1, 1), at(1, -1)));
	FAILS(ENOENT, set_times("absent", at(1, 1), at(1, 1)));
	FAILS(ENOTDIR, set_times("file/x", at(1, 1), at(1, 1)));
	FAILS(EINVAL, utimensat(AT_FDCWD, "file", both, 1 << 30));
	FAILS(EBADF, futimens(1000, both));
	FAILS(EBADF, utimensat(-1, "file", both, 0));
	FAILS(EFAULT, utimensat(AT_FDCWD, "file", bad_address(), 0));
	become(USER, USER, 0);
	FAILS(EPERM, set_times("file", at(1, 1), at(1, 1)));
	FAILS(EACCES, set_times("file", now, now));
	FAILS(EACCES, utimensat(AT_FDCWD, "file", NULL, 0));
	FAILS(EPERM, set_times("shared", at(1, 1), at(1, 1)));
	FAILS(EPERM, set_times("shared", now, omit));
	WORKS(set_times("shared", now, now));
	WORKS(utimensat(AT_FDCWD, "shared", NULL, 0));
	WORKS(set_times("ours", at(1, 1), omit));
	WORKS(set_times("file", omit, omit));
}

/* relatime: once, if it is no later than mtime; and once a day. */
static void reading_moves_atime_once(void)
{
	struct timespec first;
	char text[4];
	int fd;

	put("file", "text");
	WORKS(set_times("file", at(1000, 0), at(2000, 0)));
	fd = (int)WORKS(open("file", O_RDONLY));
	tick();
	IS(read(fd, text, 4), 4);
	first = stat_of("file").st_atim;
	HOLDS(first.tv_sec > 1000000);
	tick();
	IS(pread(fd, text, 4, 0), 4);
	HOLDS(equal(stat_of("file").st_atim, first));
	WORKS(set_times("file", at(1000, 0), at(500, 0)));
	IS(pread(fd, text, 4, 0), 4);
	HOLDS(stat_of("file").st_atim.tv_sec > 1000000);
}

static void noatime_leaves_atime(void)
{
	char text[4];
	int fd;

	put("file", "text");
	WORKS(set_times("file", at(1000, 0), at(2000, 0)));
	fd = (int)WORKS(open("file", O_RDONLY | O_NOATIME));
	IS(read(fd, text, 4), 4);
	IS(stat_of("file").st_atim.tv_sec, 1000);
}

static void listing_moves_atime(void)
{
	DIR *dir;

	make_dir("dir", 0755);
	WORKS(set_times("dir", at(1000, 0), at(2000, 0)));
	dir = opendir("dir");
	while (readdir(dir))
		;
	closedir(dir);
	HOLDS(stat_of("dir").st_atim.tv_sec > 1000000);
}

static void following_moves_atime(void)
{
	char text[4];

	symlink("x", "link");
	WORKS(set_times("link", at(1000, 0), at(2000, 0)));
	IS(readlink("link", text, 4), 1);
	HOLDS(stat_of("link").st_atim.tv_sec > 1000000);
}

const struct family family_times = {
	.name = "times",
	.cases =
		(const struct check_case[]){
			CASE(times_to_the_nanosecond),
			CASE(now_and_omit),
			CASE(setting_is_refused),
			CASE(reading_moves_atime_once),
			CASE(noatime_leaves_atime),
			CASE(listing_moves_atime),
			CASE(following_moves_atime),
			CASES_END,
		},
};
