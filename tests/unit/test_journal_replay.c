/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/journal_fixture.h"

#include "util/crc32c.h"

#include <check.h>
#include <errno.h>
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
	journal_fixture_remove(&fix);
}

static struct device *metadata(void)
{
	return fix.members.device[0];
}

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

	ck_assert_int_eq(journal_set_lineage(fix.journal, fix.sb.generation,
					     lineage, NULL, NULL),
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

/* Change some bytes of the planted record and make its checksum right. */
static void garble(unsigned char *bytes)
{
	static const size_t where[] = { 8, 9, 10, 12, 13, 14, 15 };
	record_media *record = (void *)bytes;
	unsigned int changes = 1 + random() % 4;
	size_t crc_bytes;

	while (changes--) {
		size_t at = random() % 3 ? 64 + random() % 128
					 : where[random() % 7];

		bytes[at] = random() % 3 ? random() : random() % 4;
	}
	crc_bytes = record->kind == RECORD_PAD ? sizeof(*record)
					       : record->length_bytes;
	if (crc_bytes >= sizeof(*record) && crc_bytes <= RECORD_BYTES_MAX)
		record->crc = crc32c_skipping(record, crc_bytes,
					      offsetof(record_media, crc));
}

START_TEST(garbage_with_a_good_checksum_stays_within_the_homes)
{
	size_t area = fix.sb.journal_start * BLOCK_BYTES;
	unsigned char *base = metadata()->base;
	unsigned char *last = base + FIXTURE_BYTES - BLOCK_BYTES;
	unsigned char *image = malloc(fix.homes_addr);
	unsigned int refused = 0, replayed = 0;
	unsigned int i;

	memset(base, 0x11, BLOCK_BYTES);
	memset(last, 0x11, BLOCK_BYTES);
	for (i = 0; i < 5000; i++) {
		int error;

		plant(journal_fixture_addr(&fix, i % 8), 8 * (1 + i % 20));
		garble(journal_fixture_ring(&fix));
		memcpy(image, base, area + 2 * BLOCK_BYTES);
		error = journal_replay(&fix.members, &fix.sb, &report);
		ck_assert(error == 0 || error == -EUCLEAN);
		refused += error != 0;
		replayed += report.records;
		ck_assert_mem_eq(image, base, area + 2 * BLOCK_BYTES);
		ck_assert_uint_eq(last[0], 0x11);
		ck_assert_mem_eq(last, last + 1, BLOCK_BYTES - 1);
	}
	ck_assert_uint_gt(refused, 500);
	ck_assert_uint_gt(replayed, 500);
	free(image);
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

static TCase *hostile_media(void)
{
	TCase *tests = tcase_create("hostile media");

	tcase_add_test(tests, a_planted_record_is_replayed_if_it_is_decent);
	tcase_add_test(tests, hostile_items_are_refused_and_nothing_is_stored);
	tcase_add_test(tests,
		       a_good_record_before_a_hostile_one_is_not_stored_either);
	tcase_add_test(tests,
		       garbage_with_a_good_checksum_stays_within_the_homes);
	tcase_add_test(tests,
		       superblocks_that_leave_no_room_for_the_area_are_refused);
	return tests;
}

int main(void)
{
	TCase *cases[] = { replays(), hostile_media() };
	Suite *suite = suite_create("journal_replay");
	SRunner *runner = srunner_create(suite);
	unsigned int i;
	int failed;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		tcase_add_checked_fixture(cases[i], setup, teardown);
		tcase_set_timeout(cases[i], 60);
		suite_add_tcase(suite, cases[i]);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
