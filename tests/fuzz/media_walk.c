/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_walk.h"

#include "media_visit.h"
#include "core/attr.h"
#include "core/dir.h"
#include "core/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_AT_ONCE 64

bool visit_begin(struct visit *visit, const char *operation,
		 struct inode *inode)
{
	int err = request_begin(&visit->request, operation, inode->ino, 1,
				false);

	visit->operation = operation;
	visit->ino = inode->ino;
	if (err)
		visit_end(visit, err);
	return err == 0;
}

int visit_end(struct visit *visit, ssize_t done)
{
	struct walk_result *result = visit->result;

	request_end(&visit->request);
	if (done < -4095)
		fuzz_fail("%s: no errno: %zd", visit->operation, done);
	if ((done == -EUCLEAN || done == -EIO) && !result->damage) {
		result->damage = (int)done;
		result->damaged = visit->operation;
		result->damaged_ino = visit->ino;
	}
	return done < 0 ? (int)done : 0;
}

/* Every page of what an answer points at is there. */
static void look_at(const struct iovec *iov, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const volatile unsigned char *at = iov[i].iov_base;

		for (size_t n = 0; n < iov[i].iov_len; n += BLOCK_BYTES)
			(void)at[n];
		(void)at[iov[i].iov_len - 1];
	}
}

static ssize_t read_some(struct visit *visit, struct inode *inode,
			 uint64_t offset, size_t length)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	ssize_t bytes;

	if (!visit_begin(visit, "read", inode))
		return -1;
	bytes = file_read(&visit->request, inode, length, (off_t)offset, iov,
			  &count);
	if (bytes > 0)
		look_at(iov, count);
	return visit_end(visit, bytes) ? -1 : bytes;
}

static void read_range(struct visit *visit, struct inode *inode,
		       uint64_t offset, uint64_t length)
{
	while (length > 0 && visit->budget_bytes > 0) {
		size_t want = length < READ_BYTES ? length : READ_BYTES;
		ssize_t got = read_some(visit, inode, offset, want);

		if (got <= 0)
			return;
		visit->budget_bytes -= (uint64_t)got < visit->budget_bytes
					       ? (uint64_t)got
					       : visit->budget_bytes;
		offset += (uint64_t)got;
		length -= (uint64_t)got;
	}
}

struct extents {
	unsigned count;
	struct {
		uint64_t offset, length;
	} at[RANGES];
};

static int take_extent(uint64_t offset, uint64_t length, unsigned device,
		       uint64_t device_offset, unsigned flags, void *arg)
{
	struct extents *extents = arg;

	if (extents->count < RANGES) {
		extents->at[extents->count].offset = offset;
		extents->at[extents->count].length = length;
	}
	extents->count++;
	return 0;
}

static void seek_along(struct visit *visit, struct inode *inode)
{
	off_t at = 0;

	for (unsigned i = 0; i < 8 && at >= 0; i++) {
		if (!visit_begin(visit, "lseek", inode))
			return;
		at = file_seek(&visit->request, inode, at,
			       i % 2 ? SEEK_HOLE : SEEK_DATA);
		visit_end(visit, at);
	}
}

static void read_file(struct visit *visit, struct inode *inode, uint64_t size)
{
	struct extents extents = { 0 };
	int err;

	if (!visit_begin(visit, "map", inode))
		return;
	err = file_map(&visit->request, inode, take_extent, &extents);
	visit_end(visit, err);
	if (size <= WHOLE_BYTES) {
		read_range(visit, inode, 0, size);
	} else {
		read_range(visit, inode, 0, READ_BYTES);
		read_range(visit, inode, size - 5000, 5000);
	}
	for (unsigned i = 0; i < extents.count && i < RANGES; i++)
		if (extents.at[i].offset + extents.at[i].length > WHOLE_BYTES)
			read_range(visit, inode, extents.at[i].offset,
				   extents.at[i].length);
	seek_along(visit, inode);
}

static void read_xattrs(struct visit *visit, struct inode *inode)
{
	static char list[65536], value[65536];
	ssize_t bytes;

	if (!visit_begin(visit, "listxattr", inode))
		return;
	bytes = xattr_list(&visit->request, inode, true, list, sizeof(list));
	visit_end(visit, bytes);
	for (ssize_t at = 0; at < bytes; at += (ssize_t)strlen(list + at) + 1) {
		if (!visit_begin(visit, "getxattr", inode))
			return;
		visit_end(visit, xattr_get(&visit->request, inode, list + at,
					   value, sizeof(value)));
	}
}

static void push(struct visit *visit, uint64_t ino)
{
	if (ino >= VISIT_INODES || visit->seen[ino / 64] >> ino % 64 & 1)
		return;
	visit->seen[ino / 64] |= UINT64_C(1) << ino % 64;
	visit->todo[visit->todo_count++] = ino;
}

/* The lookup that the caller has. */
static bool keep(struct visit *visit, const struct inode *inode)
{
	uint64_t ino = inode->ino, bit = UINT64_C(1) << ino % 64;

	if (!visit->keeps || ino >= VISIT_INODES || visit->kept[ino / 64] & bit)
		return false;
	visit->kept[ino / 64] |= bit;
	return true;
}

static void forget_kept(struct visit *visit)
{
	for (uint64_t ino = 0; ino < VISIT_INODES; ino++)
		if (visit->kept[ino / 64] >> ino % 64 & 1)
			visit_forget(visit, inode_of(visit->fs, ino));
	memset(visit->kept, 0, sizeof(visit->kept));
}

struct names {
	unsigned count;
	uint64_t cookie;
	char name[NAMES_AT_ONCE][256];
};

static int take_name(const char *name, size_t name_length, uint64_t ino,
		     unsigned type, uint64_t cookie, void *arg)
{
	struct names *names = arg;

	if (names->count == NAMES_AT_ONCE)
		return 1;
	if (name_length > 255)
		fuzz_fail("a name of %zu bytes", name_length);
	memcpy(names->name[names->count], name, name_length);
	names->name[names->count++][name_length] = '\0';
	names->cookie = cookie;
	return 0;
}

static void remember(struct visit *visit, struct inode *dir, const char *name)
{
	/* Of those that come, the last of each sort of place. */
	struct visit_name *found = &visit->found[visit->names++ % FOUND];

	found->dir = dir->ino;
	snprintf(found->name, sizeof(found->name), "%s", name);
	if (visit->found_count < FOUND)
		visit->found_count++;
}

static void look_up(struct visit *visit, struct inode *dir, const char *name)
{
	struct inode *inode;
	struct stat stat;
	int err;

	if (!visit_begin(visit, "lookup", dir))
		return;
	err = visit_end(visit, dir_lookup(&visit->request, dir, name, &inode));
	if (err)
		return;
	attr_get(visit->fs, inode, &stat);
	if (visit->names % 5 == 0 || stat.st_nlink == 1)
		remember(visit, dir, name);
	push(visit, inode->ino);
	if (!keep(visit, inode))
		visit_forget(visit, inode);
}

static void read_dir(struct visit *visit, struct inode *dir)
{
	static struct names names;
	unsigned most = VISIT_INODES / NAMES_AT_ONCE;
	int err = 0;

	names.cookie = 0;
	while (!err && most-- > 0) {
		names.count = 0;
		if (!visit_begin(visit, "readdir", dir))
			return;
		err = visit_end(visit,
				dir_read(&visit->request, dir, names.cookie,
					 take_name, &names));
		if (names.count == 0)
			return;
		for (unsigned i = 0; i < names.count; i++)
			if (strcmp(names.name[i], ".") != 0 &&
			    strcmp(names.name[i], "..") != 0)
				look_up(visit, dir, names.name[i]);
	}
}

static void visit_one(struct visit *visit, uint64_t ino)
{
	struct inode *inode;
	struct stat stat;
	char path[4096];

	if (inode_look(visit->fs, ino, &inode))
		return;
	attr_get(visit->fs, inode, &stat);
	read_xattrs(visit, inode);
	if (S_ISDIR(stat.st_mode))
		read_dir(visit, inode);
	else if (S_ISREG(stat.st_mode))
		read_file(visit, inode, (uint64_t)stat.st_size);
	else if (S_ISLNK(stat.st_mode) && visit_begin(visit, "readlink", inode))
		visit_end(visit, dir_readlink(&visit->request, inode, path,
					      sizeof(path)));
	if (visit_begin(visit, "path", inode)) {
		if (inode_path(visit->fs, ino, path, sizeof(path)) == 0 &&
		    path[0] != '/')
			fuzz_fail("a path without a root");
		visit_end(visit, 0);
	}
	visit_forget(visit, inode);
}

static void walk(struct visit *visit)
{
	struct statvfs out;

	visit->found_count = visit->names = visit->todo_count = 0;
	visit->budget_bytes = BUDGET_BYTES;
	memset(visit->seen, 0, sizeof(visit->seen));
	push(visit, INO_ROOT);
	while (visit->todo_count > 0)
		visit_one(visit, visit->todo[--visit->todo_count]);
	if (fs_statvfs(visit->fs, &out) == 0 && out.f_bfree > out.f_blocks)
		fuzz_fail("more blocks are free than there are");
}

static void check_why(const struct walk_result *result)
{
	if (result->mount_error >= 0 || result->mount_error < -4095)
		fuzz_fail("mount: no errno: %d", result->mount_error);
	if (!result->why[0] || strchr(result->why, '\n'))
		fuzz_fail("mount: %d without one line: '%s'",
			  result->mount_error, result->why);
}

void walk_mount(struct base *base, const struct walk_how *how,
		struct walk_result *result)
{
	const struct fs_options options = { .read_only = how->read_only,
					    .degraded = how->degraded,
					    .dax = DAX_ALWAYS };
	static struct visit visit;
	char *paths[BASE_DEVICES];

	memset(result, 0, sizeof(*result));
	visit.result = result;
	for (unsigned i = 0; i < base->devices; i++)
		paths[i] = base->path[i];
	result->mount_error =
		fs_mount(&visit.fs, paths, how->degraded ? 1 : base->devices,
			 &options, result->why, sizeof(result->why));
	if (result->mount_error) {
		check_why(result);
		return;
	}
	visit.keeps = how->seed & 1;
	if (request_thread_init(visit.fs, &visit.request))
		fuzz_fail("no request");
	walk(&visit);
	if (how->seed && !how->read_only) {
		visit_change(&visit, how->seed);
		walk(&visit);
	}
	forget_kept(&visit);
	request_thread_fini(&visit.request);
	fs_unmount(visit.fs);
}
