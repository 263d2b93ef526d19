/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/freemap.h"
#include "media/layout.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define MIB_BLOCKS ((UINT64_C(1) << 20) / BLOCK_BYTES)

static superblock_media planned(uint64_t mib, unsigned index)
{
	superblock_media sb = { .size_blocks = mib * MIB_BLOCKS,
				.device_index = (uint16_t)index };

	ck_assert_int_eq(layout_plan(&sb), 0);
	return sb;
}

START_TEST(journal_is_a_share_of_the_device_within_bounds)
{
	ck_assert_uint_eq(planned(16, 0).journal_blocks, MIB_BLOCKS);
	ck_assert_uint_eq(planned(1024, 0).journal_blocks, 8 * MIB_BLOCKS);
	ck_assert_uint_eq(planned(1 << 20, 0).journal_blocks, 32 * MIB_BLOCKS);
}
END_TEST

START_TEST(fixed_areas_follow_one_another_without_overlap)
{
	static const uint64_t sizes[] = { 16, 64, 1000, 1 << 14, 1 << 20 };
	struct layout_area areas[LAYOUT_FIXED_MAX];
	unsigned i, n, size, index;

	for (size = 0; size < 5; size++)
		for (index = 0; index < 2; index++) {
			superblock_media sb = planned(sizes[size], index);

			n = layout_fixed(&sb, areas);
			ck_assert_uint_eq(n, index == 0 ? 5 : 3);
			for (i = 0; i + 2 < n; i++)
				ck_assert_uint_eq(areas[i].start +
							  areas[i].blocks,
						  areas[i + 1].start);
			ck_assert_uint_eq(areas[n - 1].start,
					  sb.size_blocks - 1);
		}
}
END_TEST

START_TEST(only_the_metadata_device_has_a_journal)
{
	superblock_media sb = planned(64, 1);

	ck_assert_uint_eq(sb.journal_blocks, 0);
	ck_assert_uint_eq(sb.freemap_start, 1);
	ck_assert_uint_eq(sb.freemap_blocks,
			  freemap_area_blocks(64 * MIB_BLOCKS));
}
END_TEST

START_TEST(sizes_out_of_bounds_are_refused)
{
	superblock_media sb = { .size_blocks = 16 * MIB_BLOCKS - 1 };

	ck_assert_int_eq(layout_plan(&sb), -ENOSPC);
	sb.size_blocks = (UINT64_C(1) << 36) + 1;
	ck_assert_int_eq(layout_plan(&sb), -ERANGE);
	sb.size_blocks--;
	ck_assert_int_eq(layout_plan(&sb), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layout");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(rules, journal_is_a_share_of_the_device_within_bounds);
	tcase_add_test(rules, fixed_areas_follow_one_another_without_overlap);
	tcase_add_test(rules, only_the_metadata_device_has_a_journal);
	tcase_add_test(rules, sizes_out_of_bounds_are_refused);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
