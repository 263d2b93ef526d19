/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/freemap.h"
#include "media/name.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t lineage[16] = { 1, 2, 3 };

START_TEST(freemap_holds_for_its_own_generation_only)
{
	uint64_t blocks = 40000, area = freemap_area_blocks(blocks);
	freemap_media *map = calloc(area, BLOCK_BYTES);

	ck_assert_uint_eq(area, 3);
	map->blocks = blocks;
	map->free_blocks = 77;
	map->generation = 4;
	memcpy(map->lineage, lineage, 16);
	freemap_bitmap(map)[4999] = 0x5a;
	freemap_seal(map);
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage), 0);
	ck_assert_int_eq(freemap_check(map, area, blocks, 5, lineage), -ESTALE);
	ck_assert_int_eq(freemap_check(map, area - 1, blocks, 4, lineage),
			 -EUCLEAN);
	ck_assert_int_eq(freemap_check(map, area, blocks - 1, 4, lineage),
			 -EUCLEAN);
	freemap_bitmap(map)[4999] = 0x5b;
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	map->free_blocks = blocks + 1;
	freemap_seal(map);
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	map->generation = 5;
	ck_assert_int_eq(freemap_check(map, area, blocks, 4, lineage),
			 -EUCLEAN);
	free(map);
}
END_TEST

START_TEST(freemap_area_has_room_for_the_last_bit)
{
	ck_assert_uint_eq(freemap_area_blocks(1), 2);
	ck_assert_uint_eq(freemap_area_blocks(8 * BLOCK_BYTES), 2);
	ck_assert_uint_eq(freemap_area_blocks(8 * BLOCK_BYTES + 1), 3);
}
END_TEST

START_TEST(name_keys_leave_room_for_collisions_and_dots)
{
	char name[16];
	int i;

	for (i = 0; i < 1000; i++) {
		uint64_t key;

		snprintf(name, sizeof(name), "file%d", i);
		key = name_key(42, name, strlen(name));
		ck_assert_uint_ge(key, NAME_KEY_FIRST);
		ck_assert_uint_lt(key, NAME_KEY_END);
		ck_assert_uint_eq(key % NAME_COLLISIONS, 0);
		ck_assert_uint_eq(key, name_key(42, name, strlen(name)));
		ck_assert_uint_ne(key, name_key(43, name, strlen(name)));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("media");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 60);
	tcase_add_test(rules, freemap_holds_for_its_own_generation_only);
	tcase_add_test(rules, freemap_area_has_room_for_the_last_bit);
	tcase_add_test(rules, name_keys_leave_room_for_collisions_and_dots);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
