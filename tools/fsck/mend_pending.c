/* SPDX-License-Identifier: BSD-3-Clause */
/* mend_pending.c -- the ends of a hole whose punching was cut short */
#include "mend.h"

#include "alloc/bits.h"
#include "collect.h"

/* Of a block that another has, too, no byte is changed. */
static bool is_own(const struct fsck *fsck, const extent_media *extent,
		   uint64_t block)
{
	unsigned index = addr_device(extent->addr);
	const struct fsck_device *device = &fsck->device[index];

	return extent->flags == 0 && is_member(fsck, index) &&
	       block < device->sb.size_blocks &&
	       !bits_test(device->meta, block) &&
	       !(device->disputed && bits_test(device->disputed, block));
}

static void zero_in_block(struct fsck *fsck, const struct values *values,
			  uint64_t start, uint64_t end)
{
	uint64_t block = start >> BLOCK_SHIFT;
	size_t i;

	for (i = 0; i < values->count && start < end; i++) {
		const extent_media *extent = values->at[i].bytes;
		uint64_t at = block - values->at[i].key;
		struct device *device;

		if (block < values->at[i].key || at >= extent->blocks ||
		    !is_own(fsck, extent, addr_block(extent->addr) + at))
			continue;
		device = fsck->device[addr_device(extent->addr)].device;
		device_set(device,
			   device_at(device, addr_offset(extent->addr) +
						     (at << BLOCK_SHIFT) +
						     start % BLOCK_BYTES),
			   0, end - start);
		device_drain(device);
	}
}

int mend_pending_edges(struct fsck *fsck, const inode_media *inode)
{
	uint64_t start = inode->pending_start, end = inode->pending_end;
	uint64_t mask = BLOCK_BYTES - 1;
	uint64_t head = (start + mask) & ~mask, tail = end & ~mask;
	struct values values = { .at = NULL };
	int err = collect_inode(fsck, inode, TREE_EXTENTS, &values);

	if (err == 0) {
		zero_in_block(fsck, &values, start, head < end ? head : end);
		if (tail >= head)
			zero_in_block(fsck, &values, tail, end);
	}
	values_fini(&values);
	return err;
}
