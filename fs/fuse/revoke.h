/* SPDX-License-Identifier: BSD-3-Clause */
/* revoke.h -- kernel mappings taken back from a device that is going */
#ifndef UDAX_FUSE_REVOKE_H
#define UDAX_FUSE_REVOKE_H

#include "dax/removal.h"

struct front;

/*
 * removal_ops.revoke's part for the mount; in the removal's thread, holding no
 * lock. Each inode with kernel entries on the device has its pages dropped by
 * the kernel, dirty ones being written back before, then its entries deleted.
 * The device of the only metadata: each inode in memory, whatever device its
 * data is on, attributes too, so that every later call comes to us and fails:
 * names that the kernel remembers, absent ones as well, are reached through a
 * directory whose attributes it must ask for.
 *
 * 0: no kernel mapping is left. -EAGAIN: DRAIN, which only looks, found some.
 * -ECANCELED: the removal was cancelled on the way.
 */
int fuse_revoke_device(struct front *front, unsigned int device,
		       enum removal_mode mode)
	__attribute__((warn_unused_result));

#endif
