/* SPDX-License-Identifier: BSD-3-Clause */
/* file_seek.c -- where a file has bytes: lseek(2), filemap; and fsync */
#include "core/attr.h"
#include "core/file.h"
#include "core/file_extent.h"
#include "core/inode.h"
#include "core/lease.h"
#include "core/request.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* The first byte from offset on that is (not) in a written block. */
static off_t seek_extents(const struct fs *fs, const struct inode *inode,
			  uint64_t offset, bool data)
{
	uint64_t size = inode->media->size;
	struct extent_walk walk;
	struct extent run;
	struct tree map;
	int error;

	extent_map_init(&map, fs, NULL, inode->ino, inode->media);
	error = extent_walk_begin(&walk, fs, &map, offset >> BLOCK_SHIFT);
	while (!error && walk.at << BLOCK_SHIFT < size) {
		uint64_t start;

		error = extent_walk_next(&walk, &run);
		if (error)
			break;
		start = run.start << BLOCK_SHIFT;
		if (extent_is_written(&run) == data)
			return (off_t)(start > offset ? start : offset);
	}
	if (error)
		return error;
	return data ? -ENXIO : (off_t)size;
}

off_t file_seek(struct request *request, struct inode *inode, off_t offset,
		int whence)
{
	const inode_media *media = inode->media;
	bool data = whence == SEEK_DATA;
	off_t found;

	if (!data && whence != SEEK_HOLE)
		return -EINVAL;
	pthread_rwlock_rdlock(&inode->lock);
	if (offset < 0 || (uint64_t)offset >= media->size)
		found = -ENXIO;
	else if (media->format == INODE_EXTENTS)
		found = seek_extents(request->fs, inode, (uint64_t)offset,
				     data);
	else
		found = data ? offset : (off_t)media->size;
	pthread_rwlock_unlock(&inode->lock);
	return found;
}

/* The run's first part of which this is true or not. */
static int map_shared(const struct fs *fs, struct extent *run, unsigned *flags)
{
	struct tree owners = shared_tree(fs);
	struct shared_run alike;
	int error = shared_look(&owners, run->addr, run->blocks, &alike);

	if (error)
		return error;
	run->blocks = alike.blocks;
	if (alike.owners > 1)
		*flags |= FILE_MAP_SHARED;
	return 0;
}

static int map_extents(struct fs *fs, const struct inode *inode,
		       file_extent_fn *fn, void *arg)
{
	uint64_t at = 0;
	struct extent run;
	struct tree map;
	int result;

	extent_map_init(&map, fs, NULL, inode->ino, inode->media);
	while ((result = extent_first(fs, &map, at, EXTENT_BLOCKS_END, &run)) ==
	       0) {
		unsigned flags = run.flags & EXTENT_UNWRITTEN
					 ? FILE_MAP_UNWRITTEN
					 : 0;

		if (run.flags & EXTENT_SHARED && fs->shared.media) {
			pthread_mutex_lock(&fs->shared.lock);
			result = map_shared(fs, &run, &flags);
			pthread_mutex_unlock(&fs->shared.lock);
		}
		if (result)
			return result;
		result = fn(run.start << BLOCK_SHIFT, run.blocks << BLOCK_SHIFT,
			    addr_device(run.addr), addr_offset(run.addr), flags,
			    arg);
		if (result)
			return result;
		at = extent_end(&run);
	}
	return result == -ENOENT ? 0 : result;
}

int file_map(struct request *request, struct inode *inode, file_extent_fn *fn,
	     void *arg)
{
	const inode_media *media = inode->media;
	int result = 0;

	pthread_rwlock_rdlock(&inode->lock);
	if (media->format == INODE_EXTENTS)
		result = map_extents(request->fs, inode, fn, arg);
	else if (media->format == INODE_INLINE && media->size)
		result = fn(0, media->size, addr_device(inode->addr),
			    addr_offset(inode->addr) +
				    offsetof(inode_media, area),
			    FILE_MAP_INLINE, arg);
	pthread_rwlock_unlock(&inode->lock);
	return result;
}

int file_fsync(struct request *request, struct inode *inode)
{
	int err = lease_fsync(request, inode);

	return err ? err : attr_sync(request->fs, inode);
}
