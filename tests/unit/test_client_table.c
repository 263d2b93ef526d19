/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's table of segments against a plain array of pages, its sections,
 * and its copies. */
#include "client/copy.h"
#include "client/section.h"
#include "client/table.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 512ul
#define BASE 0x10000000ul

/* The table's mappings; here only their references count. */
struct mapping {
	int refs;
};

static struct mapping mappings[4];
static struct table table;

/* What the model says of a page: whose, and which page of the file; 0: none. */
static int owner[PAGES];
static uint64_t offset_of[PAGES];

static void check_against_model(void)
{
	int refs[4] = { 0 };
	size_t page = 0;

	for (size_t i = 0; i < table.count; i++) {
		const struct segment *segment = table.segment[i];
		long who = segment->mapping - mappings;

		refs[who]++;
		ck_assert_uint_lt(segment->start, segment->end);
		while (page < (segment->start - BASE) / PAGE)
			ck_assert_int_eq(owner[page++], 0);
		for (uintptr_t at = segment->start; at < segment->end;
		     at += PAGE, page++) {
			ck_assert_int_eq(owner[page], who + 1);
			ck_assert_uint_eq(segment->offset +
						  (at - segment->start),
					  offset_of[page]);
		}
	}
	while (page < PAGES)
		ck_assert_int_eq(owner[page++], 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(mappings[i].refs, refs[i]);
	for (page = 0; page < PAGES; page++) {
		const struct segment *segment =
			table_at(&table, BASE + page * PAGE + page % PAGE);

		ck_assert_int_eq(segment != NULL, owner[page] != 0);
	}
}

static void remove_range(size_t first, size_t count)
{
	uintptr_t start = BASE + first * PAGE, end = start + count * PAGE;
	size_t from, to;

	ck_assert_int_eq(table_cut(&table, start, end), 0);
	from = to = table_find(&table, start);
	while (to < table.count && table.segment[to]->start < end)
		to++;
	table_remove(&table, from, to - from);
	memset(&owner[first], 0, count * sizeof(owner[0]));
}

START_TEST(random_maps_and_unmaps_agree_with_a_plain_array)
{
	srandom((unsigned int)_i + 1);
	for (int step = 0; step < 2000; step++) {
		size_t first = (size_t)random() % PAGES;
		size_t count = 1 + (size_t)random() % 40;
		int who = (int)(random() % 4);
		uint64_t offset = ((uint64_t)random() % 1000) * PAGE;
		struct segment segment = { .mapping = &mappings[who],
					   .offset = offset };

		if (first + count > PAGES)
			count = PAGES - first;
		remove_range(first, count);
		if (random() % 3) {
			segment.start = BASE + first * PAGE;
			segment.end = segment.start + count * PAGE;
			ck_assert_int_eq(table_insert(&table, &segment), 0);
			for (size_t i = 0; i < count; i++) {
				owner[first + i] = who + 1;
				offset_of[first + i] = offset + i * PAGE;
			}
		}
		if (step % 20 == 0)
			check_against_model();
	}
	remove_range(0, PAGES);
	check_against_model();
	free(table.segment);
}
END_TEST

/* --------------------------------------------------------------- sections */

static atomic_int phase;

static void *stay_inside(void *arg)
{
	bool nested, inner;

	ck_assert(section_enter(&nested));
	ck_assert(!nested);
	ck_assert(section_enter(&inner));
	ck_assert(inner);
	section_leave(inner); /* the outer one still holds */
	atomic_store(&phase, 1);
	while (atomic_load(&phase) < 2)
		usleep(100);
	section_leave(nested);
	atomic_store(&phase, 3);
	/* and in again: that is nobody's business who waits */
	ck_assert(section_enter(&nested));
	while (atomic_load(&phase) < 4)
		usleep(100);
	section_leave(nested);
	return NULL;
}

START_TEST(a_snapshot_waits_for_those_inside_and_for_no_later_ones)
{
	struct section_wait before, wait;
	pthread_t thread;

	ck_assert_int_eq(section_snapshot(&before), 0);
	ck_assert(section_passed(&before));
	pthread_create(&thread, NULL, stay_inside, NULL);
	while (atomic_load(&phase) < 1)
		usleep(100);
	ck_assert_int_eq(section_snapshot(&wait), 0);
	ck_assert(!section_passed(&wait));
	atomic_store(&phase, 2);
	while (atomic_load(&phase) < 3)
		usleep(100);
	ck_assert(section_passed(&wait));
	atomic_store(&phase, 4);
	pthread_join(thread, NULL);
}
END_TEST

/* ----------------------------------------------------------------- copies */

START_TEST(a_copy_is_exact_at_every_alignment_and_length)
{
	static unsigned char from[2048], to[2048], model[2048];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t at = 0; at < 130; at += 3)
		for (size_t skip = 0; skip < 9; skip++)
			for (size_t length = 0; length < 700; length += 13) {
				memset(to, 0, sizeof(to));
				memset(model, 0, sizeof(model));
				copy_in(to + at, from + skip, length);
				copy_fence();
				memcpy(model + at, from + skip, length);
				ck_assert_mem_eq(to, model, sizeof(to));
			}
}
END_TEST

void mapping_hold(struct mapping *mapping)
{
	mapping->refs++;
}

void mapping_drop(struct mapping *mapping)
{
	mapping->refs--;
}

void client_kick(void);
void client_kick(void)
{
}

int main(void)
{
	Suite *suite = suite_create("client table");
	TCase *tcase = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
		tcase, random_maps_and_unmaps_agree_with_a_plain_array, 0, 8);
	tcase_add_test(tcase,
		       a_snapshot_waits_for_those_inside_and_for_no_later_ones);
	tcase_add_test(tcase, a_copy_is_exact_at_every_alignment_and_length);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
