/* SPDX-License-Identifier: BSD-3-Clause */
/* truncate(2), ftruncate(2), fallocate(2), the limits of sizes */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define PAGE 4096
#define FAR ((off_t)1 << 62) /* beyond every filesystem's largest file */

static int make_open(const char *path)
{
	return (int)WORKS(open(path, O_CREAT | O_RDWR | O_TRUNC, 0644));
}

static bool zeros(int fd, off_t from, off_t to)
{
	char byte = 0;

	for (off_t at = from; at < to; at++)
		if (pread(fd, &byte, 1, at) != 1 || byte)
			return false;
	return true;
}

static void what_was_cut_off_does_not_come_back(void)
{
	int fd = make_open("file");
	char bytes[300];

	memset(bytes, 'x', sizeof(bytes));
	IS(pwrite(fd, bytes, 300, 0), 300);
	WORKS(ftruncate(fd, 100));
	IS(stat_of("file").st_size, 100);
	WORKS(truncate("file", 300));
	HOLDS(zeros(fd, 100, 300));
	IS(pread(fd, bytes, 300, 0), 300);
	IS(bytes[99], 'x');
	WORKS(ftruncate(fd, 1L << 30));
	HOLDS(zeros(fd, (1 << 30) - 20, 1 << 30));
	HOLDS(stat_of("file").st_blocks <= 8);
	WORKS(ftruncate(fd, 0));
	IS(stat_of("file").st_blocks, 0);
}

static void truncate_is_refused(void)
{
	int fd;

	make_file("file", 0644);
	make_dir("dir", 0777);
	make_fifo("fifo");
	FAILS(EISDIR, truncate("dir", 0));
	FAILS(EINVAL, truncate("fifo", 0));
	FAILS(EINVAL, truncate("file", -1));
	FAILS(ENOENT, truncate("absent", 0));
	fd = (int)WORKS(open("file", O_RDWR));
	FAILS(EINVAL, ftruncate(fd, -1));
	FAILS(EINVAL, ftruncate(open("file", O_RDONLY), 0));
	FAILS(EINVAL, ftruncate(open("dir", O_RDONLY), 0));
	FAILS(EINVAL, ftruncate(open("fifo", O_RDWR), 0));
	FAILS(EBADF, ftruncate(1000, 0));
	become(USER, USER, 0);
	FAILS(EACCES, truncate("file", 0));
	WORKS(ftruncate(fd, 5));
}

static void sizes_have_an_end(void)
{
	int fd = make_open("file");

	FAILS(EFBIG, ftruncate(fd, FAR));
	FAILS(EFBIG, truncate("file", FAR));
	FAILS(EFBIG, pwrite(fd, "x", 1, FAR));
	FAILS(EFBIG, fallocate(fd, 0, FAR, 1));
	FAILS(EFBIG, fallocate(fd, 0, LLONG_MAX, 1));
	IS(stat_of("file").st_size, 0);
}

static void a_tebibyte_of_nothing(void)
{
	const off_t size = (off_t)1 << 40;
	int fd = make_open("file");
	char byte = 0;

	WORKS(ftruncate(fd, size));
	IS(pwrite(fd, "x", 1, size - 1), 1);
	IS(pread(fd, &byte, 1, size - 1), 1);
	IS(byte, 'x');
	HOLDS(zeros(fd, size / 2, size / 2 + 10));
	IS(stat_of("file").st_blocks, 8);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled++;
}

/* Up to the limit it is written; past it there is a signal and EFBIG. */
static void limit_of_the_process(void)
{
	const struct rlimit limit = { 10000, RLIM_INFINITY };
	char bytes[8000];
	int fd = make_open("file");

	memset(bytes, 'x', sizeof(bytes));
	signal(SIGXFSZ, on_signal);
	setrlimit(RLIMIT_FSIZE, &limit);
	IS(write(fd, bytes, 8000), 8000);
	IS(write(fd, bytes, 8000), 2000);
	IS(signalled, 0);
	FAILS(EFBIG, write(fd, bytes, 1));
	IS(signalled, 1);
	FAILS(EFBIG, pwrite(fd, bytes, 10, 20000));
	IS(signalled, 2);
	FAILS(EFBIG, ftruncate(fd, 10001));
	IS(signalled, 3);
	FAILS(EFBIG, truncate("file", 10001));
	IS(signalled, 4);
	FAILS(EFBIG, fallocate(fd, 0, 0, 10001));
	IS(signalled, 5);
	IS(pwrite(fd, bytes, 10, 9990), 10);
	WORKS(ftruncate(fd, 10000));
	IS(stat_of("file").st_size, 10000);
}

static void allocation_is_room_and_zeros(void)
{
	int fd = make_open("file");

	WORKS(fallocate(fd, 0, 100, 1 << 20));
	IS(stat_of("file").st_size, (1 << 20) + 100);
	HOLDS(stat_of("file").st_blocks >= (1 << 20) / 512);
	HOLDS(zeros(fd, 0, 200));
	IS(pwrite(fd, "x", 1, 5000), 1);
	WORKS(posix_fallocate(fd, 0, 10000));
	HOLDS(zeros(fd, 5001, 5200));
}

static void allocation_that_keeps_the_size(void)
{
	int fd = make_open("file");

	WORKS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
	IS(stat_of("file").st_size, 0);
	HOLDS(stat_of("file").st_blocks >= (1 << 20) / 512);
	IS(pwrite(fd, "x", 1, 0), 1);
	IS(stat_of("file").st_size, 1);
	WORKS(ftruncate(fd, 1));
	WORKS(ftruncate(fd, 0));
	IS(stat_of("file").st_blocks, 0);
}

static void punching_makes_holes(void)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	char bytes[8 * PAGE];
	blkcnt_t blocks;
	int fd = make_open("file");

	memset(bytes, 'x', sizeof(bytes));
	IS(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	blocks = stat_of("file").st_blocks;
	WORKS(fallocate(fd, punch, PAGE, 2 * PAGE));
	IS(stat_of("file").st_blocks, blocks - 2 * PAGE / 512);
	IS(lseek(fd, 0, SEEK_HOLE), PAGE);
	IS(lseek(fd, PAGE, SEEK_DATA), 3 * PAGE);
	WORKS(fallocate(fd, punch, 4 * PAGE + 10, 20));
	HOLDS(zeros(fd, 4 * PAGE + 10, 4 * PAGE + 30));
	IS(pread(fd, bytes, 1, 4 * PAGE + 9), 1);
	IS(bytes[0], 'x');
	IS(pread(fd, bytes, 1, 4 * PAGE + 30), 1);
	IS(bytes[0], 'x');
	WORKS(fallocate(fd, punch, 0, 1L << 40));
	IS(stat_of("file").st_size, sizeof(bytes));
	IS(stat_of("file").st_blocks, 0);
}

static void zeroing(void)
{
	const int zero = FALLOC_FL_ZERO_RANGE;
	int fd = make_open("file");

	IS(pwrite(fd, "xxxxxxxx", 8, 0), 8);
	WORKS(fallocate(fd, zero, 2, 3));
	HOLDS(zeros(fd, 2, 5));
	WORKS(fallocate(fd, zero | FALLOC_FL_KEEP_SIZE, 6, 10000));
	IS(stat_of("file").st_size, 8);
	WORKS(fallocate(fd, zero, 6, 10000));
	IS(stat_of("file").st_size, 10006);
	HOLDS(zeros(fd, 6, 100));
}

static void allocation_is_refused(void)
{
	int fd = make_open("file");

	make_fifo("fifo");
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	FAILS(EINVAL, fallocate(fd, 0, 0, -1));
	FAILS(EINVAL, fallocate(fd, 0, -1, 10));
	FAILS(EOPNOTSUPP, fallocate(fd, 1 << 30, 0, 10));
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	FAILS(EBADF, fallocate(open("file", O_RDONLY), 0, 0, 10));
	FAILS(EBADF, fallocate(open(".", O_RDONLY), 0, 0, 10));
	FAILS(EBADF, fallocate(1000, 0, 0, 10));
	FAILS(ESPIPE, fallocate(open("fifo", O_RDWR), 0, 0, 10));
}

/* Not through FUSE: the kernel refuses them before the daemon is asked. */
static void ranges_are_taken_out_and_put_in(void)
{
	char page[4 * PAGE];
	int fd = make_open("file");

	for (int i = 0; i < 4; i++)
		memset(page + i * PAGE, 'a' + i, PAGE);
	IS(write(fd, page, sizeof(page)), sizeof(page));
	if (WORKS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE)) < 0)
		return;
	IS(stat_of("file").st_size, 3 * PAGE);
	IS(pread(fd, page, 1, PAGE), 1);
	IS(page[0], 'c');
	WORKS(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE));
	IS(stat_of("file").st_size, 4 * PAGE);
	HOLDS(zeros(fd, 0, 10));
}

const struct family family_size = {
	.name = "size",
	.cases =
		(const struct check_case[]){
			CASE(what_was_cut_off_does_not_come_back),
			CASE(truncate_is_refused),
			CASE(sizes_have_an_end),
			CASE(a_tebibyte_of_nothing),
			CASE(limit_of_the_process),
			CASE(allocation_is_room_and_zeros),
			CASE(allocation_that_keeps_the_size),
			CASE(punching_makes_holes),
			CASE(zeroing),
			CASE(allocation_is_refused),
			CASE(ranges_are_taken_out_and_put_in),
			CASES_END,
		},
};
