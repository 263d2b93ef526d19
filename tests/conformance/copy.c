/* SPDX-License-Identifier: BSD-3-Clause */
/* copy_file_range(2), sendfile(2), splice(2), FICLONE */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#define SIZE (1 << 20)

static char text[SIZE], got[SIZE];

static int make_source(void)
{
	int fd = (int)WORKS(open("source", O_CREAT | O_RDWR, 0644));

	for (size_t i = 0; i < SIZE; i++)
		text[i] = (char)(i * 7 + i / 1000);
	IS(pwrite(fd, text, SIZE, 0), SIZE);
	return fd;
}

static int make_target(void)
{
	return (int)WORKS(open("target", O_CREAT | O_RDWR | O_TRUNC, 0644));
}

/* All of it, in as many pieces as it takes. */
static void copy(int from, loff_t at, int to, loff_t to_at, size_t length)
{
	while (length > 0) {
		ssize_t n = WORKS(
			copy_file_range(from, &at, to, &to_at, length, 0));

		if (n <= 0)
			return;
		length -= (size_t)n;
	}
}

static void bytes_are_copied(void)
{
	static const struct {
		loff_t from, to;
		size_t length;
	} ranges[] = { { 0, 0, SIZE },	    { 0, 8192, 65536 },
		       { 1, 1, 10000 },	    { 5000, 77, 123456 },
		       { 4096, 12288, 50 }, { SIZE - 10, 3, 10 } };
	int from = make_source();

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		int to = make_target();
		size_t length = ranges[i].length;

		copy(from, ranges[i].from, to, ranges[i].to, length);
		IS(stat_of("target").st_size, ranges[i].to + length);
		IS(pread(to, got, length, ranges[i].to), length);
		HOLDS(memcmp(got, text + ranges[i].from, length) == 0);
		close(to);
	}
}

static void both_go_on_alone_afterwards(void)
{
	int from = make_source(), to = make_target();

	copy(from, 0, to, 0, SIZE);
	IS(pwrite(from, "source", 6, 5000), 6);
	IS(pwrite(to, "target", 6, 9000), 6);
	IS(pread(from, got, 6, 9000), 6);
	HOLDS(memcmp(got, text + 9000, 6) == 0);
	IS(pread(to, got, 6, 5000), 6);
	HOLDS(memcmp(got, text + 5000, 6) == 0);
	WORKS(ftruncate(from, 0));
	IS(pread(to, got, SIZE, 0), SIZE);
	HOLDS(memcmp(got + 20000, text + 20000, SIZE - 20000) == 0);
}

static void offsets_move(void)
{
	int from = make_source(), to = make_target();
	ssize_t n;

	IS(lseek(from, 100, SEEK_SET), 100);
	n = WORKS(copy_file_range(from, NULL, to, NULL, 5000, 0));
	HOLDS(n > 0 && n <= 5000);
	IS(lseek(from, 0, SEEK_CUR), 100 + n);
	IS(lseek(to, 0, SEEK_CUR), n);
}

static void copying_ends_at_the_end(void)
{
	int from = make_source(), to = make_target();
	loff_t at = SIZE - 10, to_at = 0;

	IS(copy_file_range(from, &at, to, &to_at, 1000, 0), 10);
	IS(copy_file_range(from, &at, to, &to_at, 1000, 0), 0);
	at = 10 * SIZE;
	IS(copy_file_range(from, &at, to, &to_at, 1000, 0), 0);
	IS(copy_file_range(from, NULL, to, NULL, 0, 0), 0);
	IS(stat_of("target").st_size, 10);
}

static void within_one_file(void)
{
	int fd = make_source();
	loff_t at = 0, to = 100;

	FAILS(EINVAL, copy_file_range(fd, &at, fd, &to, 200, 0));
	FAILS(EINVAL, copy_file_range(fd, &at, fd, &at, 200, 0));
	copy(fd, 0, fd, SIZE / 2, SIZE / 2);
	IS(pread(fd, got, SIZE / 2, SIZE / 2), SIZE / 2);
	HOLDS(memcmp(got, text, SIZE / 2) == 0);
	copy(fd, 0, fd, SIZE, SIZE);
	IS(stat_of("source").st_size, 2 * SIZE);
}

static void holes_are_copied_as_zeros(void)
{
	int from = (int)WORKS(open("source", O_CREAT | O_RDWR, 0644));
	int to = make_target();

	IS(pwrite(from, "x", 1, SIZE - 1), 1);
	memset(text, 'y', SIZE);
	IS(pwrite(to, text, SIZE, 0), SIZE);
	copy(from, 0, to, 0, SIZE);
	IS(pread(to, got, SIZE, 0), SIZE);
	HOLDS(got[0] == 0 && memcmp(got, got + 1, SIZE - 2) == 0);
	IS(got[SIZE - 1], 'x');
}

static void copying_is_refused(void)
{
	int from = make_source(), to = make_target();
	loff_t below = -100;
	int fifo;

	make_fifo("fifo");
	fifo = open("fifo", O_RDWR);
	FAILS(EBADF,
	      copy_file_range(open("source", O_WRONLY), NULL, to, NULL, 10, 0));
	FAILS(EBADF, copy_file_range(from, NULL, open("target", O_RDONLY), NULL,
				     10, 0));
	FAILS(EBADF,
	      copy_file_range(from, NULL, open("target", O_WRONLY | O_APPEND),
			      NULL, 10, 0));
	FAILS(EBADF, copy_file_range(1000, NULL, to, NULL, 10, 0));
	FAILS(EISDIR,
	      copy_file_range(open(".", O_RDONLY), NULL, to, NULL, 10, 0));
	FAILS(EINVAL, copy_file_range(from, NULL, to, NULL, 10, 1));
	FAILS(EINVAL, copy_file_range(fifo, NULL, to, NULL, 10, 0));
	FAILS(EINVAL, copy_file_range(from, NULL, fifo, NULL, 10, 0));
	FAILS(EINVAL, copy_file_range(from, &below, to, NULL, 10, 0));
	FAILS(EFAULT, copy_file_range(from, bad_address(), to, NULL, 10, 0));
	IS(stat_of("target").st_size, 0);
}

static void copying_is_bounded(void)
{
	const struct rlimit limit = { 1000, RLIM_INFINITY };
	int from = make_source(), to = make_target();
	loff_t at = 0, to_at = 1000;

	setrlimit(RLIMIT_FSIZE, &limit);
	FAILS(EFBIG, copy_file_range(from, &at, to, &to_at, 100, 0));
	to_at = 500;
	IS(copy_file_range(from, &at, to, &to_at, 4096, 0), 500);
	IS(stat_of("target").st_size, 1000);
}

static void pipes_take_and_give(void)
{
	int from = make_source(), to = make_target();
	off_t at = 5000;
	loff_t to_at = 77;
	int ends[2];

	IS(sendfile(to, from, &at, 10000), 10000);
	IS(at, 15000);
	IS(pread(to, got, 10000, 0), 10000);
	HOLDS(memcmp(got, text + 5000, 10000) == 0);
	WORKS(pipe(ends));
	at = 0;
	IS(splice(from, &at, ends[1], NULL, 4096, 0), 4096);
	IS(splice(ends[0], NULL, to, &to_at, 4096, 0), 4096);
	IS(pread(to, got, 4096, 77), 4096);
	HOLDS(memcmp(got, text, 4096) == 0);
	FAILS(EINVAL, splice(from, &at, to, &to_at, 10, 0));
	FAILS(EBADF, sendfile(open("target", O_RDONLY), from, NULL, 10));
	FAILS(EBADF, sendfile(to, open("source", O_WRONLY), NULL, 10));
	FAILS(EINVAL,
	      sendfile(open("target", O_WRONLY | O_APPEND), from, NULL, 10));
}

/* Of a filesystem that cannot, and through FUSE. */
static void clones_are_refused(void)
{
	int from = make_source(), to = make_target();
	struct file_clone_range range = { .src_fd = from };

	FAILS(EOPNOTSUPP, ioctl(to, FICLONE, from));
	FAILS(EOPNOTSUPP, ioctl(to, FICLONERANGE, &range));
	FAILS(EBADF, ioctl(to, FICLONE, 1000));
}

const struct family family_copy = {
	.name = "copy",
	.cases =
		(const struct check_case[]){
			CASE(bytes_are_copied),
			CASE(both_go_on_alone_afterwards),
			CASE(offsets_move),
			CASE(copying_ends_at_the_end),
			CASE(within_one_file),
			CASE(holes_are_copied_as_zeros),
			CASE(copying_is_refused),
			CASE(copying_is_bounded),
			CASE(pipes_take_and_give),
			CASE(clones_are_refused),
			CASES_END,
		},
};
