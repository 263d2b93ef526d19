/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_fixture.h -- one open file of the filesystem that core_fixture mounts
 *
 * A call here is one request, as a serving thread makes it.
 */
#ifndef UDAX_TESTS_FILE_FIXTURE_H
#define UDAX_TESTS_FILE_FIXTURE_H

#include "lib/core_fixture.h"

#include <stdbool.h>
#include <stdint.h>

struct file_fixture {
	struct inode *file;
	bool writable;
};

extern struct file_fixture fixture;

/* fixture.file is that name in the root, made if need be, and open. */
void fixture_open_file(const char *name, bool writable);
void fixture_close_file(void);
/* Closed, and its name gone. */
void fixture_unlink_file(const char *name);

ssize_t fixture_write(const void *bytes, size_t length, off_t offset);
/* Into a buffer; checks that the answer's iovs add up. */
ssize_t fixture_read(void *bytes, size_t length, off_t offset);
ssize_t fixture_fill(void *bytes, size_t length, off_t offset);
int fixture_truncate(uint64_t size);
int fixture_fallocate(int mode, off_t offset, off_t length);
off_t fixture_seek(off_t offset, int whence);

struct fixture_map {
	unsigned extents;
	uint64_t blocks;
	uint64_t unwritten;
	unsigned inlines;
	/* Extents that are not at the file's offset modulo 2 MiB. */
	unsigned out_of_phase;
	uint64_t first_device_offset;
	uint64_t devices; /* a bit each */
};
struct fixture_map fixture_map(void);

#endif
