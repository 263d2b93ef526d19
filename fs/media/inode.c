/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/inode.h"

#include "media/addr.h"
#include "media/node.h"
#include "util/clock.h"
#include "util/crc32c.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(offsetof(inode_media, area) == INODE_BYTES - INODE_AREA_BYTES,
	       "area is the inode's tail");

static uint32_t inode_crc(const inode_media *inode)
{
	return crc32c_skipping(inode, sizeof(*inode),
			       offsetof(inode_media, crc));
}

void inode_media_seal(inode_media *inode)
{
	inode->magic = INODE_MAGIC;
	inode->crc = inode_crc(inode);
}

bool inode_format_fits(const inode_media *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
	case S_IFLNK:
		return inode->format == INODE_INLINE ||
		       inode->format == INODE_EXTENTS;
	case S_IFDIR:
		return inode->format == INODE_ENTRIES;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return inode->format == INODE_NOTHING;
	default:
		return false;
	}
}

static bool is_shared_tree(const inode_media *inode)
{
	return inode->ino == INO_SHARED && inode->format == INODE_SHARED &&
	       S_ISREG(inode->mode);
}

static bool size_fits(const inode_media *inode)
{
	if (inode->size > FILE_BLOCKS_MAX << BLOCK_SHIFT)
		return false;
	if (!inode_inline_fits(inode))
		return false;
	if (inode->format == INODE_NOTHING && inode->size != 0)
		return false;
	return !S_ISLNK(inode->mode) || inode->size <= INODE_SYMLINK_BYTES_MAX;
}

static bool ranges_fit(const inode_media *inode)
{
	if (inode->atime_ns >= NS_PER_S || inode->mtime_ns >= NS_PER_S ||
	    inode->ctime_ns >= NS_PER_S || inode->btime_ns >= NS_PER_S)
		return false;
	if (inode->pending_end != 0 &&
	    (inode->pending_start >= inode->pending_end ||
	     inode->pending_end > FILE_BLOCKS_MAX << BLOCK_SHIFT ||
	     inode->format != INODE_EXTENTS))
		return false;
	if (inode->home_device >= ADDR_DEVICES_MAX)
		return false;
	return inode->xattr_root == ADDR_NONE ||
	       addr_run_valid(inode->xattr_root, 1);
}

static int root_check(const inode_media *inode)
{
	const node_media *root = (const node_media *)inode->area;

	if (inode->format == INODE_EXTENTS)
		return node_check(root, INODE_AREA_BYTES, TREE_EXTENTS);
	if (inode->format == INODE_ENTRIES)
		return node_check(root, INODE_AREA_BYTES, TREE_ENTRIES);
	if (inode->format == INODE_SHARED)
		return node_check(root, INODE_AREA_BYTES, TREE_SHARED);
	return 0;
}

int inode_media_check(const inode_media *inode, uint64_t ino)
{
	static const inode_media never_taken;

	if (memcmp(inode, &never_taken, sizeof(*inode)) == 0)
		return 0;
	if (inode->magic != INODE_MAGIC || inode->crc != inode_crc(inode))
		return -EUCLEAN;
	if (inode->ino != ino)
		return -EUCLEAN;
	if (inode->mode == 0)
		return 0;
	/* It has no entry: nlink 0 would be an orphan's. */
	if (ino == INO_ROOT && (!S_ISDIR(inode->mode) || inode->nlink == 0))
		return -EUCLEAN;
	if ((inode->mode & ~INODE_MODE_BITS) != 0)
		return -EUCLEAN;
	if (!inode_format_fits(inode) && !is_shared_tree(inode))
		return -EUCLEAN;
	if (!size_fits(inode) || !ranges_fit(inode))
		return -EUCLEAN;
	return root_check(inode);
}
