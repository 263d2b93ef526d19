/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/journal_fixture.h"

#include "device/guard.h"
#include "trace/pause.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct journal_fixture fix;
static struct journal_replay_report report;

static void setup(void)
{
	journal_fixture_make(&fix, RING_BLOCKS_LEAST);
}

static void teardown(void)
{
	pause_set_hook(NULL);
	journal_fixture_remove(&fix);
}

static struct device *metadata(void)
{
	return fix.members.device[0];
}

/* ---------------------------------------------------------- transactions */

START_TEST(a_commit_is_seen_at_home)
{
	struct txn *txn = txn_begin(fix.journal);
	unsigned char *copy = txn_edit(txn, journal_fixture_addr(&fix, 3), 512);

	copy[8] = 1;
	copy[500] = 2;
	ck_assert_uint_eq(journal_fixture_home(&fix, 3)[8], 0);
	ck_assert_ptr_eq(txn_edit(txn, journal_fixture_addr(&fix, 3), 512),
			 copy);
	ck_assert_ptr_eq(txn_see(txn, journal_fixture_addr(&fix, 3)), copy);
	ck_assert_ptr_eq(txn_see(txn, journal_fixture_addr(&fix, 4)),
			 journal_fixture_home(&fix, 4));
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(journal_fixture_home(&fix, 3)[8], 1);
	ck_assert_uint_eq(journal_fixture_home(&fix, 3)[500], 2);
}
END_TEST

START_TEST(an_abort_leaves_the_media_alone_and_gives_blocks_back)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	unsigned char *image = malloc(FIXTURE_BYTES);
	struct alloc_want want = { .blocks = 20 };
	struct txn *txn = txn_begin(fix.journal);
	uint64_t start, got, addr;

	memcpy(image, metadata()->base, FIXTURE_BYTES);
	ck_assert_int_eq(txn_alloc_block(txn, &addr), 0);
	memset(txn_edit_new(txn, addr, BLOCK_BYTES), 0xee, BLOCK_BYTES);
	ck_assert_int_eq(alloc_take(fix.allocs[0], &want, &start, &got), 0);
	txn_took(txn, addr_make(0, start * BLOCK_BYTES), got);
	memset(txn_edit(txn, journal_fixture_addr(&fix, 0), 512), 1, 512);
	txn_free(txn, addr_make(0, fix.homes_addr), 1, true);
	txn_abort(txn);
	ck_assert_mem_eq(image, metadata()->base, FIXTURE_BYTES);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
	free(image);
}
END_TEST

START_TEST(a_commit_that_changes_nothing_writes_nothing)
{
	uint64_t sequence = journal_next_sequence(fix.journal);
	uint64_t fences = device_fences();
	struct txn *txn = txn_begin(fix.journal);

	txn_edit(txn, journal_fixture_addr(&fix, 3), 512);
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(journal_next_sequence(fix.journal), sequence);
	ck_assert_uint_eq(device_fences(), fences);
}
END_TEST

START_TEST(a_fresh_block_is_zeroed_and_logged_whole)
{
	struct txn *txn;
	uint64_t addr;
	unsigned char *copy;

	txn = txn_begin(fix.journal);
	ck_assert_int_eq(txn_alloc_block(txn, &addr), 0);
	memset(device_at(metadata(), addr_offset(addr)), 0x77, 512);
	copy = txn_edit_new(txn, addr, BLOCK_BYTES);
	ck_assert_uint_eq(copy[0] | copy[BLOCK_BYTES - 1], 0);
	copy[1] = 9;
	ck_assert_int_eq(txn_commit(txn), 0);
	/* What an unfenced store had left there is lost now. */
	memset(device_at(metadata(), addr_offset(addr)), 0x78, BLOCK_BYTES);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.bytes, BLOCK_BYTES);
	copy = device_at(metadata(), addr_offset(addr));
	ck_assert_uint_eq(copy[0], 0);
	ck_assert_uint_eq(copy[1], 9);
	ck_assert_uint_eq(copy[BLOCK_BYTES - 1], 0);
}
END_TEST

static unsigned int seals;

static void seal(void *copy)
{
	seals++;
	((unsigned char *)copy)[0] = 0x5e;
}

START_TEST(pieces_are_sealed_before_the_record_is_built)
{
	struct txn *txn = txn_begin(fix.journal);
	uint64_t addr = journal_fixture_addr(&fix, 9);
	unsigned char *copy = txn_edit_sealed(txn, addr, 512, false, seal);

	copy[100] = 1;
	txn_edit(txn, addr, 512);
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(seals, 1);
	ck_assert_uint_eq(journal_fixture_home(&fix, 9)[0], 0x5e);
}
END_TEST

START_TEST(only_what_differs_is_logged_near_runs_as_one)
{
	struct txn *txn = txn_begin(fix.journal);
	uint64_t *words = txn_edit(txn, journal_fixture_addr(&fix, 0), 512);

	words[0] = 1;
	words[3] = 1; /* 16 bytes between: one item of 4 words */
	words[7] = 1; /* 24 bytes between: its own */
	words[63] = 1;
	ck_assert_int_eq(txn_commit(txn), 0);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.records, 1);
	ck_assert_uint_eq(report.items, 3);
	ck_assert_uint_eq(report.bytes, 6 * 8);
}
END_TEST

START_TEST(room_shrinks_by_what_an_edit_may_take_and_is_kept)
{
	struct txn *txn = txn_begin(fix.journal);
	uint64_t addr = addr_make(0, fix.free_block * BLOCK_BYTES);
	size_t room = txn_room(txn);
	unsigned int edits = 0;

	txn_edit(txn, journal_fixture_addr(&fix, 0), 512);
	ck_assert_uint_eq(txn_room(txn), room - 512 - 16);
	while (txn_room(txn) >= BLOCK_BYTES + 16) {
		uint64_t *copy = txn_edit(txn, addr, BLOCK_BYTES);
		unsigned int i;

		/* The costliest pattern there is. */
		for (i = 0; i < BLOCK_BYTES / 8; i += 4)
			copy[i] = 1;
		addr += BLOCK_BYTES;
		edits++;
	}
	ck_assert_uint_ge(edits, 60);
	ck_assert_int_eq(txn_commit(txn), 0);
}
END_TEST

START_TEST(a_record_that_is_too_long_is_refused_whole)
{
	struct txn *txn = txn_begin(fix.journal);
	uint64_t addr = addr_make(0, fix.free_block * BLOCK_BYTES);
	unsigned int i;

	for (i = 0; i < 64; i++)
		memset(txn_edit(txn, addr + (uint64_t)i * BLOCK_BYTES,
				BLOCK_BYTES),
		       1, BLOCK_BYTES);
	ck_assert_uint_eq(txn_room(txn), 0);
	ck_assert_int_eq(txn_commit(txn), -E2BIG);
	ck_assert_int_eq(
		*(unsigned char *)device_at(metadata(), addr_offset(addr)), 0);
	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 1), 0);
}
END_TEST

START_TEST(an_edit_where_nothing_may_be_stored_spoils_the_commit)
{
	const uint64_t wild[] = {
		0,
		addr_make(0, FIXTURE_BYTES - BLOCK_BYTES),
		addr_make(0, FIXTURE_BYTES - BLOCK_BYTES - 8),
		addr_make(0, fix.sb.journal_start * BLOCK_BYTES),
		addr_make(0, fix.homes_addr - 8),
		addr_make(0, ADDR_OFFSET_MASK - 7),
		addr_make(1, fix.homes_addr),
		addr_make(64, fix.homes_addr),
		addr_make(0xffff, fix.homes_addr),
	};
	unsigned int i;

	for (i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		struct txn *txn = txn_begin(fix.journal);

		memset(txn_edit(txn, journal_fixture_addr(&fix, 0), 512), 1,
		       512);
		memset(txn_edit(txn, wild[i], 512), 1, 512);
		ck_assert_int_eq(txn_commit(txn), -EUCLEAN);
		ck_assert_uint_eq(journal_fixture_home(&fix, 0)[0], 0);
	}
}
END_TEST

/* ---------------------------------------------------------------- blocks */

START_TEST(freed_data_is_allocatable_when_the_commit_returns)
{
	struct alloc_want want = { .blocks = 8 };
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	uint64_t start, got;
	struct txn *txn;

	ck_assert_int_eq(alloc_take(fix.allocs[0], &want, &start, &got), 0);
	txn = txn_begin(fix.journal);
	memset(txn_edit(txn, journal_fixture_addr(&fix, 0), 512), 1, 512);
	txn_free(txn, addr_make(0, start * BLOCK_BYTES), got, false);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks - 8);
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
}
END_TEST

/* A metadata block that a live record names, and one that frees it. */
static uint64_t use_and_free_metadata(void)
{
	struct txn *txn = txn_begin(fix.journal);
	uint64_t addr;

	ck_assert_int_eq(txn_alloc_block(txn, &addr), 0);
	memset(txn_edit_new(txn, addr, BLOCK_BYTES), 0xaa, BLOCK_BYTES);
	ck_assert_int_eq(txn_commit(txn), 0);
	txn = txn_begin(fix.journal);
	memset(txn_edit(txn, journal_fixture_addr(&fix, 0), 512), random(),
	       512);
	txn_free(txn, addr, 1, true);
	ck_assert_int_eq(txn_commit(txn), 0);
	return addr;
}

START_TEST(freed_metadata_waits_for_the_checkpoint)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	uint64_t addr = use_and_free_metadata();

	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks - 1);
	ck_assert_int_eq(alloc_mark_used(fix.allocs[0], addr_block(addr), 1),
			 -EUCLEAN);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
}
END_TEST

START_TEST(no_space_waits_no_longer_than_a_checkpoint)
{
	struct alloc_want all = { .blocks = UINT64_MAX };
	uint64_t addr = use_and_free_metadata();
	uint64_t start, got, again;
	struct txn *txn;

	while (alloc_take(fix.allocs[0], &all, &start, &got) == 0)
		;
	txn = txn_begin(fix.journal);
	ck_assert_int_eq(txn_alloc_block(txn, &again), 0);
	ck_assert_uint_eq(again, addr);
	ck_assert_int_eq(txn_alloc_block(txn, &again), -ENOSPC);
	txn_abort(txn);
}
END_TEST

START_TEST(frees_without_a_record_keep_to_the_same_rule)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	uint64_t first, second;
	struct txn *txn = txn_begin(fix.journal);

	/* Nothing is live: at once. */
	ck_assert_int_eq(txn_alloc_block(txn, &first), 0);
	ck_assert_int_eq(txn_commit(txn), 0);
	txn = txn_begin(fix.journal);
	txn_free(txn, first, 1, true);
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);

	txn = txn_begin(fix.journal);
	ck_assert_int_eq(txn_alloc_block(txn, &second), 0);
	memset(txn_edit_new(txn, second, BLOCK_BYTES), 1, BLOCK_BYTES);
	ck_assert_int_eq(txn_commit(txn), 0);
	txn = txn_begin(fix.journal);
	txn_free(txn, second, 1, true);
	ck_assert_int_eq(txn_commit(txn), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks - 1);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
}
END_TEST

START_TEST(too_many_waiting_frees_force_a_checkpoint)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	struct alloc_want want = { .blocks = 3000, .metadata = true };
	uint64_t start, got, i, round;

	/* Every second block, so that no two are one run. */
	for (round = 0; round < 8; round++) {
		struct txn *txn = txn_begin(fix.journal);

		ck_assert_int_eq(alloc_take(fix.allocs[0], &want, &start, &got),
				 0);
		for (i = 0; i + 1 < got; i += 2) {
			alloc_give(fix.allocs[0], start + i + 1, 1);
			txn_free(txn, addr_make(0, (start + i) * BLOCK_BYTES),
				 1, true);
		}
		if (got % 2)
			alloc_give(fix.allocs[0], start + got - 1, 1);
		memset(txn_edit(txn, journal_fixture_addr(&fix, 0), 512),
		       1 + round, 512);
		ck_assert_int_eq(txn_commit(txn), 0);
	}
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
}
END_TEST

/* ---------------------------------------------------------------- fences */

START_TEST(a_commit_costs_one_fence_and_with_a_checkpoint_three)
{
	unsigned int checkpoints = 0;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		uint64_t before = device_fences();
		uint64_t cost;

		ck_assert_int_eq(
			journal_fixture_fill(&fix, i % HOMES, 1 + i / HOMES),
			0);
		cost = device_fences() - before;
		ck_assert(cost == 1 || cost == 3);
		checkpoints += cost == 3;
	}
	/* 640 bytes a record */
	ck_assert_uint_ge(checkpoints, 3000 * 600 / RECORD_BYTES_MAX);
	ck_assert_uint_le(checkpoints, 3000 * 704 / RECORD_BYTES_MAX + 2);
}
END_TEST

/* ---------------------------------------------------------------- replay */

START_TEST(replay_brings_back_what_home_has_lost)
{
	unsigned int i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(journal_fixture_fill(&fix, i, 0x30 + i), 0);
	memset(journal_fixture_home(&fix, 0), 0, HOMES * HOME_BYTES);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.records, 10);
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(journal_fixture_home(&fix, i)[511], 0x30 + i);
	/* The fresh anchor is past all of them. */
	ck_assert_uint_eq(journal_next_sequence(fix.journal),
			  report.next_sequence);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.records, 0);
}
END_TEST

START_TEST(replaying_twice_is_replaying_once)
{
	struct journal_replay_report again;
	unsigned char *image = malloc(FIXTURE_BYTES);
	unsigned int i;

	for (i = 0; i < 500; i++)
		ck_assert_int_eq(journal_fixture_fill(&fix, i % HOMES, i + 1),
				 0);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	memcpy(image, metadata()->base, FIXTURE_BYTES);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &again), 0);
	ck_assert_mem_eq(image, metadata()->base, FIXTURE_BYTES);
	ck_assert_mem_eq(&report, &again, sizeof(report));
	free(image);
}
END_TEST

START_TEST(after_a_checkpoint_there_is_nothing_to_replay)
{
	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 1), 0);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.records, 0);
}
END_TEST

START_TEST(records_of_another_lineage_or_generation_do_not_count)
{
	uint8_t lineage[16] = "another lineage";

	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 1), 0);
	fix.sb.generation++;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(report.records, 0);

	ck_assert_int_eq(
		journal_set_lineage(fix.journal, fix.sb.generation, lineage),
		0);
	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 2), 0);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(report.records, 0);
	memcpy(fix.sb.lineage, lineage, sizeof(lineage));
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(report.records, 1);
}
END_TEST

START_TEST(an_anchor_that_is_damaged_is_stood_in_for_by_the_other)
{
	unsigned char *anchors = device_at(metadata(),
					   fix.sb.journal_start * BLOCK_BYTES);
	unsigned int damaged;
	unsigned int i;

	for (damaged = 0; damaged < 2; damaged++) {
		for (i = 0; i < 900; i++) /* checkpoints on the way */
			ck_assert_int_eq(
				journal_fixture_fill(&fix, i % HOMES, random()),
				0);
		ck_assert_int_eq(journal_fixture_fill(&fix, 5, 0x51), 0);
		anchors[damaged * ANCHOR_SECOND_OFFSET + 9] ^= 4;
		memset(journal_fixture_home(&fix, 5), 0, HOME_BYTES);
		journal_fixture_crash(&fix, &report);
		ck_assert_uint_gt(report.records, 0);
		ck_assert_uint_eq(journal_fixture_home(&fix, 5)[0], 0x51);
	}
	anchors[9] ^= 4;
	anchors[ANCHOR_SECOND_OFFSET + 9] ^= 4;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
}
END_TEST

START_TEST(homes_on_another_member_are_replayed_or_missed)
{
	struct device *second = fixture_create_and_open("second");
	uint64_t addr = addr_make(1, 5 * BLOCK_BYTES);
	uint64_t fences;
	struct txn *txn;

	journal_close(fix.journal);
	fix.members.device[1] = second;
	fix.members.count = 2;
	fix.sb.roll[1] = fix.sb.roll[0];
	ck_assert_int_eq(journal_open(&fix.journal, &fix.members, &fix.sb, 1,
				      fix.allocs),
			 0);
	txn = txn_begin(fix.journal);
	memset(txn_edit(txn, addr, BLOCK_BYTES), 3, BLOCK_BYTES);
	ck_assert_int_eq(txn_commit(txn), 0);
	memset(device_at(second, 5 * BLOCK_BYTES), 0, BLOCK_BYTES);

	fix.members.device[1] = NULL;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -ENODEV);
	fix.members.device[1] = second;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(
		*(unsigned char *)device_at(second, 6 * BLOCK_BYTES - 1), 3);
	fences = device_fences();
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_uint_le(device_fences() - fences, 4);
}
END_TEST

START_TEST(a_read_only_device_is_replayed_in_a_private_copy_alone)
{
	struct device_options read_only = { .read_only = true };
	struct device_options private_copy = { .private_copy = true };

	ck_assert_int_eq(journal_fixture_fill(&fix, 5, 0x51), 0);
	memset(journal_fixture_home(&fix, 5), 0, HOME_BYTES);
	journal_close(fix.journal);
	fix.journal = NULL;
	device_close(fix.members.device[0]);

	fix.members.device[0] = fixture_open("metadata", read_only);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EROFS);
	ck_assert_int_eq(journal_open(&fix.journal, &fix.members, &fix.sb, 1,
				      fix.allocs),
			 -EROFS);
	device_close(fix.members.device[0]);

	fix.members.device[0] = fixture_open("metadata", private_copy);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(journal_fixture_home(&fix, 5)[0], 0x51);
	device_close(fix.members.device[0]);

	fix.members.device[0] = fixture_open("metadata", read_only);
	ck_assert_uint_eq(journal_fixture_home(&fix, 5)[0], 0);
}
END_TEST

/* --------------------------------------------------------- hostile media */

/* A sealed record of one item where the next one is expected. */
static void plant(uint64_t addr, uint32_t length_bytes)
{
	static _Alignas(64) unsigned char buffer[BLOCK_BYTES];
	record_media *record = (void *)buffer;
	record_item_media *item = (void *)(record + 1);

	memset(buffer, 0, sizeof(buffer));
	record->kind = RECORD_CHANGES;
	record->items = 1;
	record->length_bytes = 64 * (1 + (16 + length_bytes + 7) / 64 + 1);
	if ((record->length_bytes - 64 - 16 - (length_bytes + 7) / 8 * 8) >= 64)
		record->length_bytes -= 64;
	record->sequence = journal_next_sequence(fix.journal);
	record->generation = fix.sb.generation;
	memcpy(record->lineage, fix.sb.lineage, 16);
	item->addr = addr;
	item->length_bytes = length_bytes;
	memset(item + 1, 0xcc, length_bytes);
	record_seal(record);
	memcpy(journal_fixture_ring(&fix), buffer, record->length_bytes);
}

START_TEST(a_planted_record_is_replayed_if_it_is_decent)
{
	plant(journal_fixture_addr(&fix, 1), 24);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_eq(report.records, 1);
	ck_assert_uint_eq(journal_fixture_home(&fix, 1)[23], 0xcc);
	ck_assert_uint_eq(journal_fixture_home(&fix, 1)[24], 0);
}
END_TEST

START_TEST(hostile_items_are_refused_and_nothing_is_stored)
{
	const struct {
		uint64_t addr;
		int error;
	} hostile[] = {
		{ addr_make(0, 0), -EUCLEAN },
		{ addr_make(0, BLOCK_BYTES - 8), -EUCLEAN },
		{ addr_make(0, FIXTURE_BYTES - BLOCK_BYTES), -EUCLEAN },
		{ addr_make(0, FIXTURE_BYTES - BLOCK_BYTES - 8), -EUCLEAN },
		{ addr_make(0, FIXTURE_BYTES - 8), -EUCLEAN },
		{ addr_make(0, FIXTURE_BYTES), -EUCLEAN },
		{ addr_make(0, FIXTURE_BYTES * 4), -EUCLEAN },
		{ addr_make(0, ADDR_OFFSET_MASK - 63), -EUCLEAN },
		{ addr_make(0, fix.sb.journal_start * BLOCK_BYTES), -EUCLEAN },
		{ addr_make(0, fix.sb.journal_start * BLOCK_BYTES - 8),
		  -EUCLEAN },
		{ addr_make(0, fix.homes_addr - 8), -EUCLEAN },
		{ addr_make(1, fix.homes_addr), -EUCLEAN },
		{ addr_make(2, fix.homes_addr), -ENODEV },
	};
	unsigned char *image = malloc(FIXTURE_BYTES);
	unsigned int i;

	fix.sb.roll[2] = fix.sb.roll[0]; /* listed, and not there */
	for (i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		plant(hostile[i].addr, 16);
		memcpy(image, metadata()->base, FIXTURE_BYTES);
		ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
				 hostile[i].error);
		ck_assert_mem_eq(image, metadata()->base, FIXTURE_BYTES);
	}
	free(image);
}
END_TEST

START_TEST(a_good_record_before_a_hostile_one_is_not_stored_either)
{
	record_media *second;

	plant(journal_fixture_addr(&fix, 1), 24);
	second = (void *)(journal_fixture_ring(&fix) + 128);
	memcpy(second, journal_fixture_ring(&fix), 128);
	second->sequence++;
	((record_item_media *)(second + 1))->addr = 0;
	record_seal(second);
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
	ck_assert_uint_eq(journal_fixture_home(&fix, 1)[0], 0);
}
END_TEST

START_TEST(superblocks_that_leave_no_room_for_the_area_are_refused)
{
	superblock_media good = fix.sb;
	struct journal *none;

	fix.sb.journal_blocks = UINT64_MAX;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
	fix.sb.journal_blocks = 1;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
	fix.sb = good;
	fix.sb.journal_start = UINT64_MAX - 1;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
	fix.sb = good;
	fix.sb.size_blocks *= 2;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -EUCLEAN);
	fix.sb = good;
	fix.sb.journal_blocks--;
	ck_assert_int_eq(
		journal_open(&none, &fix.members, &fix.sb, 1, fix.allocs),
		-EUCLEAN);
	fix.sb = good;
	fix.sb.metadata_device = 3;
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report),
			 -ENODEV);
	fix.sb = good;
}
END_TEST

/* --------------------------------------------------------- stop and loss */

START_TEST(a_stopped_journal_refuses_commits_and_can_be_checkpointed)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	uint64_t addr;
	struct txn *txn;

	ck_assert_int_eq(journal_fixture_fill(&fix, 1, 1), 0);
	journal_stop(fix.journal);
	txn = txn_begin(fix.journal);
	ck_assert_int_eq(txn_alloc_block(txn, &addr), 0);
	memset(txn_edit(txn, journal_fixture_addr(&fix, 2), 512), 1, 512);
	ck_assert_int_eq(txn_commit(txn), -EIO);
	ck_assert_uint_eq(journal_fixture_home(&fix, 2)[0], 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	journal_fixture_crash(&fix, &report);
	ck_assert_uint_eq(report.records, 0);
}
END_TEST

static const char *fail_point;

static void fail_at_point(const char *point)
{
	if (strcmp(point, fail_point) == 0)
		device_guard_fail(metadata(), 0);
}

START_TEST(a_device_that_fails_under_a_record_answers_eio_and_applies_nothing)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	uint64_t addr;
	struct txn *txn = txn_begin(fix.journal);

	fail_point = "journal-record-written";
	pause_set_hook(fail_at_point);
	ck_assert_int_eq(txn_alloc_block(txn, &addr), 0);
	memset(txn_edit_new(txn, addr, BLOCK_BYTES), 1, BLOCK_BYTES);
	memset(txn_edit(txn, journal_fixture_addr(&fix, 2), 512), 1, 512);
	ck_assert_int_eq(txn_commit(txn), -EIO);
	ck_assert_uint_eq(journal_fixture_home(&fix, 2)[0], 0);
	/* The record may be there: its block is nobody else's. */
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks - 1);
	ck_assert_int_eq(journal_fixture_fill(&fix, 3, 1), -EIO);
	ck_assert_int_eq(journal_checkpoint(fix.journal), -EIO);
}
END_TEST

START_TEST(a_device_that_fails_in_a_checkpoint_answers_eio)
{
	int error = 0;
	unsigned int i;

	fail_point = "journal-homes-durable";
	pause_set_hook(fail_at_point);
	for (i = 0; i < 1000 && error == 0; i++)
		error = journal_fixture_fill(&fix, i % HOMES, random());
	ck_assert_int_eq(error, -EIO);
	ck_assert_int_eq(journal_checkpoint(fix.journal), -EIO);
}
END_TEST

/* --------------------------------------------------------------- threads */

#define THREAD_TXNS 10000

static void *commit_many(void *arg)
{
	unsigned int half = (uintptr_t)arg;
	unsigned int seed = half;
	unsigned int i;

	for (i = 0; i < THREAD_TXNS; i++) {
		struct txn *txn = txn_begin(fix.journal);
		unsigned int home = half * (HOMES / 2) +
				    rand_r(&seed) % (HOMES / 2);
		uint64_t *words = txn_edit(
			txn, journal_fixture_addr(&fix, home), HOME_BYTES);
		unsigned int count = 1 + rand_r(&seed) % 20;
		uint64_t addr;

		while (count--)
			words[rand_r(&seed) % 64] = i;
		if (i % 16 == 0) {
			if (txn_alloc_block(txn, &addr) != 0)
				return arg;
			txn_free(txn, addr, 1, true);
		}
		if (i % 64 == 5) {
			txn_abort(txn);
			continue;
		}
		if (txn_commit(txn) != 0)
			return (void *)1;
	}
	return NULL;
}

/* Homes as a power loss would leave them that kept what was fenced alone. */
static unsigned char fenced_homes[HOMES * HOME_BYTES];

static void remember_homes(const char *point)
{
	if (strcmp(point, "journal-anchor-durable") == 0)
		memcpy(fenced_homes, journal_fixture_home(&fix, 0),
		       sizeof(fenced_homes));
}

START_TEST(two_threads_commit_and_replay_makes_the_same_homes)
{
	uint64_t free_blocks = alloc_free_blocks(fix.allocs[0]);
	unsigned char *homes = malloc(HOMES * HOME_BYTES);
	pthread_t threads[2];
	uintptr_t i;

	pause_set_hook(remember_homes);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, commit_many,
						(void *)i),
				 0);
	for (i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	memcpy(homes, journal_fixture_home(&fix, 0), HOMES * HOME_BYTES);
	pause_set_hook(NULL);
	memcpy(journal_fixture_home(&fix, 0), fenced_homes,
	       sizeof(fenced_homes));
	ck_assert_int_eq(journal_replay(&fix.members, &fix.sb, &report), 0);
	ck_assert_uint_gt(report.records, 0);
	ck_assert_mem_eq(homes, journal_fixture_home(&fix, 0),
			 HOMES * HOME_BYTES);
	ck_assert_int_eq(journal_checkpoint(fix.journal), 0);
	ck_assert_uint_eq(alloc_free_blocks(fix.allocs[0]), free_blocks);
	free(homes);
}
END_TEST

static TCase *transactions(void)
{
	TCase *tests = tcase_create("transactions");

	tcase_add_test(tests, a_commit_is_seen_at_home);
	tcase_add_test(tests,
		       an_abort_leaves_the_media_alone_and_gives_blocks_back);
	tcase_add_test(tests, a_commit_that_changes_nothing_writes_nothing);
	tcase_add_test(tests, a_fresh_block_is_zeroed_and_logged_whole);
	tcase_add_test(tests, pieces_are_sealed_before_the_record_is_built);
	tcase_add_test(tests, only_what_differs_is_logged_near_runs_as_one);
	tcase_add_test(tests,
		       room_shrinks_by_what_an_edit_may_take_and_is_kept);
	tcase_add_test(tests, a_record_that_is_too_long_is_refused_whole);
	tcase_add_test(tests,
		       an_edit_where_nothing_may_be_stored_spoils_the_commit);
	tcase_add_test(tests,
		       freed_data_is_allocatable_when_the_commit_returns);
	tcase_add_test(tests, freed_metadata_waits_for_the_checkpoint);
	tcase_add_test(tests, no_space_waits_no_longer_than_a_checkpoint);
	tcase_add_test(tests, frees_without_a_record_keep_to_the_same_rule);
	tcase_add_test(tests, too_many_waiting_frees_force_a_checkpoint);
	tcase_add_test(tests,
		       a_commit_costs_one_fence_and_with_a_checkpoint_three);
	tcase_add_test(tests,
		       two_threads_commit_and_replay_makes_the_same_homes);
	return tests;
}

static TCase *replays(void)
{
	TCase *tests = tcase_create("replay");

	tcase_add_test(tests, replay_brings_back_what_home_has_lost);
	tcase_add_test(tests, replaying_twice_is_replaying_once);
	tcase_add_test(tests, after_a_checkpoint_there_is_nothing_to_replay);
	tcase_add_test(tests,
		       records_of_another_lineage_or_generation_do_not_count);
	tcase_add_test(tests,
		       an_anchor_that_is_damaged_is_stood_in_for_by_the_other);
	tcase_add_test(tests, homes_on_another_member_are_replayed_or_missed);
	tcase_add_test(tests,
		       a_read_only_device_is_replayed_in_a_private_copy_alone);
	return tests;
}

static TCase *damage(void)
{
	TCase *tests = tcase_create("damage and loss");

	tcase_add_test(tests, a_planted_record_is_replayed_if_it_is_decent);
	tcase_add_test(tests, hostile_items_are_refused_and_nothing_is_stored);
	tcase_add_test(tests,
		       a_good_record_before_a_hostile_one_is_not_stored_either);
	tcase_add_test(tests,
		       superblocks_that_leave_no_room_for_the_area_are_refused);
	tcase_add_test(
		tests,
		a_stopped_journal_refuses_commits_and_can_be_checkpointed);
	tcase_add_test(
		tests,
		a_device_that_fails_under_a_record_answers_eio_and_applies_nothing);
	tcase_add_test(tests, a_device_that_fails_in_a_checkpoint_answers_eio);
	return tests;
}

int main(void)
{
	TCase *cases[] = { transactions(), replays(), damage() };
	Suite *suite = suite_create("journal");
	SRunner *runner = srunner_create(suite);
	unsigned int i;
	int failed;

	for (i = 0; i < 3; i++) {
		tcase_add_checked_fixture(cases[i], setup, teardown);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
