/* SPDX-License-Identifier: BSD-3-Clause */
/* Every shape of an ACL, right and wrong; what it and a mode make of another.
 */
#include "media/acl.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX ((ACL_BYTES_MAX - sizeof(acl_media)) / 8)

static union {
	acl_media media;
	unsigned char bytes[ACL_BYTES_MAX + 64];
} acl;
static size_t size;

/* "u7 U5 g4 G4 m6 o0": owner, a user, group, a group, mask, others. */
static void make(const char *text)
{
	static const char letters[] = "uUgGmo";
	static const uint16_t tags[] = { ACL_TAG_USER_OBJ,  ACL_TAG_USER,
					 ACL_TAG_GROUP_OBJ, ACL_TAG_GROUP,
					 ACL_TAG_MASK,	    ACL_TAG_OTHER };
	unsigned count = 0;

	acl.media.version = ACL_VERSION;
	for (; *text; text += text[2] ? 3 : 2) {
		const char *letter = strchr(letters, *text);

		ck_assert(letter != NULL);
		acl.media.entries[count++] = (acl_entry_media){
			.tag = tags[letter - letters],
			.perm = (uint16_t)(text[1] - '0'),
			.id = 1000 + count,
		};
	}
	size = sizeof(acl.media) + count * sizeof(acl_entry_media);
}

static int checked(const char *text)
{
	make(text);
	return acl_check(&acl, size);
}

static void is(const char *text)
{
	unsigned char got[sizeof(acl)];

	memcpy(got, &acl, size);
	make(text);
	ck_assert_mem_eq(got, &acl, size);
}

START_TEST(right_shapes_pass)
{
	static const char *const right[] = {
		"u7 g5 o0",
		"u7 g5 m7 o0",
		"u0 g0 o0",
		"u7 U7 g5 m7 o5",
		"u7 U7 U6 g5 m7 o5",
		"u7 g5 G5 m7 o5",
		"u7 U7 g5 G4 G4 m7 o5",
	};

	for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		ck_assert_msg(checked(right[i]) == 0, "%s", right[i]);
}
END_TEST

START_TEST(wrong_shapes_are_refused)
{
	static const char *const wrong[] = {
		"",
		"u7",
		"u7 g5",
		"g5 o0",
		"u7 o0",
		"u7 g5 o0 o0",
		"u7 u7 g5 o0",
		"u7 g5 g5 o0",
		"g5 u7 o0",
		"u7 o0 g5",
		"u7 U7 g5 o0",
		"u7 g5 G5 o0",
		"u7 g5 m7 m7 o0",
		"u7 m7 g5 o0",
		"u7 g5 U7 m7 o0",
		"u7 G5 g5 m7 o0",
		"u7 g5 m7 G5 o0",
		"u8 g5 o0",
		"u7 g9 o0",
		"u7 g5 m8 o0",
		"u7 g5 o0 m7",
		"m7",
		"U7 g5 m7 o0",
	};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(checked(wrong[i]) == -EINVAL, "%s", wrong[i]);
}
END_TEST

START_TEST(sizes_and_versions_are_checked)
{
	size_t cut;

	make("u7 U5 g5 m7 o0");
	for (cut = 0; cut < size; cut++)
		ck_assert_int_eq(acl_check(&acl, cut), -EINVAL);
	ck_assert_int_eq(acl_check(&acl, size + 8), -EINVAL);
	ck_assert_int_eq(acl_check(&acl, ACL_BYTES_MAX + 4), -E2BIG);
	acl.media.version = 1;
	ck_assert_int_eq(acl_check(&acl, size), -EOPNOTSUPP);
	acl.media.version = ACL_VERSION;
	acl.media.entries[0].tag = 0;
	ck_assert_int_eq(acl_check(&acl, size), -EINVAL);
	acl.media.entries[0].tag = 0x40;
	ck_assert_int_eq(acl_check(&acl, size), -EINVAL);
}
END_TEST

START_TEST(the_longest_passes)
{
	unsigned i;

	make("u7");
	for (i = 1; i < ENTRIES_MAX - 3; i++)
		acl.media.entries[i] = (acl_entry_media){ ACL_TAG_USER, 7,
							  1000 + i };
	acl.media.entries[i++] = (acl_entry_media){ ACL_TAG_GROUP_OBJ, 1, 0 };
	acl.media.entries[i++] = (acl_entry_media){ ACL_TAG_MASK, 3, 0 };
	acl.media.entries[i++] = (acl_entry_media){ ACL_TAG_OTHER, 1, 0 };
	size = sizeof(acl.media) + i * sizeof(acl_entry_media);
	ck_assert_uint_eq(size, 4092);
	ck_assert_int_eq(acl_check(&acl, size), 0);
}
END_TEST

START_TEST(a_mode_is_owner_mask_and_others)
{
	uint32_t mode = 0102000;

	make("u6 g4 o0");
	ck_assert(acl_to_mode(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0102640);
	make("u7 g4 m6 o1");
	ck_assert(!acl_to_mode(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0102761);
	make("u7 U7 g5 G6 m2 o1");
	ck_assert(!acl_to_mode(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0102721);
}
END_TEST

START_TEST(chmod_changes_the_mask_where_there_is_one)
{
	make("u7 g4 o1");
	acl_chmod(&acl.media, size, 0100635);
	is("u6 g3 o5");
	make("u7 U7 g4 G6 m6 o1");
	acl_chmod(&acl.media, size, 0100652);
	is("u6 U7 g4 G6 m5 o2");
}
END_TEST

START_TEST(a_new_inode_has_what_both_grant)
{
	uint32_t mode = 0102666;

	make("u7 g5 o5");
	ck_assert(acl_inherit(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0102644);
	is("u6 g4 o4");
	mode = 0100666;
	make("u6 U7 g7 m7 o2");
	ck_assert(!acl_inherit(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0100662);
	is("u6 U7 g7 m6 o2");
	mode = 0040700;
	make("u7 U7 g7 G7 m7 o7");
	ck_assert(!acl_inherit(&acl.media, size, &mode));
	ck_assert_uint_eq(mode, 0040700);
	is("u7 U7 g7 G7 m0 o0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("acl");
	TCase *tc = tcase_create("acl");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, right_shapes_pass);
	tcase_add_test(tc, wrong_shapes_are_refused);
	tcase_add_test(tc, sizes_and_versions_are_checked);
	tcase_add_test(tc, the_longest_passes);
	tcase_add_test(tc, a_mode_is_owner_mask_and_others);
	tcase_add_test(tc, chmod_changes_the_mask_where_there_is_one);
	tcase_add_test(tc, a_new_inode_has_what_both_grant);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
