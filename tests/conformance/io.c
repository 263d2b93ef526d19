/* SPDX-License-Identifier: BSD-3-Clause */
/* read(2), write(2), pread, pwrite, readv, writev, preadv2, lseek(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define PAGE 4096

static int make_open(const char *path)
{
	return (int)WORKS(open(path, O_CREAT | O_RDWR | O_TRUNC, 0644));
}

static void reading_ends_at_the_end(void)
{
	char bytes[16];
	int fd = make_open("file");

	IS(read(fd, bytes, 16), 0);
	IS(write(fd, "0123456789", 10), 10);
	IS(pread(fd, bytes, 16, 0), 10);
	IS(pread(fd, bytes, 16, 7), 3);
	IS(pread(fd, bytes, 16, 10), 0);
	IS(pread(fd, bytes, 16, 1 << 20), 0);
	IS(pread(fd, bytes, 0, 0), 0);
	IS(read(fd, bytes, 16), 0);
	IS(lseek(fd, 0, SEEK_CUR), 10);
}

static void descriptors_that_may_not(void)
{
	char byte = 0;
	int r, w;

	make_file("file", 0644);
	r = open("file", O_RDONLY);
	w = open("file", O_WRONLY);
	FAILS(EBADF, read(w, &byte, 1));
	FAILS(EBADF, pread(w, &byte, 1, 0));
	FAILS(EBADF, write(r, &byte, 1));
	FAILS(EBADF, pwrite(r, &byte, 1, 0));
	FAILS(EBADF, read(-1, &byte, 1));
	FAILS(EBADF, write(1000, &byte, 1));
	FAILS(EBADF, lseek(1000, 0, SEEK_SET));
	close(r);
	FAILS(EBADF, close(r));
	FAILS(EISDIR, read(open(".", O_RDONLY), &byte, 1));
	FAILS(EISDIR, pread(open(".", O_RDONLY), &byte, 1, 0));
	FAILS(EBADF, write(open(".", O_RDONLY), &byte, 1));
}

static void bad_addresses(void)
{
	struct iovec vector = { bad_address(), 10 };
	int fd = make_open("file");

	IS(write(fd, "text", 4), 4);
	FAILS(EFAULT, pread(fd, bad_address(), 4, 0));
	FAILS(EFAULT, pwrite(fd, bad_address(), 4, 0));
	FAILS(EFAULT, preadv(fd, &vector, 1, 0));
	FAILS(EFAULT, readv(fd, bad_address(), 1));
	HOLDS(contains("file", "text"));
}

/* What there is of the buffer, or nothing: as much as is answered. */
static void buffer_that_ends_too_early(void)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_open("file");
	ssize_t n;

	memset(pages, 'x', PAGE);
	munmap(pages + PAGE, PAGE);
	n = pwrite(fd, pages + PAGE - 100, 200, 0);
	HOLDS(n == 100 || (n == -1 && errno == EFAULT));
	IS(lseek(fd, 0, SEEK_END), n < 0 ? 0 : n);
}

static void offsets_below_zero(void)
{
	char byte = 0;
	int fd = make_open("file");

	FAILS(EINVAL, pread(fd, &byte, 1, -1));
	FAILS(EINVAL, pwrite(fd, &byte, 1, -1));
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	FAILS(EINVAL, lseek(fd, -1, SEEK_CUR));
	FAILS(EINVAL, lseek(fd, -1, SEEK_END));
	FAILS(EINVAL, lseek(fd, 0, 77));
	FAILS(EINVAL, pread(fd, &byte, 1, LLONG_MAX));
	FAILS(EINVAL, pwrite(fd, &byte, 1, LLONG_MAX));
	IS(lseek(fd, 0, SEEK_CUR), 0);
}

static void pipes_have_no_offsets(void)
{
	char byte = 0;
	int fd;

	make_fifo("fifo");
	fd = (int)WORKS(open("fifo", O_RDWR));
	FAILS(ESPIPE, lseek(fd, 0, SEEK_SET));
	FAILS(ESPIPE, lseek(fd, 0, SEEK_DATA));
	FAILS(ESPIPE, pread(fd, &byte, 1, 0));
	FAILS(ESPIPE, pwrite(fd, &byte, 1, 0));
	IS(write(fd, "x", 1), 1);
	IS(read(fd, &byte, 1), 1);
	FAILS(EAGAIN,
	      read((int)WORKS(open("fifo", O_RDONLY | O_NONBLOCK)), &byte, 1));
}

static void seeking_past_the_end_makes_zeros(void)
{
	char bytes[10];
	int fd = make_open("file");

	IS(write(fd, "x", 1), 1);
	IS(lseek(fd, 5000, SEEK_SET), 5000);
	IS(stat_of("file").st_size, 1);
	IS(write(fd, "y", 1), 1);
	IS(stat_of("file").st_size, 5001);
	IS(lseek(fd, -2, SEEK_CUR), 4999);
	IS(read(fd, bytes, 10), 2);
	HOLDS(memcmp(bytes, "\0y", 2) == 0);
	IS(lseek(fd, -5001, SEEK_END), 0);
	IS(pread(fd, bytes, 10, 4090), 10);
	HOLDS(memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0", 10) == 0);
}

/* At 0, 1 MiB and 1 GiB, a page each. */
static void holes_and_data(void)
{
	static const off_t at[] = { 0, 1 << 20, 1 << 30 };
	char page[PAGE] = "x";
	int fd = make_open("file");

	FAILS(ENXIO, lseek(fd, 0, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 0, SEEK_HOLE));
	for (int i = 0; i < 3; i++)
		IS(pwrite(fd, page, PAGE, at[i]), PAGE);
	IS(lseek(fd, 0, SEEK_DATA), 0);
	IS(lseek(fd, 7, SEEK_DATA), 7);
	IS(lseek(fd, 0, SEEK_HOLE), PAGE);
	IS(lseek(fd, PAGE, SEEK_DATA), 1 << 20);
	IS(lseek(fd, PAGE + 9, SEEK_HOLE), PAGE + 9);
	IS(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + PAGE);
	IS(lseek(fd, (1 << 20) + PAGE, SEEK_DATA), 1 << 30);
	IS(lseek(fd, 1 << 30, SEEK_HOLE), (1 << 30) + PAGE);
	FAILS(ENXIO, lseek(fd, (1 << 30) + PAGE, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, (1 << 30) + PAGE, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, -1, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, -1, SEEK_HOLE));
	WORKS(ftruncate(fd, 1L << 31));
	FAILS(ENXIO, lseek(fd, (1 << 30) + PAGE, SEEK_DATA));
	IS(lseek(fd, (1 << 30) + 2 * PAGE, SEEK_HOLE), (1 << 30) + 2 * PAGE);
	IS(stat_of("file").st_blocks, 3 * PAGE / 512);
}

static void vectors(void)
{
	char a[4], b[8];
	struct iovec out[] = { { "ab", 2 }, { "", 0 }, { "cdef", 4 } };
	struct iovec in[] = { { a, 4 }, { b, 8 } };
	struct iovec huge[] = { { a, 2 }, { b, SIZE_MAX } };
	volatile int none = -1; /* or the compiler warns */
	int fd = make_open("file");

	IS(writev(fd, out, 3), 6);
	IS(preadv(fd, in, 2, 0), 6);
	HOLDS(memcmp(a, "abcd", 4) == 0 && memcmp(b, "ef", 2) == 0);
	IS(readv(fd, in, 0), 0);
	FAILS(EINVAL, readv(fd, in, none));
	FAILS(EINVAL, readv(fd, in, IOV_MAX - none));
	FAILS(EINVAL, writev(fd, out, IOV_MAX - none));
	FAILS(EINVAL, writev(fd, huge, 2));
	FAILS(EINVAL, preadv(fd, in, 2, -1));
	FAILS(EOPNOTSUPP, preadv2(fd, in, 2, 0, 1 << 30));
	FAILS(EOPNOTSUPP, pwritev2(fd, out, 3, 0, 1 << 30));
	IS(pwritev2(fd, out, 3, 0, RWF_APPEND), 6);
	IS(pwritev2(fd, out, 1, 0, RWF_DSYNC), 2);
	HOLDS(contains("file", "abcdefabcdef"));
}

static void writing_nothing_changes_nothing(void)
{
	struct stat before, after;
	int fd = make_open("file");

	IS(write(fd, "x", 1), 1);
	before = stat_of("file");
	tick();
	IS(write(fd, "", 0), 0);
	IS(pwrite(fd, "", 0, 5000), 0);
	after = stat_of("file");
	IS(after.st_size, 1);
	HOLDS(!newer(after.st_mtim, before.st_mtim));
}

static void appending_goes_to_the_end(void)
{
	int a = (int)WORKS(open("file", O_CREAT | O_WRONLY | O_APPEND, 0644));
	int b = (int)WORKS(open("file", O_RDWR));

	IS(write(a, "a", 1), 1);
	IS(write(b, "b", 1), 1);
	IS(write(b, "b", 1), 1);
	IS(lseek(a, 0, SEEK_SET), 0);
	IS(write(a, "a", 1), 1);
	IS(lseek(a, 0, SEEK_CUR), 3);
	IS(pwrite(a, "p", 1, 0), 1);
	HOLDS(contains("file", "bbap"));
}

#define RECORD 24
#define RECORDS 3000

/* Each record whole, none lost, whoever else appends. */
static void two_append_at_once(void)
{
	static char all[2 * RECORD * RECORDS + 1];
	static const char letters[] = "ab";
	char record[RECORD];
	int counts[2] = { 0, 0 };
	pid_t child = fork();
	int fd = open("file", O_CREAT | O_WRONLY | O_APPEND, 0644);

	memset(record, letters[child == 0], RECORD);
	for (int i = 0; i < RECORDS; i++)
		IS(write(fd, record, RECORD), RECORD);
	if (child == 0)
		check_child_exit();
	check_wait(child);
	fd = open("file", O_RDONLY);
	IS(read(fd, all, sizeof(all)), 2 * RECORD * RECORDS);
	for (size_t i = 0; i < sizeof(all) - 1; i += RECORD) {
		memset(record, all[i], RECORD);
		HOLDS(memcmp(all + i, record, RECORD) == 0);
		counts[all[i] == 'b']++;
	}
	IS(counts[0], RECORDS);
	IS(counts[1], RECORDS);
}

static void descriptors_share_their_offset(void)
{
	int fd = make_open("file");
	int copy = dup(fd);
	pid_t child;

	IS(write(fd, "one", 3), 3);
	IS(write(copy, "two", 3), 3);
	child = fork();
	if (child == 0) {
		IS(write(fd, "three", 5), 5);
		check_child_exit();
	}
	check_wait(child);
	IS(lseek(fd, 0, SEEK_CUR), 11);
	HOLDS(contains("file", "onetwothree"));
}

/* Aligned: no filesystem refuses it that has direct I/O at all. */
static void direct_io(void)
{
	char *page = aligned_alloc(PAGE, PAGE);
	int fd = (int)WORKS(
		open("file", O_CREAT | O_RDWR | O_DIRECT | O_SYNC, 0644));

	memset(page, 'x', PAGE);
	IS(write(fd, page, PAGE), PAGE);
	memset(page, 0, PAGE);
	IS(pread(fd, page, PAGE, 0), PAGE);
	IS(page[PAGE - 1], 'x');
	IS(pread(fd, page, PAGE, PAGE), 0);
	free(page);
}

const struct family family_io = {
	.name = "io",
	.cases =
		(const struct check_case[]){
			CASE(reading_ends_at_the_end),
			CASE(descriptors_that_may_not),
			CASE(bad_addresses),
			CASE(buffer_that_ends_too_early),
			CASE(offsets_below_zero),
			CASE(pipes_have_no_offsets),
			CASE(seeking_past_the_end_makes_zeros),
			CASE(holes_and_data),
			CASE(vectors),
			CASE(writing_nothing_changes_nothing),
			CASE(appending_goes_to_the_end),
			CASE(two_append_at_once),
			CASE(descriptors_share_their_offset),
			CASE(direct_io),
			CASES_END,
		},
};
