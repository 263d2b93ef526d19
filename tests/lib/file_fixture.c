/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/file_fixture.h"

#include "media/addr.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct file_fixture fixture;

static void begin(const char *operation)
{
	ck_assert_int_eq(request_begin(&core.request, operation,
				       fixture.file->ino, getpid(), false),
			 0);
}

static void end(void)
{
	ck_assert_int_eq(request_verdict(&core.request), 0);
	request_end(&core.request);
}

void fixture_open_file(const char *name, bool writable)
{
	int err = core_look(core.root, name, &fixture.file);

	if (err == -ENOENT)
		fixture.file = core_new(core.root, name, S_IFREG | 0644);
	else
		ck_assert_int_eq(err, 0);
	ck_assert_int_eq(inode_open(core.fs, fixture.file, writable), 0);
	fixture.writable = writable;
}

void fixture_close_file(void)
{
	inode_close(core.fs, fixture.file, fixture.writable);
	core_forget(fixture.file);
	fixture.file = NULL;
}

void fixture_unlink_file(const char *name)
{
	ck_assert_int_eq(core_unlink(core.root, name), 0);
	fixture_close_file();
}

ssize_t fixture_write(const void *bytes, size_t length, off_t offset)
{
	ssize_t done;

	begin("write");
	done = file_write(&core.request, fixture.file, bytes, length, offset,
			  false);
	end();
	return done;
}

static ssize_t gather(void *bytes, ssize_t answer, const struct iovec *iov,
		      unsigned count)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		memcpy((char *)bytes + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	ck_assert_int_eq(answer < 0 ? 0 : answer, at);
	return answer;
}

ssize_t fixture_read(void *bytes, size_t length, off_t offset)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	ssize_t done;

	begin("read");
	done = file_read(&core.request, fixture.file, length, offset, iov,
			 &count);
	done = gather(bytes, done, iov, count);
	end();
	return done;
}

ssize_t fixture_fill(void *bytes, size_t length, off_t offset)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	ssize_t done;

	begin("fill");
	done = file_fill(&core.request, fixture.file, length, offset, iov,
			 &count);
	done = gather(bytes, done, iov, count);
	end();
	return done;
}

int fixture_truncate(uint64_t size)
{
	int err;

	begin("truncate");
	pthread_rwlock_wrlock(&fixture.file->lock);
	err = file_truncate_locked(&core.request, fixture.file, size);
	pthread_rwlock_unlock(&fixture.file->lock);
	end();
	return err;
}

int fixture_fallocate(int mode, off_t offset, off_t length)
{
	int err;

	begin("fallocate");
	err = file_fallocate(&core.request, fixture.file, mode, offset, length);
	end();
	return err;
}

off_t fixture_seek(off_t offset, int whence)
{
	off_t found;

	begin("seek");
	found = file_seek(&core.request, fixture.file, offset, whence);
	end();
	return found;
}

static int map_one(uint64_t offset, uint64_t length, unsigned device,
		   uint64_t device_offset, unsigned flags, void *arg)
{
	struct fixture_map *map = arg;

	if (flags & FILE_MAP_INLINE) {
		map->inlines++;
		return 0;
	}
	if (map->extents++ == 0)
		map->first_device_offset = device_offset;
	map->devices |= UINT64_C(1) << device;
	map->blocks += length / BLOCK_BYTES;
	if (flags & FILE_MAP_UNWRITTEN)
		map->unwritten += length / BLOCK_BYTES;
	if ((offset ^ device_offset) % PMD_BYTES)
		map->out_of_phase++;
	return 0;
}

struct fixture_map fixture_map(void)
{
	struct fixture_map map = { 0 };

	begin("map");
	ck_assert_int_eq(file_map(&core.request, fixture.file, map_one, &map),
			 0);
	end();
	return map;
}
