/* SPDX-License-Identifier: BSD-3-Clause */
/* data_change.c -- sizes, holes, and bytes that go from file to file */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

void step_truncate(void)
{
	struct file *file = any_file();
	uint64_t size = one_in(8) ? 0 : any_range().offset;
	bool by_path = one_in(3);
	struct stat st;
	int result;

	if (!alone())
		return;
	note("%s %c %llu to %llu", by_path ? "truncate" : "ftruncate",
	     letter(file), (unsigned long long)*file->size,
	     (unsigned long long)size);
	result = by_path ? truncate(file->path, (off_t)size)
			 : ftruncate(descriptor(file, PLAIN), (off_t)size);
	if (result != 0)
		fail_errno("truncate");
	model_resize(file, size);
	if (size > 0)
		return;
	if (stat(file->path, &st) != 0 || st.st_blocks != 0)
		fail("an empty file has %lld blocks", (long long)st.st_blocks);
}

/* As many blocks as can be written without asking for room. */
static void check_allocated(struct file *file, struct range range)
{
	struct stat st;

	if (fstat(descriptor(file, PLAIN), &st) != 0)
		fail_errno("fstat");
	if ((uint64_t)st.st_blocks * 512 < range.length)
		fail("%lld blocks after an allocation of %llu",
		     (long long)st.st_blocks, (unsigned long long)range.length);
}

void step_fallocate(void)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{ "allocate", 0 },
		{ "allocate KEEP_SIZE", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zero KEEP_SIZE",
		  FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
	};
	size_t kind = chance(sizeof(modes) / sizeof(modes[0]));
	int mode = modes[kind].mode;
	struct file *file = any_file();
	struct range range = any_range();
	uint64_t end = range.offset + range.length;
	enum way way = one_in(2) ? PLAIN : DIRECT;

	note("%s %c %llu+%llu", modes[kind].name, letter(file),
	     (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	if (fallocate(descriptor(file, way), mode, (off_t)range.offset,
		      (off_t)range.length) != 0)
		fail_errno("fallocate");
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > *file->size)
		model_resize(file, end);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		model_zero(file, range);
	else
		check_allocated(file, range);
}

/* What is there from `from` on, in a buffer, and `to` written with it. */
static void model_copy(struct file *source, struct file *target, uint64_t from,
		       struct range to)
{
	memcpy(buffer(), source->bytes + from, to.length);
	if (to.length > 0)
		model_write(target, to, buffer());
}

static bool overlap(uint64_t a, uint64_t b, uint64_t length)
{
	return (a < b ? b - a : a - b) < length;
}

/* The same place in its block in both: those can be shared. */
static void align(struct range *from, struct range *to)
{
	if (one_in(3))
		return;
	if (one_in(2)) {
		from->offset &= ~UINT64_C(4095);
		to->offset &= ~UINT64_C(4095);
	} else {
		to->offset = (to->offset & ~UINT64_C(4095)) +
			     from->offset % 4096;
	}
	if (one_in(2))
		from->length += -from->length % 4096;
	if (from->length > FILE_MOST - from->offset)
		from->length = FILE_MOST - from->offset;
	if (from->length > FILE_MOST - to->offset)
		from->length = FILE_MOST - to->offset;
}

typedef ssize_t copy_fn(int from, off_t *at, int to, off_t *to_at,
			size_t length);

static ssize_t by_copy_file_range(int from, off_t *at, int to, off_t *to_at,
				  size_t length)
{
	return copy_file_range(from, at, to, to_at, length, 0);
}

static ssize_t by_sendfile(int from, off_t *at, int to, off_t *to_at,
			   size_t length)
{
	ssize_t done;

	if (lseek(to, *to_at, SEEK_SET) != *to_at)
		fail_errno("lseek");
	done = sendfile(to, from, at, length);
	if (done > 0)
		*to_at += done;
	return done;
}

static void copy(struct file *source, struct file *target, struct range from,
		 uint64_t to, copy_fn *by)
{
	off_t at = (off_t)from.offset, to_at = (off_t)to;
	int in = descriptor(source, one_in(3) ? READER : PLAIN);
	int out = descriptor(target, one_in(3) ? DSYNC : PLAIN);
	uint64_t left = from.length;
	ssize_t done = 1;

	while (left > 0 && done > 0) {
		done = by(in, &at, out, &to_at, left);
		if (done < 0)
			fail_errno("copy");
		left -= (uint64_t)done;
	}
	if (left > 0)
		fail("%llu bytes are not copied", (unsigned long long)left);
	model_copy(source, target, from.offset,
		   (struct range){ to, from.length });
}

/* copy_file_range(2) wants to hear of nothing that overlaps, sendfile(2) would
 * do something or other. */
static void copy_overlapping(struct file *file, struct range from, uint64_t to)
{
	off_t at = (off_t)from.offset, to_at = (off_t)to;

	if (copy_file_range(descriptor(file, READER), &at,
			    descriptor(file, PLAIN), &to_at, from.length,
			    0) != -1 ||
	    errno != EINVAL)
		fail("an overlapping copy: %m");
}

/* Up to the end of the source. */
static void transfer(const char *name, copy_fn *by)
{
	struct file *source = any_file(), *target = any_file();
	struct range from, to = any_range();

	if (!any_range_within(source, &from))
		return;
	/* A stripe begins at the same place in both files. */
	if (!alone() && one_in(2))
		to = from;
	if (from.length > (alone() ? FILE_MOST - to.offset : to.length))
		from.length = to.length;
	if (alone())
		align(&from, &to);
	if (from.length > *source->size - from.offset)
		from.length = *source->size - from.offset;
	note("%s %c %llu+%llu to %c %llu", name, letter(source),
	     (unsigned long long)from.offset, (unsigned long long)from.length,
	     letter(target), (unsigned long long)to.offset);
	if (source != target || !overlap(from.offset, to.offset, from.length))
		copy(source, target, from, to.offset, by);
	else if (by == by_copy_file_range)
		copy_overlapping(source, from, to.offset);
}

void step_copy(void)
{
	transfer("copy", by_copy_file_range);
}

void step_sendfile(void)
{
	transfer("sendfile", by_sendfile);
}
