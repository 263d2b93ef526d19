/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait. The session, the leases and the registry of requests are
 * played here: who gives a range back, and when, is for each case to say.
 */
#include "core/fs.h"
#include "core/lease.h"
#include "core/request.h"
#include "dax/removal.h"
#include "fuse/park.h"
#include "fuse/session.h"
#include "util/clock.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGES 64
#define FILL_MS 60
#define BAR_MS 60
#define LATE_MS 300
#define SERVED 1 /* an outcome that is no error */

static struct fs fs;
static struct park *park;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum removal_state device_state;

/* ------------------------------------------------------------- the session */

struct session_kept {
	uint64_t unique;
	size_t bytes;
	struct park_want want; /* of its handler */
	int busy_again;	       /* so often core answers -EBUSY again */
};

static __thread struct session_kept *message; /* being served */
static __thread bool fresh;
static int outcome[MESSAGES]; /* by unique: 0 none yet, SERVED, or an error */
static int kept_count, serving_threads;

struct session_kept *session_keep(void)
{
	struct session_kept *kept = malloc(sizeof(*kept));

	*kept = *message;
	__atomic_add_fetch(&kept_count, 1, __ATOMIC_SEQ_CST);
	return kept;
}

struct session_kept *session_message_kept(void)
{
	return fresh ? NULL : message;
}

uint64_t session_kept_unique(const struct session_kept *kept)
{
	return kept->unique;
}

size_t session_kept_bytes(const struct session_kept *kept)
{
	return kept->bytes;
}

void session_kept_free(struct session_kept *kept)
{
	__atomic_sub_fetch(&kept_count, 1, __ATOMIC_SEQ_CST);
	free(kept);
}

static void answer(uint64_t unique, int value)
{
	pthread_mutex_lock(&lock);
	ck_assert_int_eq(outcome[unique], 0);
	outcome[unique] = value;
	pthread_mutex_unlock(&lock);
}

void session_kept_refuse(const struct session_kept *kept, int error)
{
	answer(kept->unique, error);
}

/* What op_park() does. */
static struct parked *arrive(struct session_kept *kept)
{
	struct request request = { .ino = kept->unique };
	struct parked *parked;
	int err;

	err = park_add(park, &request, &kept->want, &parked);
	if (!err)
		return parked;
	answer(kept->unique, err);
	return NULL;
}

void session_kept_serve(struct session_kept *kept)
{
	struct parked *parked;

	message = kept;
	if (kept->busy_again > 0) {
		kept->busy_again--;
		parked = arrive(kept);
		if (parked)
			park_begin(parked);
	} else {
		answer(kept->unique, SERVED);
	}
	message = NULL;
}

int session_enter(struct session *session)
{
	serving_threads++;
	return 0;
}

void session_leave(void)
{
	serving_threads--;
}

/* -------------------------------------------------- leases, requests, devices
 */

static struct lease_break *breaks[MESSAGES]; /* in force, by inode */
static bool waiting[MESSAGES];
static bool nothing_in_the_way;
static int start_error;

int lease_break_start(struct fs *of, struct lease_break *brk)
{
	pthread_mutex_lock(&lock);
	if (!start_error) {
		ck_assert_ptr_null(breaks[brk->ino]);
		breaks[brk->ino] = brk;
		waiting[brk->ino] = !nothing_in_the_way;
	}
	pthread_mutex_unlock(&lock);
	return start_error	    ? start_error
	       : nothing_in_the_way ? 0
				    : -EINPROGRESS;
}

bool lease_break_cancel(struct fs *of, struct lease_break *brk)
{
	bool cancelled;

	pthread_mutex_lock(&lock);
	cancelled = waiting[brk->ino] || nothing_in_the_way;
	waiting[brk->ino] = false;
	pthread_mutex_unlock(&lock);
	return cancelled;
}

void lease_break_end(struct fs *of, struct lease_break *brk)
{
	pthread_mutex_lock(&lock);
	ck_assert_ptr_eq(breaks[brk->ino], brk);
	ck_assert(!waiting[brk->ino]);
	breaks[brk->ino] = NULL;
	pthread_mutex_unlock(&lock);
}

/* The client has given it back; or never will. */
static bool give_back(uint64_t unique, int err)
{
	struct lease_break *brk = NULL;

	pthread_mutex_lock(&lock);
	if (waiting[unique])
		brk = breaks[unique];
	waiting[unique] = false;
	pthread_mutex_unlock(&lock);
	if (brk)
		brk->done(brk, err);
	return brk;
}

static int shown;

void request_wait_begin(struct fs *of, struct request *request,
			const struct request *like, const char *operation,
			uint64_t devices)
{
	__atomic_add_fetch(&shown, 1, __ATOMIC_SEQ_CST);
}

void request_wait_end(struct request *request)
{
	__atomic_sub_fetch(&shown, 1, __ATOMIC_SEQ_CST);
}

enum removal_state removal_state(const struct removal *removal)
{
	return device_state;
}

/* ---------------------------------------------------------------- the fixture
 */

static void set_up(void)
{
	const struct park_limits limits = { .count = 8,
					    .bytes = 10000,
					    .fill_ms = FILL_MS,
					    .late_ms = LATE_MS,
					    .bar_ms = BAR_MS };

	memset(outcome, 0, sizeof(outcome));
	nothing_in_the_way = false;
	start_error = 0;
	device_state = DEVICE_LIVE;
	for (int i = 0; i < 3; i++) /* 0 has the metadata */
		fs.devices[i].removal = (struct removal *)&fs;
	ck_assert_int_eq(park_create(&park, &fs, NULL, &limits), 0);
	ck_assert_int_eq(park_start(park), 0);
	ck_assert_int_eq(serving_threads, 1);
}

static void tear_down(void)
{
	park_stop(park);
	park_destroy(park);
	ck_assert_int_eq(serving_threads, 0);
	ck_assert_int_eq(kept_count, 0);
	ck_assert_int_eq(shown, 0);
	for (int i = 0; i < MESSAGES; i++)
		ck_assert_ptr_null(breaks[i]);
}

/* A message comes and core answers -EBUSY. Its unique is its inode, too. */
static struct parked *come(struct session_kept *kept)
{
	struct parked *parked;

	message = kept;
	fresh = true;
	parked = arrive(kept);
	message = NULL;
	fresh = false;
	return parked;
}

static void comes(uint64_t unique, enum park_kind kind)
{
	struct session_kept kept = { .unique = unique,
				     .bytes = 100,
				     .want = { .kind = kind, .devices = 2 } };
	struct parked *parked = come(&kept);

	if (parked)
		park_begin(parked);
}

static int look(uint64_t unique)
{
	int now;

	pthread_mutex_lock(&lock);
	now = outcome[unique];
	pthread_mutex_unlock(&lock);
	return now;
}

/* Within five seconds; 0: still none. */
static int outcome_of(uint64_t unique)
{
	for (int i = 0; i < 5000 && !look(unique); i++)
		usleep(1000);
	return look(unique);
}

static bool waits(uint64_t unique)
{
	usleep(3 * FILL_MS * 1000);
	return look(unique) == 0;
}

/* ------------------------------------------------------------------ the cases
 */

START_TEST(what_waits_is_served_again_when_its_range_is_free)
{
	comes(1, PARK_CHANGE);
	comes(2, PARK_WRITE);
	ck_assert_int_eq(shown, 2);
	ck_assert(waits(1));
	ck_assert(give_back(2, 0));
	ck_assert_int_eq(outcome_of(2), SERVED);
	ck_assert_int_eq(look(1), 0);
	ck_assert(give_back(1, 0));
	ck_assert_int_eq(outcome_of(1), SERVED);
}
END_TEST

START_TEST(what_has_gone_meanwhile_is_served_again)
{
	nothing_in_the_way = true;
	comes(1, PARK_CHANGE);
	ck_assert_int_eq(outcome_of(1), SERVED);
}
END_TEST

START_TEST(busy_again_is_parked_again)
{
	struct session_kept kept = { .unique = 1,
				     .bytes = 100,
				     .want = { .kind = PARK_CHANGE },
				     .busy_again = 3 };

	park_begin(come(&kept));
	for (int i = 0; i < 4; i++) {
		int tries = 0;

		while (!give_back(1, 0) && tries++ < 5000)
			usleep(1000);
	}
	ck_assert_int_eq(outcome_of(1), SERVED);
}
END_TEST

START_TEST(busy_for_no_visible_reason_ends)
{
	struct session_kept kept = { .unique = 1,
				     .bytes = 100,
				     .want = { .kind = PARK_CHANGE },
				     .busy_again = 1000000 };

	nothing_in_the_way = true;
	park_begin(come(&kept));
	ck_assert_int_eq(outcome_of(1), -EBUSY);
}
END_TEST

START_TEST(a_lease_that_cannot_be_had_back_is_an_error)
{
	comes(1, PARK_CHANGE);
	comes(2, PARK_FILL);
	ck_assert(give_back(1, -EBUSY));
	ck_assert(give_back(2, -EBUSY));
	ck_assert_int_eq(outcome_of(1), -EBUSY);
	ck_assert_int_eq(outcome_of(2), -EIO);
}
END_TEST

START_TEST(without_a_door_it_is_an_error_at_once)
{
	start_error = -EBUSY;
	comes(1, PARK_WRITE);
	comes(2, PARK_FILL);
	ck_assert_int_eq(outcome_of(1), -EBUSY);
	ck_assert_int_eq(outcome_of(2), -EIO);
}
END_TEST

START_TEST(an_interrupt_ends_the_one_it_names)
{
	comes(1, PARK_CHANGE);
	comes(2, PARK_CHANGE);
	ck_assert(!park_interrupt(park, 3));
	ck_assert(park_interrupt(park, 2));
	ck_assert_int_eq(outcome_of(2), -EINTR);
	ck_assert(!give_back(2, 0)); /* it was cancelled */
	ck_assert(!park_interrupt(park, 2));
	ck_assert(waits(1));
	ck_assert(give_back(1, 0));
	ck_assert_int_eq(outcome_of(1), SERVED);
}
END_TEST

START_TEST(an_interrupt_before_the_break_is_kept_in_mind)
{
	struct session_kept kept = { .unique = 1,
				     .bytes = 100,
				     .want = { .kind = PARK_WRITE } };
	struct parked *parked = come(&kept);

	ck_assert(park_interrupt(park, 1));
	ck_assert(waits(1)); /* libfuse has not let go of it */
	park_begin(parked);
	ck_assert_int_eq(outcome_of(1), -EINTR);
}
END_TEST

START_TEST(a_fill_hears_no_interrupt_and_has_a_deadline)
{
	int64_t began = clock_monotonic_ns();

	comes(1, PARK_FILL);
	ck_assert(park_interrupt(park, 1));
	ck_assert_int_eq(outcome_of(1), -EIO);
	ck_assert_int_ge(clock_monotonic_ns() - began, FILL_MS * NS_PER_MS);
}
END_TEST

/* The kernel reads ahead first, and then the page alone. */
START_TEST(a_fault_waits_once_for_its_two_fills)
{
	comes(1, PARK_FILL);
	comes(2, PARK_CHANGE);
	ck_assert_int_eq(outcome_of(1), -EIO);
	outcome[1] = 0;
	comes(1, PARK_FILL);
	ck_assert_int_eq(look(1), -EIO);
	comes(3, PARK_FILL); /* another inode */
	ck_assert_int_eq(look(3), 0);
	outcome[1] = 0;
	comes(1, PARK_WRITE);
	ck_assert(waits(1));
	ck_assert(give_back(1, 0));
	ck_assert_int_eq(outcome_of(1), SERVED);
	usleep(LATE_MS * 1000);
	outcome[1] = 0;
	comes(1, PARK_FILL);
	ck_assert_int_eq(look(1), 0);
}
END_TEST

/* Else a lease that comes and goes keeps a fault waiting for good. */
START_TEST(a_fill_that_is_busy_again_has_the_same_deadline)
{
	struct session_kept kept = { .unique = 1,
				     .bytes = 100,
				     .want = { .kind = PARK_FILL },
				     .busy_again = 1000000 };
	int64_t began = clock_monotonic_ns();

	park_begin(come(&kept));
	while (!look(1) && clock_monotonic_ns() - began < 5 * NS_PER_S) {
		give_back(1, 0);
		usleep(FILL_MS * 1000 / 4);
	}
	ck_assert_int_eq(look(1), -EIO);
}
END_TEST

START_TEST(a_device_that_blocks_fails_what_waits_for_it)
{
	comes(1, PARK_CHANGE);
	comes(2, PARK_CHANGE);
	park_fail_device(park, 2);
	ck_assert(waits(1));
	park_fail_device(park, 1);
	ck_assert_int_eq(outcome_of(1), -EIO);
	ck_assert_int_eq(outcome_of(2), -EIO);
	comes(3, PARK_CHANGE);
	park_fail_device(park, 0); /* the metadata's is everybody's */
	ck_assert_int_eq(outcome_of(3), -EIO);
	device_state = DEVICE_BLOCKING;
	comes(4, PARK_CHANGE);
	ck_assert_int_eq(look(4), -EIO);
}
END_TEST

START_TEST(a_removals_notification_finds_nothing_parked)
{
	struct park_bar bar;

	comes(1, PARK_CHANGE);
	comes(2, PARK_CHANGE);
	park_bar(park, &bar, 1, true);
	ck_assert_int_eq(outcome_of(1), -EIO);
	outcome[1] = 0;
	comes(1, PARK_FILL);
	ck_assert_int_eq(look(1), -EIO);
	park_unbar(park, &bar);
	outcome[1] = 0;
	comes(1, PARK_CHANGE);
	ck_assert(waits(1));
	ck_assert_int_eq(look(2), 0);
}
END_TEST

START_TEST(any_other_notification_waits_for_a_size_change_a_while)
{
	struct park_bar bar, other;

	comes(1, PARK_CHANGE);
	comes(2, PARK_CHANGE);
	comes(3, PARK_WRITE);
	park_bar(park, &bar, 3, false);
	park_bar(park, &other, 1, false);
	usleep(BAR_MS * 1000 / 4);
	ck_assert_int_eq(look(1), 0);
	ck_assert_int_eq(outcome_of(1), -EBUSY);
	ck_assert(waits(2));
	ck_assert_int_eq(look(3), 0);
	park_unbar(park, &bar);
	park_unbar(park, &other);
}
END_TEST

START_TEST(a_short_notification_costs_a_size_change_nothing)
{
	struct park_bar bar;

	comes(1, PARK_CHANGE);
	park_bar(park, &bar, 1, false);
	park_unbar(park, &bar);
	ck_assert(waits(1));
}
END_TEST

START_TEST(there_is_room_for_so_many)
{
	for (uint64_t i = 1; i <= 10; i++)
		comes(i, i % 2 ? PARK_CHANGE : PARK_FILL);
	ck_assert_int_eq(look(9), -EBUSY);
	ck_assert_int_eq(look(10), -EIO);
	ck_assert(give_back(1, 0));
	ck_assert_int_eq(outcome_of(1), SERVED);
	comes(11, PARK_CHANGE);
	ck_assert(waits(11));
}
END_TEST

START_TEST(there_is_room_for_so_many_bytes)
{
	struct session_kept large = { .unique = 1,
				      .bytes = 6000,
				      .want = { .kind = PARK_WRITE } };
	struct parked *parked = come(&large);

	large.unique = 2;
	ck_assert_ptr_null(come(&large));
	ck_assert_int_eq(look(2), -EBUSY);
	park_begin(parked);
	ck_assert(park_interrupt(park, 1));
	ck_assert_int_eq(outcome_of(1), -EINTR);
	large.unique = 3;
	park_begin(come(&large));
	ck_assert(waits(3));
}
END_TEST

START_TEST(the_end_drops_what_waits_without_an_answer)
{
	comes(1, PARK_CHANGE);
	comes(2, PARK_FILL);
	park_stop(park);
	ck_assert_int_eq(look(1), 0);
	ck_assert_int_eq(look(2), 0);
	comes(3, PARK_CHANGE);
	ck_assert_int_eq(look(3), -EBUSY);
}
END_TEST

static void *gives_back(void *arg)
{
	for (int round = 0; round < 20000; round++)
		give_back((uint64_t)(1 + round % 8), 0);
	return NULL;
}

static void *interrupts(void *arg)
{
	for (int round = 0; round < 20000; round++)
		park_interrupt(park, (uint64_t)(1 + round % 8));
	return NULL;
}

/* Each gets one answer (answer() looks), each break one end. */
START_TEST(whoever_comes_first_answers)
{
	pthread_t giver, interrupter;

	pthread_create(&giver, NULL, gives_back, NULL);
	pthread_create(&interrupter, NULL, interrupts, NULL);
	for (int round = 0; round < 2000; round++) {
		uint64_t unique = (uint64_t)(1 + round % 8);

		comes(unique, PARK_CHANGE);
		while (!look(unique)) {
			if (round > 1000) /* the threads may have ended */
				park_interrupt(park, unique);
			give_back(unique, 0);
		}
		pthread_mutex_lock(&lock);
		ck_assert(outcome[unique] == SERVED ||
			  outcome[unique] == -EINTR);
		outcome[unique] = 0;
		pthread_mutex_unlock(&lock);
	}
	pthread_join(giver, NULL);
	pthread_join(interrupter, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("park");
	TCase *tcase = tcase_create("park");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase,
		       what_waits_is_served_again_when_its_range_is_free);
	tcase_add_test(tcase, what_has_gone_meanwhile_is_served_again);
	tcase_add_test(tcase, busy_again_is_parked_again);
	tcase_add_test(tcase, busy_for_no_visible_reason_ends);
	tcase_add_test(tcase, a_lease_that_cannot_be_had_back_is_an_error);
	tcase_add_test(tcase, without_a_door_it_is_an_error_at_once);
	tcase_add_test(tcase, an_interrupt_ends_the_one_it_names);
	tcase_add_test(tcase, an_interrupt_before_the_break_is_kept_in_mind);
	tcase_add_test(tcase, a_fill_hears_no_interrupt_and_has_a_deadline);
	tcase_add_test(tcase, a_fault_waits_once_for_its_two_fills);
	tcase_add_test(tcase, a_fill_that_is_busy_again_has_the_same_deadline);
	tcase_add_test(tcase, a_device_that_blocks_fails_what_waits_for_it);
	tcase_add_test(tcase, a_removals_notification_finds_nothing_parked);
	tcase_add_test(tcase,
		       any_other_notification_waits_for_a_size_change_a_while);
	tcase_add_test(tcase, a_short_notification_costs_a_size_change_nothing);
	tcase_add_test(tcase, there_is_room_for_so_many);
	tcase_add_test(tcase, there_is_room_for_so_many_bytes);
	tcase_add_test(tcase, the_end_drops_what_waits_without_an_answer);
	tcase_add_test(tcase, whoever_comes_first_answers);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
