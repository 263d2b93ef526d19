/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/notify.h"
#include "fuse/session.h"

#include <assert.h>
#include <errno.h>

int notify_inval_inode(struct session *session, uint64_t ino, off_t offset,
		       off_t length)
{
	int err;

	assert(!session_is_serving());
	err = fuse_lowlevel_notify_inval_inode(session_fuse(session), ino,
					       offset, length);
	return err == -ENOENT ? 0 : err;
}
