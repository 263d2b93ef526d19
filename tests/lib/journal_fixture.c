/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/journal_fixture.h"

#include <check.h>
#include <string.h>

#define JOURNAL_START 2

static void describe(struct journal_fixture *fixture, uint64_t ring_blocks)
{
	superblock_media *sb = &fixture->sb;
	uint64_t device_blocks = FIXTURE_BYTES / BLOCK_BYTES;

	memset(sb, 0, sizeof(*sb));
	sb->device_count = 1;
	sb->block_bytes = BLOCK_BYTES;
	sb->generation = 7;
	memset(sb->lineage, 0x5a, sizeof(sb->lineage));
	sb->size_blocks = device_blocks;
	sb->journal_start = JOURNAL_START;
	sb->journal_blocks = ring_blocks + 1;
	sb->roll[0].state = ROLL_PRESENT;
	sb->roll[0].size_blocks = device_blocks;
	fixture->homes_addr = (sb->journal_start + sb->journal_blocks) *
			      BLOCK_BYTES;
	fixture->free_block = addr_block(fixture->homes_addr) +
			      HOMES * HOME_BYTES / BLOCK_BYTES;
}

void journal_fixture_make(struct journal_fixture *fixture, uint64_t ring_blocks)
{
	struct journal_replay_report report;
	uint64_t blocks;

	memset(fixture, 0, sizeof(*fixture));
	fixture_make();
	describe(fixture, ring_blocks);
	fixture->members.device[0] = fixture_create_and_open("metadata");
	fixture->members.count = 1;

	blocks = fixture->sb.size_blocks;
	ck_assert_int_eq(alloc_create(&fixture->allocs[0], blocks, 0), 0);
	ck_assert_int_eq(alloc_mark_free(fixture->allocs[0],
					 fixture->free_block,
					 blocks - 1 - fixture->free_block),
			 0);
	ck_assert_int_eq(journal_format(&fixture->members, &fixture->sb), 0);
	ck_assert_int_eq(
		journal_replay(&fixture->members, &fixture->sb, &report), 0);
	ck_assert_uint_eq(report.records, 0);
	ck_assert_int_eq(journal_open(&fixture->journal, &fixture->members,
				      &fixture->sb, report.next_sequence,
				      fixture->allocs),
			 0);
}

void journal_fixture_remove(struct journal_fixture *fixture)
{
	unsigned int i;

	journal_close(fixture->journal);
	for (i = 0; i < ROLL_MAX; i++)
		alloc_destroy(fixture->allocs[i]);
	members_close(&fixture->members);
	fixture_remove();
}

void journal_fixture_crash(struct journal_fixture *fixture,
			   struct journal_replay_report *report)
{
	journal_close(fixture->journal);
	fixture->journal = NULL;
	ck_assert_int_eq(
		journal_replay(&fixture->members, &fixture->sb, report), 0);
	ck_assert_int_eq(journal_open(&fixture->journal, &fixture->members,
				      &fixture->sb, report->next_sequence,
				      fixture->allocs),
			 0);
}

uint64_t journal_fixture_addr(const struct journal_fixture *fixture,
			      unsigned int home)
{
	return fixture->homes_addr + (uint64_t)home * HOME_BYTES;
}

unsigned char *journal_fixture_home(const struct journal_fixture *fixture,
				    unsigned int home)
{
	return device_at(fixture->members.device[0],
			 journal_fixture_addr(fixture, home));
}

unsigned char *journal_fixture_ring(const struct journal_fixture *fixture)
{
	return device_at(fixture->members.device[0],
			 (fixture->sb.journal_start + 1) * BLOCK_BYTES);
}

int journal_fixture_fill(struct journal_fixture *fixture, unsigned int home,
			 int byte)
{
	struct txn *txn = txn_begin(fixture->journal);

	memset(txn_edit(txn, journal_fixture_addr(fixture, home), HOME_BYTES),
	       byte, HOME_BYTES);
	return txn_commit(txn);
}
