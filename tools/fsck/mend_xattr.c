/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes whose node, name and value are sound stay, the others go. */
#include "mend.h"

#include "alloc/bits.h"
#include "names.h"
#include "report.h"
#include "util/crc32c.h"
#include "write.h"

#include <errno.h>
#include <string.h>

static uint64_t value_blocks(const xattr_media *xattr)
{
	return (xattr->value_length + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* A value in blocks of its own: claimed by nobody before in this step. */
static bool value_holds(struct fsck *fsck, const xattr_media *xattr)
{
	const struct fsck_device *device = &fsck->device[fsck->metadata_device];
	uint64_t start = addr_block(xattr->addr), blocks = value_blocks(xattr);

	if (xattr->addr == ADDR_NONE)
		return true;
	if (addr_device(xattr->addr) != fsck->metadata_device ||
	    blocks >= device->sb.size_blocks ||
	    start >= device->sb.size_blocks - blocks)
		return false;
	if (crc32c(0, device_at(device->device, addr_offset(xattr->addr)),
		   xattr->value_length) != xattr->value_crc)
		return false;
	if (bits_find(fsck->seen, start, start + blocks, true) < start + blocks)
		return false;
	if (device->disputed &&
	    bits_find(device->disputed, start, start + blocks, true) <
		    start + blocks)
		return false;
	bits_fill(fsck->seen, start, blocks, true);
	return true;
}

static void forget_values(struct fsck *fsck, const struct values *values)
{
	size_t i;

	for (i = 0; i < values->count; i++) {
		const xattr_media *xattr = values->at[i].bytes;

		if (xattr->addr != ADDR_NONE)
			bits_fill(fsck->seen, addr_block(xattr->addr),
				  value_blocks(xattr), false);
	}
}

/* In place; the number of those that are dropped. */
static size_t keep_sound(struct fsck *fsck, struct values *values)
{
	struct name_run run = { .base = 0 };
	size_t i, to = 0, all = values->count;

	for (i = 0; i < all; i++) {
		const struct leaf_value *value = &values->at[i];
		const xattr_media *xattr = value->bytes;

		if (value->suspect ||
		    (to > 0 && values->at[to - 1].key == value->key) ||
		    name_run_add(&run, fsck->sb->hash_seed, value->key,
				 xattr->bytes,
				 xattr->name_length) != NAME_RIGHT ||
		    !value_holds(fsck, xattr))
			continue;
		values->at[to++] = *value;
	}
	values->count = to;
	forget_values(fsck, values);
	return all - to;
}

static int build(struct fsck *fsck, const struct values *values,
		 inode_media *out)
{
	struct device *device = fsck->device[fsck->metadata_device].device;
	char block[BLOCK_BYTES];
	uint64_t addr, got, nodes;
	int err = write_take(fsck, fsck->metadata_device, 1, &addr, &got);

	if (err)
		return err;
	node_block_init(block, out->ino, addr, 0, TREE_XATTRS);
	err = build_tree(fsck, out->ino, TREE_XATTRS, values,
			 node_of_block(block), NODE_BLOCK_BYTES, &nodes);
	if (err)
		return err;
	node_block_seal(block);
	device_copy(device, device_at(device, addr_offset(addr)), block,
		    sizeof(block));
	device_drain(device);
	out->xattr_root = addr;
	return device_still_there(device) ? 0 : -EIO;
}

int mend_xattrs(struct fsck *fsck, const inode_media *inode, inode_media *out)
{
	struct values values = { .at = NULL };
	size_t dropped;
	int err;

	err = collect_block(fsck, inode->ino, inode->xattr_root, TREE_XATTRS,
			    &values);
	dropped = keep_sound(fsck, &values);
	out->xattr_root = ADDR_NONE;
	if (err == 0 && values.count > 0)
		err = build(fsck, &values, out);
	if (err == 0)
		note(fsck, "inode %ju: %zu attributes kept, %zu dropped",
		     (uintmax_t)inode->ino, values.count, dropped);
	values_fini(&values);
	return err;
}
