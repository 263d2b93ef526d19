/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * op_privileges.c -- suid, sgid and capabilities, which a write takes away
 *
 * HANDLE_KILLPRIV_V2 leaves that to us, and says of a caller whether it has
 * CAP_FSETID, not whether it is in the file's group; nor anything where a
 * request has no flag for it. That is asked for where it matters: of root alone
 * (others are taken to have no capability), and a file that has the bits.
 */
#include "core/attr.h"
#include "fuse/op.h"
#include "util/proc_status.h"

#include <errno.h>
#include <linux/capability.h>

#define GROUPS_MOST 64

bool op_capable(const struct op *op, unsigned int capability)
{
	const struct fuse_ctx *caller = fuse_req_ctx(op->req);

	return caller->uid == 0 && proc_is_capable(caller->pid, capability);
}

bool op_unprivileged(const struct op *op)
{
	uint32_t mode;

	pthread_rwlock_rdlock(&op->inode->lock);
	mode = op->inode->media->mode;
	pthread_rwlock_unlock(&op->inode->lock);
	return !(mode & (S_ISUID | S_ISGID)) || !op_capable(op, CAP_FSETID);
}

static bool among(const gid_t *groups, int count, gid_t gid)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* Who has the capability counts as in it. Whoever cannot be asked, because it
 * is of another pid namespace, is not; nor does anybody look further than at
 * the first groups. */
static bool in_group(const struct attr_writer *writer, gid_t gid)
{
	const struct op *op = writer->arg;
	gid_t groups[GROUPS_MOST];
	int count;

	if (fuse_req_ctx(op->req)->gid == gid || op_capable(op, CAP_FSETID))
		return true;
	count = fuse_req_getgroups(op->req, GROUPS_MOST, groups);
	if (count > GROUPS_MOST)
		count = GROUPS_MOST;
	return among(groups, count, gid);
}

bool op_loses_sgid(struct op *op)
{
	const struct attr_writer writer = { .arg = op };
	uint32_t mode;
	gid_t gid;

	pthread_rwlock_rdlock(&op->inode->lock);
	mode = op->inode->media->mode;
	gid = op->inode->media->gid;
	pthread_rwlock_unlock(&op->inode->lock);
	return mode & S_ISGID && !S_ISDIR(mode) && !in_group(&writer, gid);
}

static int drop(struct op *op, struct attr_writer writer)
{
	writer.uid = fuse_req_ctx(op->req)->uid;
	writer.in_group = in_group;
	writer.arg = op;
	return attr_drop_privileges(op->request, op->inode, &writer);
}

int op_drop_privileges(struct op *op, bool unprivileged)
{
	return drop(op, (struct attr_writer){ .unprivileged = unprivileged });
}

int op_resize_drop_privileges(struct op *op, bool unprivileged)
{
	return drop(op, (struct attr_writer){ .unprivileged = unprivileged,
					      .resizes = true });
}

int op_ask_drop_privileges(struct op *op)
{
	return drop(op,
		    (struct attr_writer){ .unprivileged = op_unprivileged(op),
					  .asks = true });
}
