/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * journal_fixture.h -- a scratch device with a journal on it, for unit tests
 *
 * One metadata device (member 0), its superblock in memory, an allocator that
 * has every block behind the homes, and `homes`: HOMES pieces of HOME_BYTES
 * that tests edit as if they were inodes. The ring is the shortest one that is
 * legal unless a test asks for more, so that it wraps often.
 */
#ifndef UDAX_TESTS_JOURNAL_FIXTURE_H
#define UDAX_TESTS_JOURNAL_FIXTURE_H

#include "alloc/alloc.h"
#include "device/members.h"
#include "journal/journal.h"
#include "lib/device_fixture.h"
#include "media/record.h"

#define HOMES 64
#define HOME_BYTES 512
#define RING_BLOCKS_LEAST (RECORD_BYTES_MAX / BLOCK_BYTES)

struct journal_fixture {
	struct members members;
	superblock_media sb;
	struct alloc *allocs[ROLL_MAX];
	struct journal *journal;
	uint64_t homes_addr;
	uint64_t free_block; /* the first one the allocator has */
};

/* Format, replay the nothing there is, open. */
void journal_fixture_make(struct journal_fixture *fixture,
			  uint64_t ring_blocks);
void journal_fixture_remove(struct journal_fixture *fixture);

/* Close the journal as a crash would, replay, and open again. */
void journal_fixture_crash(struct journal_fixture *fixture,
			   struct journal_replay_report *report);

uint64_t journal_fixture_addr(const struct journal_fixture *fixture,
			      unsigned int home);
unsigned char *journal_fixture_home(const struct journal_fixture *fixture,
				    unsigned int home);
unsigned char *journal_fixture_ring(const struct journal_fixture *fixture);

/* One transaction that fills a whole home with the byte. */
int journal_fixture_fill(struct journal_fixture *fixture, unsigned int home,
			 int byte);

#endif
