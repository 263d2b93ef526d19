/* SPDX-License-Identifier: BSD-3-Clause */
/* data_io.c -- bytes in and out by system calls, and libudax's read and write
 */
#include "data.h"
#include "udax/udax.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* A range in pieces, as preadv(2) wants them. */
static int pieces(struct iovec *iov, unsigned char *at, uint64_t length)
{
	uint64_t first = chance(length + 1),
		 second = chance(length - first + 1);

	iov[0] = (struct iovec){ at, first };
	iov[1] = (struct iovec){ at + first, second };
	iov[2] = (struct iovec){ at + first + second, length - first - second };
	return 3;
}

static ssize_t read_by_place(int fd, void *to, uint64_t length, off_t offset)
{
	if (lseek(fd, offset, SEEK_SET) != offset)
		fail_errno("lseek");
	return read(fd, to, length);
}

static ssize_t read_pieces(int fd, void *to, uint64_t length, off_t offset)
{
	struct iovec iov[3];
	int count = pieces(iov, to, length);

	return preadv(fd, iov, count, offset);
}

void step_read(void)
{
	static const struct {
		const char *name;
		enum way way;
		ssize_t (*call)(int fd, void *to, uint64_t length,
				off_t offset);
	} kinds[] = {
		{ "read", PLAIN, read_by_place },
		{ "read", READER, read_by_place },
		{ "pread", PLAIN, pread },
		{ "pread O_DIRECT", DIRECT, pread },
		{ "preadv", PLAIN, read_pieces },
		{ "preadv O_DIRECT", DIRECT, read_pieces },
		{ "udax_pread", CLIENT, udax_pread },
		{ "udax_pread", CLIENT, udax_pread },
	};
	size_t kind = chance(sizeof(kinds) / sizeof(kinds[0]) -
			     (world.leases ? 0 : 2));
	struct file *file = any_file();
	struct range range = any_range();
	uint64_t size = *file->size, expected = range.length;
	ssize_t got;

	note("%s %c %llu+%llu", kinds[kind].name, letter(file),
	     (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	if (range.offset >= size)
		expected = 0;
	else if (expected > size - range.offset)
		expected = size - range.offset;
	got = kinds[kind].call(descriptor(file, kinds[kind].way), buffer(),
			       range.length, (off_t)range.offset);
	if (got < 0)
		fail_errno(kinds[kind].name);
	if ((uint64_t)got != expected)
		fail("%zd bytes, expected %llu", got,
		     (unsigned long long)expected);
	compare(file, range.offset, buffer(), expected, kinds[kind].name);
}

static ssize_t write_by_place(int fd, const void *from, uint64_t length,
			      off_t offset)
{
	if (lseek(fd, offset, SEEK_SET) != offset)
		fail_errno("lseek");
	return write(fd, from, length);
}

static ssize_t write_pieces(int fd, const void *from, uint64_t length,
			    off_t offset)
{
	struct iovec iov[3];
	int count = pieces(iov, (unsigned char *)from, length);

	return pwritev(fd, iov, count, offset);
}

void step_write(void)
{
	static const struct {
		const char *name;
		enum way way;
		ssize_t (*call)(int fd, const void *from, uint64_t length,
				off_t offset);
	} kinds[] = {
		{ "write", PLAIN, write_by_place },
		{ "pwrite", PLAIN, pwrite },
		{ "pwrite O_DIRECT", DIRECT, pwrite },
		{ "pwrite O_DSYNC", DSYNC, pwrite },
		{ "pwritev", PLAIN, write_pieces },
		{ "pwritev O_DIRECT", DIRECT, write_pieces },
		{ "udax_pwrite", CLIENT, udax_pwrite },
		{ "udax_pwrite", CLIENT, udax_pwrite },
	};
	size_t kind = chance(sizeof(kinds) / sizeof(kinds[0]) -
			     (world.leases ? 0 : 2));
	struct file *file = any_file();
	struct range range = any_range();
	const unsigned char *bytes = any_bytes(range.length);
	ssize_t done;

	note("%s %c %llu+%llu", kinds[kind].name, letter(file),
	     (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	done = kinds[kind].call(descriptor(file, kinds[kind].way), bytes,
				range.length, (off_t)range.offset);
	if (done < 0)
		fail_errno(kinds[kind].name);
	if ((uint64_t)done != range.length)
		fail("%zd bytes of %llu", done,
		     (unsigned long long)range.length);
	model_write(file, range, bytes);
}

/* The place of an O_APPEND descriptor is of no account. */
void step_append(void)
{
	struct file *file = any_file();
	struct range range = any_range();
	struct iovec iov;
	bool by_flag = one_in(3);
	ssize_t done;

	if (!alone() || *file->size == FILE_MOST)
		return;
	range.offset = *file->size;
	if (range.length > FILE_MOST - range.offset)
		range.length = FILE_MOST - range.offset;
	iov = (struct iovec){ any_bytes(range.length), range.length };
	note("%s %c at %llu+%llu", by_flag ? "RWF_APPEND" : "O_APPEND",
	     letter(file), (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	if (by_flag)
		done = pwritev2(descriptor(file, PLAIN), &iov, 1, 0,
				RWF_APPEND);
	else
		done = write(descriptor(file, APPEND), iov.iov_base,
			     iov.iov_len);
	if (done != (ssize_t)range.length)
		fail("%zd bytes of %llu: %m", done,
		     (unsigned long long)range.length);
	model_write(file, range, iov.iov_base);
}

void step_sync(void)
{
	struct file *file = any_file();
	enum way way = (enum way)chance(CLIENT);
	bool data = one_in(2);

	note("%s %c", data ? "fdatasync" : "fsync", letter(file));
	if ((data ? fdatasync : fsync)(descriptor(file, way)) != 0)
		fail_errno("fsync");
}
