/* SPDX-License-Identifier: BSD-3-Clause */
/* data_check.c -- the files are what the model is */
#include "data.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

void check_size(struct file *file)
{
	struct stat st;

	if (stat(file->path, &st) != 0)
		fail_errno("stat");
	if ((uint64_t)st.st_size != *file->size)
		fail("%c has %lld bytes, expected %llu", letter(file),
		     (long long)st.st_size, (unsigned long long)*file->size);
}

void check_whole(struct file *file)
{
	int fd = descriptor(file, one_in(2) ? READER : DIRECT);
	ssize_t got = pread(fd, buffer(), FILE_MOST, 0);

	if (got < 0)
		fail_errno("pread");
	if ((uint64_t)got != *file->size)
		fail("%c: read %zd bytes, expected %llu", letter(file), got,
		     (unsigned long long)*file->size);
	compare(file, 0, buffer(), (uint64_t)got, "all");
}

static off_t next(struct file *file, off_t from, int whence)
{
	off_t found = lseek(descriptor(file, READER), from, whence);

	if (found < 0 && errno != ENXIO)
		fail_errno("lseek");
	if (found >= 0 && found < from)
		fail("lseek(%lld) finds %lld", (long long)from,
		     (long long)found);
	return found;
}

static void check_zeros(struct file *file, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		if (file->bytes[i])
			fail("%c: byte %llu is in a hole", letter(file),
			     (unsigned long long)i);
}

/* Holes are zeros, and the last of them is at the end. */
void check_holes(struct file *file)
{
	off_t size = (off_t)*file->size, hole = 0, data;

	while (hole < size) {
		data = next(file, hole, SEEK_DATA);
		check_zeros(file, (uint64_t)hole,
			    (uint64_t)(data < 0 ? size : data));
		if (data < 0)
			return;
		hole = next(file, data, SEEK_HOLE);
		if (data >= size || hole <= data || hole > size)
			fail("%c: data at %lld, hole at %lld, end at %lld",
			     letter(file), (long long)data, (long long)hole,
			     (long long)size);
	}
	if (next(file, size, SEEK_DATA) >= 0 ||
	    next(file, size, SEEK_HOLE) >= 0)
		fail("%c: something is behind the end", letter(file));
}

void check_all(void)
{
	for (int i = 0; i < FILES; i++) {
		check_size(&world.files[i]);
		check_whole(&world.files[i]);
		check_holes(&world.files[i]);
	}
}

void step_check(void)
{
	struct file *file = any_file();

	if (!alone())
		return;
	note("check %c", letter(file));
	check_whole(file);
	check_holes(file);
}
