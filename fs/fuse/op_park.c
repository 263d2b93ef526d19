/* SPDX-License-Identifier: BSD-3-Clause */
/* op_park.c -- the end of a request that has to wait [R13] */
#include "fuse/op.h"
#include "media/addr.h"

#include <errno.h>

static int add_device(const struct entry_info *info, void *arg)
{
	uint64_t *devices = arg;

	if (info->kind == ENTRY_REAL && info->holder == ENTRY_LEASE)
		*devices |= UINT64_C(1) << info->device;
	return 0;
}

/*
 * What the inode has to say to it. devices: whose removal must not wait for
 * this: where the leases are, or else where all metadata is. first: a change
 * behind the end of file zeroes what is there of its last block, too.
 */
static void complete(struct op *op, struct park_want *want)
{
	struct inode *inode = op->inode;
	struct inode_active *active;
	uint64_t end;

	pthread_rwlock_rdlock(&inode->lock);
	end = inode->media->size >> BLOCK_SHIFT;
	if (want->first > end)
		want->first = end;
	active = inode->active;
	if (active)
		entry_table_walk(&active->entries, want->first, want->last,
				 add_device, &want->devices);
	pthread_rwlock_unlock(&inode->lock);
	if (!want->devices)
		want->devices = UINT64_C(1) << op->front->fs->metadata_device;
}

static void refuse(struct op *op, int err)
{
	fuse_reply_err(op->req, -err);
}

/* By now it may have been interrupted: whoever comes later finds it parked. */
static void leave(struct op *op, struct parked *parked)
{
	uint64_t unique = session_message()->unique;

	if (fuse_req_interrupted(op->req))
		park_interrupt(op->front->park, unique);
	fuse_reply_none(op->req);
	park_begin(parked);
}

bool op_park(struct op *op, int err, const struct op_wait *wait)
{
	struct park_want want = { .operation = op->name,
				  .kind = wait->kind,
				  .first = wait->offset >> BLOCK_SHIFT,
				  .last = UINT64_MAX };
	struct parked *parked;

	if (err != -EBUSY)
		return false;
	if (wait->length)
		want.last = (wait->offset + wait->length - 1) >> BLOCK_SHIFT;
	op_finish(op);
	complete(op, &want);
	err = park_add(op->front->park, op->request, &want, &parked);
	if (err)
		refuse(op, err);
	else
		leave(op, parked);
	return true;
}
