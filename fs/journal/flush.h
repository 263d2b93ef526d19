/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flush.h -- home ranges to be written back, each cache line once
 *
 * One inode may stand in thousands of live records; its line is flushed once
 * a batch. A batch that is full is flushed and begun again. Private to
 * fs/journal.
 *
 * Locking: the owner's (the journal's mutex).
 * Durability: flush_drain() fences each member that was touched, by the
 *          thread that added the ranges.
 */
#ifndef UDAX_JOURNAL_FLUSH_H
#define UDAX_JOURNAL_FLUSH_H

#include "journal/area.h"

#define FLUSH_RANGES 2048

struct flush {
	const struct area *area;
	uint64_t touched; /* a bit a member */
	unsigned int count;
	struct flush_range {
		uint64_t from, to; /* addresses, in whole lines */
	} range[FLUSH_RANGES];
};

void flush_begin(struct flush *flush, const struct area *area);
/* A checked range. */
void flush_add(struct flush *flush, uint64_t addr, uint64_t length_bytes);
/* All durable; -EIO if one of the members failed. */
int flush_drain(struct flush *flush) __attribute__((warn_unused_result));

#endif
