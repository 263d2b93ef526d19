/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_txn.h -- a journal that is only memory, for tests of what stands on it
 *
 * Implements the part of journal/journal.h that edits, allocates and frees,
 * with the same promises: copies until commit, seals run at commit, an abort
 * forgets. One metadata device of anonymous memory; block 0 is never given.
 * Wrong frees and overlapping copies fail the test.
 */
#ifndef UDAX_TESTS_FAKE_TXN_H
#define UDAX_TESTS_FAKE_TXN_H

#include "device/members.h"
#include "media/addr.h"

#include <check.h>
#include <stdint.h>

/* ck_assert() tells the parent that it passed: too slow for a loop. */
#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			ck_abort_msg("%s", #condition);                        \
	} while (0)

struct txn;

struct fake {
	struct members members;
	struct device device;
	uint64_t blocks;
	unsigned char *used;   /* a byte a block */
	uint64_t used_blocks;  /* block 0 aside */
	uint64_t spare_blocks; /* allocations until -ENOSPC */
	struct txn *txn;       /* one at a time */
};

void fake_init(struct fake *fake, uint64_t blocks);
void fake_fini(struct fake *fake);
/* The device ends here from now on, so that a sanitizer sees reads beyond. */
void fake_trim(struct fake *fake, uint64_t blocks);
struct txn *fake_begin(struct fake *fake);
unsigned fake_copies(const struct txn *txn);

#endif
