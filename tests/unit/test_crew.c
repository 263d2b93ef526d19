/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse/crew.h"

#include "util/clock.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define MANY 600
#define SOON_MS 5000

/* Requests are bytes in a pipe: what each asks of the thread that serves it. */
#define QUICK 'q'
#define SLOW 's'  /* takes some CREW_SLOW_US */
#define WAITS 'w' /* until go is posted */

static struct world {
	struct crew crew;
	int queue[2];
	sem_t go;
	atomic_int served;
	atomic_int waiting;
	pthread_t threads[THREADS];
} world;

static void serve(char request)
{
	if (request == SLOW)
		usleep(4 * CREW_SLOW_US);
	if (request == WAITS) {
		atomic_fetch_add(&world.waiting, 1);
		sem_wait(&world.go);
		atomic_fetch_sub(&world.waiting, 1);
	}
	atomic_fetch_add(&world.served, 1);
}

static void take_part(struct crew_member *member)
{
	char request;

	do {
		crew_reading(member);
		if (read(world.queue[0], &request, 1) != 1) {
			crew_end(&world.crew);
			return;
		}
		crew_received(&world.crew, member, world.queue[0]);
		serve(request);
	} while (crew_served(&world.crew, member));
}

static void *thread_main(void *arg)
{
	if (crew_join(&world.crew))
		take_part(arg);
	return NULL;
}

static void start(unsigned int processors)
{
	ck_assert_int_eq(crew_init(&world.crew, THREADS, processors), 0);
	ck_assert_int_eq(pipe(world.queue), 0);
	ck_assert_int_eq(sem_init(&world.go, 0, 0), 0);
	atomic_store(&world.served, 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&world.threads[i], NULL,
						thread_main,
						&world.crew.members[i]),
				 0);
}

/* The queue ends: who reads it leaves, and sends the others home. */
static void finish(void)
{
	close(world.queue[1]);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(world.threads[i], NULL), 0);
	close(world.queue[0]);
	sem_destroy(&world.go);
	crew_fini(&world.crew);
}

static void request(char what, int count)
{
	while (count-- > 0)
		ck_assert_int_eq(write(world.queue[1], &what, 1), 1);
}

static bool becomes(atomic_int *value, int wanted)
{
	int64_t end = clock_monotonic_ns() + SOON_MS * NS_PER_MS;

	while (atomic_load(value) != wanted) {
		if (clock_monotonic_ns() > end)
			return false;
		usleep(200);
	}
	return true;
}

START_TEST(a_client_that_waits_for_each_answer_calls_nobody_in)
{
	start(64);
	for (int i = 1; i <= MANY; i++) {
		request(QUICK, 1);
		ck_assert(becomes(&world.served, i));
	}
	/* A second only if the first lost its processor for a tick. */
	ck_assert_uint_le(crew_active(&world.crew), 2);
	finish();
}
END_TEST

START_TEST(a_queue_of_slow_requests_calls_all_and_calm_parks_them)
{
	start(1);
	request(SLOW, MANY);
	ck_assert(becomes(&world.served, MANY));
	ck_assert_uint_gt(crew_active(&world.crew), 1);
	for (int i = 1; crew_active(&world.crew) > 1; i++) {
		ck_assert_int_lt(i, 10 * MANY);
		request(QUICK, 1);
		ck_assert(becomes(&world.served, MANY + i));
	}
	finish();
}
END_TEST

START_TEST(when_all_wait_another_takes_over)
{
	start(1);
	for (int i = 1; i < THREADS; i++) {
		request(WAITS, 1);
		ck_assert(becomes(&world.waiting, i));
		request(QUICK, 1);
		ck_assert(becomes(&world.served, i));
	}
	for (int i = 1; i < THREADS; i++)
		sem_post(&world.go);
	ck_assert(becomes(&world.served, 2 * (THREADS - 1)));
	finish();
}
END_TEST

START_TEST(a_watcher_that_fell_asleep_is_woken)
{
	const struct timespec idle = { .tv_nsec = 600 * NS_PER_MS };

	start(1);
	nanosleep(&idle, NULL);
	ck_assert(atomic_load(&world.crew.asleep));
	request(WAITS, 1);
	ck_assert(becomes(&world.waiting, 1));
	request(QUICK, 1);
	ck_assert(becomes(&world.served, 1));
	sem_post(&world.go);
	ck_assert(becomes(&world.served, 2));
	finish();
}
END_TEST

START_TEST(the_end_sends_everybody_home)
{
	start(1);
	crew_end(&world.crew);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crew");
	TCase *rules = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_add_test(rules,
		       a_client_that_waits_for_each_answer_calls_nobody_in);
	tcase_add_test(rules,
		       a_queue_of_slow_requests_calls_all_and_calm_parks_them);
	tcase_add_test(rules, when_all_wait_another_takes_over);
	tcase_add_test(rules, a_watcher_that_fell_asleep_is_woken);
	tcase_add_test(rules, the_end_sends_everybody_home);
	suite_add_tcase(suite, rules);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
