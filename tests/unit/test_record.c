/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/addr.h"
#include "media/record.h"
#include "util/crc32c.h"

#include "mutate.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 100000

static const uint8_t lineage[16] = { 1, 2, 3 };

/* Items of 1, 8 and 300 bytes; room for padding behind. */
static record_media *good_record(void)
{
	static const unsigned lengths[] = { 1, 8, 300 };
	record_media *record = malloc(512);
	char *at = (char *)(record + 1);
	unsigned i;

	ck_assert_ptr_nonnull(record);
	memset(record, 0xee, 512);
	memset(record, 0, sizeof(*record));
	record->kind = RECORD_CHANGES;
	record->items = COUNT(lengths);
	record->length_bytes = 448;
	record->sequence = 9;
	record->generation = 2;
	memcpy(record->lineage, lineage, sizeof(lineage));
	for (i = 0; i < COUNT(lengths); i++) {
		record_item_media *item = (void *)at;

		item->addr = addr_make(i, 100 * i);
		item->length_bytes = lengths[i];
		item->pad = 0;
		memset(item + 1, 'a' + i, lengths[i]);
		at += record_item_room(lengths[i]);
	}
	record_seal(record);
	return record;
}

static int check_record(const record_media *record)
{
	return record_check(record, 512, 9, 2, lineage);
}

START_TEST(record_gives_its_items_back)
{
	record_media *record = good_record();
	const record_item_media *item = NULL;
	unsigned items = 0, bytes = 0;

	ck_assert_int_eq(check_record(record), 0);
	while ((item = record_next(record, item)) != NULL) {
		const char *at = record_item_bytes(item);

		ck_assert_uint_eq(addr_device(item->addr), items);
		ck_assert_int_eq(at[item->length_bytes - 1], 'a' + items);
		bytes += item->length_bytes;
		items++;
	}
	ck_assert_uint_eq(items, 3);
	ck_assert_uint_eq(bytes, 309);
	free(record);
}
END_TEST

START_TEST(record_refuses_any_changed_byte)
{
	record_media *record = good_record();
	unsigned i, length = record->length_bytes;

	for (i = 0; i < length; i++) {
		((char *)record)[i] ^= 0x01;
		ck_assert_int_eq(check_record(record), -ENODATA);
		((char *)record)[i] ^= 0x01;
	}
	free(record);
}
END_TEST

START_TEST(record_counts_only_where_it_is_expected)
{
	static const uint8_t other[16] = { 3 };
	record_media *record = good_record();

	ck_assert_int_eq(record_check(record, 447, 9, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 63, 9, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 8, 2, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 9, 3, lineage), -ENODATA);
	ck_assert_int_eq(record_check(record, 512, 9, 2, other), -ENODATA);
	free(record);
}
END_TEST

static const struct wrong wrong_records[] = {
	WRONG(record_media, items, 4),
	WRONG(record_media, items, 2),
	WRONG(record_media, items, 65535),
	WRONG(record_media, kind, 0),
	WRONG(record_media, kind, RECORD_PAD),
	{ 64 + offsetof(record_item_media, length_bytes), 4, 0 },
	{ 64 + offsetof(record_item_media, length_bytes), 4, 9 },
	{ 64 + offsetof(record_item_media, length_bytes), 4, UINT32_MAX },
	{ 64 + offsetof(record_item_media, addr), 8, UINT64_MAX },
	{ 64 + offsetof(record_item_media, addr), 8, ADDR_OFFSET_MASK - 6 },
	{ 440, 1, 1 },
};

/* record_seal() asserts what it seals, so the checksum is found here. */
static void reseal_record(record_media *record)
{
	size_t bytes = record->kind == RECORD_PAD ? sizeof(*record)
						  : record->length_bytes;

	record->crc = crc32c_skipping(record, bytes,
				      offsetof(record_media, crc));
}

START_TEST(record_refuses_items_that_do_not_add_up)
{
	record_media *record = good_record();

	/* 8 bytes at the end of a device are one too many a byte later */
	((record_item_media *)(record + 1))->length_bytes = 8;
	make_wrong(record, &wrong_records[_i]);
	reseal_record(record);
	ck_assert_int_eq(check_record(record), -EUCLEAN);
	free(record);
}
END_TEST

START_TEST(pad_record_is_its_header)
{
	record_media *record = good_record();

	record->kind = RECORD_PAD;
	record->items = 0;
	record->length_bytes = 512;
	record_seal(record);
	((char *)record)[100] ^= 1;
	ck_assert_int_eq(check_record(record), 0);
	ck_assert_ptr_null(record_next(record, NULL));
	free(record);
}
END_TEST

START_TEST(record_survives_random_damage)
{
	record_media *record = good_record();
	char saved[512];
	int i;

	memcpy(saved, record, sizeof(saved));
	for (i = 0; i < MUTATIONS; i++) {
		const record_item_media *item = NULL;
		const char *end = (const char *)record + sizeof(saved);

		memcpy(record, saved, sizeof(saved));
		mutate((void *)record, record->length_bytes);
		if (record->length_bytes >= sizeof(*record) &&
		    record->length_bytes <= sizeof(saved))
			reseal_record(record);
		if (check_record(record) != 0)
			continue;
		while ((item = record_next(record, item)) != NULL)
			ck_assert(item->length_bytes <=
				  end - (const char *)(item + 1));
	}
	free(record);
}
END_TEST

START_TEST(anchor_with_the_higher_sequence_is_the_truth)
{
	char *area = calloc(1, BLOCK_BYTES);
	anchor_media *first = (void *)area;
	anchor_media *second = (void *)(area + ANCHOR_SECOND_OFFSET);
	const anchor_media *out;

	ck_assert_int_eq(anchor_pick(area, &out), -EUCLEAN);
	first->sequence = 5;
	anchor_seal(first);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, first);
	second->sequence = 6;
	anchor_seal(second);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, second);
	second->ring_offset = 63;
	anchor_seal(second);
	ck_assert_int_eq(anchor_pick(area, &out), 0);
	ck_assert_ptr_eq(out, first);
	first->generation ^= 1;
	ck_assert_int_eq(anchor_pick(area, &out), -EUCLEAN);
	free(area);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, record_gives_its_items_back);
	tcase_add_test(rules, record_refuses_any_changed_byte);
	tcase_add_test(rules, record_counts_only_where_it_is_expected);
	tcase_add_loop_test(rules, record_refuses_items_that_do_not_add_up, 0,
			    COUNT(wrong_records));
	tcase_add_test(rules, pad_record_is_its_header);
	tcase_add_test(rules, record_survives_random_damage);
	tcase_add_test(rules, anchor_with_the_higher_sequence_is_the_truth);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
