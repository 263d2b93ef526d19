/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/crc32c.h"
#include "util/deadline.h"
#include "util/size.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

START_TEST(crc_of_the_check_string_is_the_published_one)
{
	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
}
END_TEST

START_TEST(crc_chains)
{
	ck_assert_uint_eq(crc32c(crc32c(0, "1234", 4), "56789", 5),
			  0xe3069283u);
}
END_TEST

START_TEST(crc_skips_its_own_field)
{
	char one[16] = "abcdefghijklmno", two[16] = "abcdXXXXijklmno";

	ck_assert_uint_eq(crc32c_skipping(one, 16, 4),
			  crc32c_skipping(two, 16, 4));
	two[9] ^= 1;
	ck_assert_uint_ne(crc32c_skipping(one, 16, 4),
			  crc32c_skipping(two, 16, 4));
}
END_TEST

START_TEST(never_does_not_expire_or_overflow)
{
	ck_assert(!deadline_passed(DEADLINE_NEVER));
	ck_assert(!deadline_passed(deadline_in(-1)));
	ck_assert(!deadline_passed(deadline_in(INT64_MAX)));
}
END_TEST

START_TEST(wait_times_out_with_the_mutex_held)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t monotonic;
	pthread_cond_t cond;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&cond, &monotonic);
	pthread_mutex_lock(&mutex);
	while (deadline_wait(deadline_in(1), &cond, &mutex) != -ETIMEDOUT)
		;
	ck_assert_int_eq(pthread_mutex_trylock(&mutex), EBUSY);
	pthread_mutex_unlock(&mutex);
}
END_TEST

START_TEST(sizes_take_powers_of_1024)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(size_parse("4096", &bytes), 0);
	ck_assert_uint_eq(bytes, 4096);
	ck_assert_int_eq(size_parse("64M", &bytes), 0);
	ck_assert_uint_eq(bytes, 64u << 20);
	ck_assert_int_eq(size_parse("2t", &bytes), 0);
	ck_assert_uint_eq(bytes, UINT64_C(2) << 40);
}
END_TEST

START_TEST(sizes_refuse_what_is_none)
{
	static const char *const bad[] = { "",	  "M",	  "-1", "+1",
					   " 1M", "1.5G", "1X", "1MB" };
	uint64_t bytes;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(size_parse(bad[i], &bytes), -EINVAL);
	ck_assert_int_eq(size_parse("8388608T", &bytes), -ERANGE);
	ck_assert_int_eq(size_parse("99999999999999999999", &bytes), -ERANGE);
}
END_TEST

START_TEST(sizes_read_back_as_people_write_them)
{
	char text[SIZE_TEXT_BYTES];

	ck_assert_str_eq(size_text(0, text), "0");
	ck_assert_str_eq(size_text(1023, text), "1023");
	ck_assert_str_eq(size_text(64u << 20, text), "64M");
	ck_assert_str_eq(size_text(1536, text), "1.5K");
	ck_assert_str_eq(size_text(UINT64_MAX, text), "16777215.9T");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("util");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(rules, crc_of_the_check_string_is_the_published_one);
	tcase_add_test(rules, crc_chains);
	tcase_add_test(rules, crc_skips_its_own_field);
	tcase_add_test(rules, never_does_not_expire_or_overflow);
	tcase_add_test(rules, wait_times_out_with_the_mutex_held);
	tcase_add_test(rules, sizes_take_powers_of_1024);
	tcase_add_test(rules, sizes_refuse_what_is_none);
	tcase_add_test(rules, sizes_read_back_as_people_write_them);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
