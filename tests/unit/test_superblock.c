/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/superblock.h"

#include "mutate.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 100000
#define DEVICE_BLOCKS 64
#define DEVICE_BYTES ((uint64_t)DEVICE_BLOCKS * BLOCK_BYTES)

static superblock_media *good_superblock(void)
{
	superblock_media *sb = calloc(1, sizeof(*sb));

	ck_assert_ptr_nonnull(sb);
	sb->version = SUPERBLOCK_VERSION;
	memset(sb->fs_uuid, 0x11, 16);
	memset(sb->device_uuid, 0x22, 16);
	memcpy(sb->label, "scratch", 7);
	sb->device_count = 2;
	sb->metadata_mirror = SUPERBLOCK_MIRROR_NONE;
	sb->block_bytes = BLOCK_BYTES;
	sb->sequence = 7;
	sb->size_blocks = DEVICE_BLOCKS;
	sb->journal_start = 1;
	sb->journal_blocks = 8;
	sb->freemap_start = 9;
	sb->freemap_blocks = 2;
	sb->inode_root = addr_make(0, 11 * BLOCK_BYTES);
	memset(sb->roll[0].uuid, 0x22, 16);
	memset(sb->roll[1].uuid, 0x33, 16);
	sb->roll[0].size_blocks = sb->roll[1].size_blocks = DEVICE_BLOCKS;
	sb->roll[0].state = sb->roll[1].state = ROLL_PRESENT;
	superblock_seal(sb);
	return sb;
}

START_TEST(superblock_passes_once_sealed)
{
	superblock_media *sb = good_superblock();

	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_any_changed_byte)
{
	superblock_media *sb = good_superblock();
	size_t i;

	for (i = 0; i < sizeof(*sb); i++) {
		((char *)sb)[i] ^= 0x10;
		ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES),
				 i < sizeof(sb->magic) ? -ENODATA : -EUCLEAN);
		((char *)sb)[i] ^= 0x10;
	}
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_unknown_features)
{
	superblock_media *sb = good_superblock();

	sb->incompat = 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EPROTONOSUPPORT);
	sb->incompat = 0;
	sb->version = SUPERBLOCK_VERSION + 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EPROTONOSUPPORT);
	sb->version = SUPERBLOCK_VERSION;
	sb->compat = sb->ro_compat = 1;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

static const struct wrong wrong_superblocks[] = {
	WRONG(superblock_media, label[SUPERBLOCK_LABEL_BYTES - 1], 'x'),
	WRONG(superblock_media, device_index, 2),
	WRONG(superblock_media, device_index, 1),
	WRONG(superblock_media, device_count, 0),
	WRONG(superblock_media, device_count, 3),
	WRONG(superblock_media, device_count, ROLL_MAX + 1),
	WRONG(superblock_media, metadata_device, 2),
	WRONG(superblock_media, metadata_device, 1),
	WRONG(superblock_media, metadata_mirror, 0),
	WRONG(superblock_media, metadata_mirror, 2),
	WRONG(superblock_media, block_bytes, 512),
	WRONG(superblock_media, size_blocks, 0),
	WRONG(superblock_media, size_blocks, DEVICE_BLOCKS + 1),
	WRONG(superblock_media, size_blocks, UINT64_MAX),
	WRONG(superblock_media, journal_start, 0),
	WRONG(superblock_media, journal_start, 2),
	WRONG(superblock_media, journal_start, UINT64_MAX),
	WRONG(superblock_media, journal_blocks, 0),
	WRONG(superblock_media, journal_blocks, 1),
	WRONG(superblock_media, journal_blocks, UINT64_MAX),
	WRONG(superblock_media, freemap_start, DEVICE_BLOCKS - 2),
	WRONG(superblock_media, freemap_blocks, 1),
	WRONG(superblock_media, freemap_blocks, UINT64_MAX),
	WRONG(superblock_media, inode_root, 0),
	WRONG(superblock_media, inode_root, 11 * BLOCK_BYTES + 1),
	WRONG(superblock_media, inode_root, (DEVICE_BLOCKS - 1) * BLOCK_BYTES),
	WRONG(superblock_media, inode_root, 1 * BLOCK_BYTES),
	WRONG(superblock_media, roll[0].uuid[0], 0),
	WRONG(superblock_media, roll[0].state, 0),
	WRONG(superblock_media, roll[0].state, ROLL_REMOVED),
	WRONG(superblock_media, roll[1].state, 3),
	WRONG(superblock_media, roll[1].size_blocks, 0),
	WRONG(superblock_media, roll[1].size_blocks, UINT64_MAX),
};

START_TEST(superblock_refuses_wrong_fields)
{
	superblock_media *sb = good_superblock();

	make_wrong(sb, &wrong_superblocks[_i]);
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EUCLEAN);
	free(sb);
}
END_TEST

START_TEST(superblock_refuses_a_member_listed_twice)
{
	superblock_media *sb = good_superblock();

	memset(sb->roll[1].uuid, 0x22, 16);
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), -EUCLEAN);
	sb->roll[1].state = ROLL_REMOVED;
	superblock_seal(sb);
	ck_assert_int_eq(superblock_check(sb, DEVICE_BYTES), 0);
	free(sb);
}
END_TEST

static char *good_device(superblock_media **first, superblock_media **second)
{
	char *base = calloc(DEVICE_BLOCKS, BLOCK_BYTES);
	superblock_media *sb = good_superblock();

	ck_assert_ptr_nonnull(base);
	*first = (void *)base;
	*second = (void *)(base + superblock_second_offset(sb->size_blocks));
	**first = **second = *sb;
	free(sb);
	return base;
}

START_TEST(pick_takes_the_higher_sequence)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	second->sequence++;
	superblock_seal(second);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(!damaged);
	free(base);
}
END_TEST

START_TEST(pick_survives_either_copy)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	memset(first, 0, sizeof(*first));
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(damaged);
	*first = *second;
	second->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	ck_assert(damaged);
	first->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 -EUCLEAN);
	memset(base, 0, DEVICE_BYTES);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 -ENODATA);
	free(base);
}
END_TEST

START_TEST(pick_finds_the_second_copy_of_a_part_of_the_device)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	first->size_blocks = DEVICE_BLOCKS - 8;
	superblock_seal(first);
	memset(second, 0, sizeof(*second));
	second = (void *)(base + superblock_second_offset(first->size_blocks));
	*second = *first;
	first->sequence++;
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, second);
	ck_assert(damaged);
	free(base);
}
END_TEST

START_TEST(pick_prefers_a_new_filesystem_to_an_old_copy)
{
	superblock_media *first, *second;
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;

	memset(first->fs_uuid, 0x44, 16);
	superblock_seal(first);
	second->sequence = 100;
	second->incompat = 1;
	superblock_seal(second);
	ck_assert_int_eq(superblock_pick(base, DEVICE_BYTES, &out, &damaged),
			 0);
	ck_assert_ptr_eq(out, first);
	ck_assert(damaged);
	free(base);
}
END_TEST

START_TEST(superblock_survives_random_damage)
{
	superblock_media *first, *second, *saved = good_superblock();
	const superblock_media *out;
	char *base = good_device(&first, &second);
	bool damaged;
	int i;

	for (i = 0; i < MUTATIONS; i++) {
		*first = *saved;
		*second = *saved;
		mutate((void *)first, i % 2 ? 512 : sizeof(*first));
		if (rand() % 2 == 0)
			superblock_seal(first);
		if (rand() % 4 == 0) {
			mutate((void *)second, 512);
			superblock_seal(second);
		}
		if (superblock_pick(base, DEVICE_BYTES, &out, &damaged) == 0)
			ck_assert(superblock_check(out, DEVICE_BYTES) == 0);
	}
	free(saved);
	free(base);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("superblock");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, superblock_passes_once_sealed);
	tcase_add_test(rules, superblock_refuses_any_changed_byte);
	tcase_add_test(rules, superblock_refuses_unknown_features);
	tcase_add_loop_test(rules, superblock_refuses_wrong_fields, 0,
			    COUNT(wrong_superblocks));
	tcase_add_test(rules, superblock_refuses_a_member_listed_twice);
	tcase_add_test(rules, pick_takes_the_higher_sequence);
	tcase_add_test(rules, pick_survives_either_copy);
	tcase_add_test(rules,
		       pick_finds_the_second_copy_of_a_part_of_the_device);
	tcase_add_test(rules, pick_prefers_a_new_filesystem_to_an_old_copy);
	tcase_add_test(rules, superblock_survives_random_damage);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
