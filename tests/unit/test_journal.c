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
	return tests;
}

static TCase *block_rules(void)
{
	TCase *tests = tcase_create("blocks");

	tcase_add_test(tests,
		       freed_data_is_allocatable_when_the_commit_returns);
	tcase_add_test(tests, freed_metadata_waits_for_the_checkpoint);
	tcase_add_test(tests, no_space_waits_no_longer_than_a_checkpoint);
	tcase_add_test(tests, frees_without_a_record_keep_to_the_same_rule);
	tcase_add_test(tests, too_many_waiting_frees_force_a_checkpoint);
	return tests;
}

static TCase *costs(void)
{
	TCase *tests = tcase_create("fences");

	tcase_add_test(tests,
		       a_commit_costs_one_fence_and_with_a_checkpoint_three);
	return tests;
}

static TCase *losses(void)
{
	TCase *tests = tcase_create("stop and loss");

	tcase_add_test(
		tests,
		a_stopped_journal_refuses_commits_and_can_be_checkpointed);
	tcase_add_test(
		tests,
		a_device_that_fails_under_a_record_answers_eio_and_applies_nothing);
	tcase_add_test(tests, a_device_that_fails_in_a_checkpoint_answers_eio);
	return tests;
}

static TCase *thread_rules(void)
{
	TCase *tests = tcase_create("threads");

	tcase_add_test(tests,
		       two_threads_commit_and_replay_makes_the_same_homes);
	return tests;
}

int main(void)
{
	TCase *cases[] = { transactions(), block_rules(), costs(), losses(),
			   thread_rules() };
	Suite *suite = suite_create("journal");
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
