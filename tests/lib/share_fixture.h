/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * share_fixture.h -- blocks with several owners: made, and counted
 *
 * Of the filesystem that core_fixture has mounted.
 */
#ifndef UDAX_TESTS_SHARE_FIXTURE_H
#define UDAX_TESTS_SHARE_FIXTURE_H

#include "lib/core_fixture.h"

/* One request of copy_file_range(2). */
ssize_t share_copy(struct inode *from, uint64_t from_offset, struct inode *to,
		   uint64_t to_offset, uint64_t length);

/*
 * Every extent of every file in memory or not, against inode 2: each block has
 * as many owners as it says, and those that have several are flagged by all.
 * How many blocks have several.
 */
uint64_t share_check_owners(void);

/* R10, and nothing has a reference on a block that is free. */
void share_check_references(void);

#endif
