/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/inode.h"
#include "media/node.h"

#include "mutate.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MUTATIONS 100000

static inode_media good_inode(unsigned format)
{
	static const unsigned modes[] = { S_IFIFO, S_IFLNK, S_IFREG, S_IFDIR };
	inode_media inode = { .ino = 5,
			      .format = format,
			      .mode = modes[format] | 0644,
			      .nlink = 1 };

	if (format == INODE_INLINE)
		inode.size = 10;
	if (format == INODE_EXTENTS)
		node_init((node_media *)inode.area, INODE_AREA_BYTES, 0,
			  TREE_EXTENTS);
	if (format == INODE_ENTRIES)
		node_init((node_media *)inode.area, INODE_AREA_BYTES, 0,
			  TREE_ENTRIES);
	inode_media_seal(&inode);
	return inode;
}

START_TEST(inode_passes_once_sealed)
{
	inode_media inode = good_inode(_i);

	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	ck_assert_int_eq(inode_media_check(&inode, 6), -EUCLEAN);
}
END_TEST

START_TEST(inode_refuses_any_changed_byte)
{
	inode_media inode = good_inode(INODE_EXTENTS);
	size_t i;

	for (i = 0; i < sizeof(inode); i++) {
		((char *)&inode)[i] ^= 0x80;
		ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
		((char *)&inode)[i] ^= 0x80;
	}
}
END_TEST

START_TEST(inode_slot_may_be_free_or_never_taken)
{
	inode_media inode = { 0 };

	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	inode.ino = 5;
	inode.generation = 3;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), 0);
	inode.generation = 4;
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

static const struct wrong wrong_inodes[] = {
	WRONG(inode_media, format, INODE_NOTHING),
	WRONG(inode_media, format, INODE_ENTRIES),
	WRONG(inode_media, format, 4),
	WRONG(inode_media, mode, S_IFDIR | 0755),
	WRONG(inode_media, mode, 0644),
	WRONG(inode_media, mode, S_IFREG | 0200000),
	WRONG(inode_media, size, (UINT64_C(1) << 60) + 1),
	WRONG(inode_media, atime_ns, 1000000000),
	WRONG(inode_media, mtime_ns, 1000000000),
	WRONG(inode_media, ctime_ns, 1000000000),
	WRONG(inode_media, btime_ns, UINT32_MAX),
	WRONG(inode_media, pending_start, 2),
	WRONG(inode_media, pending_end, (UINT64_C(1) << 60) + 1),
	WRONG(inode_media, xattr_root, 5),
	WRONG(inode_media, xattr_root, UINT64_C(5) << ADDR_DEVICE_SHIFT),
	WRONG(inode_media, xattr_root, (UINT64_C(64) << 48) + BLOCK_BYTES),
	WRONG(inode_media, home_device, ADDR_DEVICES_MAX),
	WRONG(inode_media, area[0], 0),
	WRONG(inode_media, area[3], TREE_ENTRIES),
	WRONG(inode_media, area[4], 1),
};

START_TEST(inode_refuses_wrong_fields)
{
	inode_media inode = good_inode(INODE_EXTENTS);

	inode.pending_end = 1;
	make_wrong(&inode, &wrong_inodes[_i]);
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

START_TEST(the_root_is_a_directory_and_no_orphan)
{
	inode_media inode = good_inode(INODE_EXTENTS);

	inode.ino = INO_ROOT;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, INO_ROOT), -EUCLEAN);
	inode = good_inode(INODE_ENTRIES);
	inode.ino = INO_ROOT;
	inode.mode = S_IFDIR | 0755;
	inode.nlink = 2;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, INO_ROOT), 0);
	inode.nlink = 0;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, INO_ROOT), -EUCLEAN);
}
END_TEST

START_TEST(inode_refuses_pending_work_without_extents)
{
	inode_media inode = good_inode(INODE_INLINE);

	inode.pending_end = 1;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

START_TEST(inode_refuses_sizes_its_format_cannot_hold)
{
	inode_media inode = good_inode(INODE_INLINE);

	inode.size = INODE_AREA_BYTES + 1;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
	inode = good_inode(INODE_NOTHING);
	inode.size = 1;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
	inode = good_inode(INODE_EXTENTS);
	inode.mode = S_IFLNK | 0777;
	inode.size = 4096;
	inode_media_seal(&inode);
	ck_assert_int_eq(inode_media_check(&inode, 5), -EUCLEAN);
}
END_TEST

START_TEST(inode_survives_random_damage)
{
	inode_media *inode = malloc(sizeof(*inode));
	inode_media good[4];
	int i;

	ck_assert_ptr_nonnull(inode);
	for (i = 0; i < 4; i++)
		good[i] = good_inode(i);
	for (i = 0; i < MUTATIONS; i++) {
		*inode = good[i % 4];
		mutate((void *)inode, sizeof(*inode));
		if (i % 8 < 7)
			inode_media_seal(inode);
		if (inode_media_check(inode, 5) == 0 &&
		    inode->format == INODE_INLINE && inode->mode != 0)
			ck_assert_uint_le(inode->size, INODE_AREA_BYTES);
	}
	free(inode);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inode on the media");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	srand(1);
	tcase_set_timeout(rules, 60);
	tcase_add_loop_test(rules, inode_passes_once_sealed, 0, 4);
	tcase_add_test(rules, inode_refuses_any_changed_byte);
	tcase_add_test(rules, inode_slot_may_be_free_or_never_taken);
	tcase_add_loop_test(rules, inode_refuses_wrong_fields, 0,
			    COUNT(wrong_inodes));
	tcase_add_test(rules, the_root_is_a_directory_and_no_orphan);
	tcase_add_test(rules, inode_refuses_pending_work_without_extents);
	tcase_add_test(rules, inode_refuses_sizes_its_format_cannot_hold);
	tcase_add_test(rules, inode_survives_random_damage);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
