/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease_grant.h -- a grant on its way
 *
 * Private to lease_grant.c and lease_plan.c. inode.lock is held exclusively, by
 * a request.
 */
#ifndef UDAX_CORE_LEASE_GRANT_H
#define UDAX_CORE_LEASE_GRANT_H

#include "core/lease_private.h"

#include <string.h>

struct grant {
	struct fs *fs;
	struct request *request;
	struct lease_client *client;
	struct inode *inode;
	const struct lease_want *want;
	struct lease_grant *out;
	/* The kernel was asked for these pages since the last try. */
	bool asked;
	uint64_t asked_first, asked_last;
	bool first_writer;
};

static inline bool grant_all_zero(const unsigned char *bytes, size_t length)
{
	return length == 0 ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* out->first, last: up to EOF's page. 0, -ENODATA, -EINVAL, -EROFS. */
int grant_clip(struct grant *grant) __attribute__((warn_unused_result));
/*
 * Blocks for a writer, and all runs; out->last may come nearer: one device,
 * LEASE_RUNS_MAX, the end of space. -EAGAIN: zeros are being called back.
 */
int grant_plan(struct grant *grant) __attribute__((warn_unused_result));

#endif
