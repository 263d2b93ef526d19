/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases under everything at once: clients that take, pin and give back, the
 * kernel that fills, writers and punches that need what is leased. Nobody may
 * hang, nothing may leak, and no page may be under both.
 */
#include "lib/device_fixture.h"
#include "lib/file_fixture.h"

#include "core/lease.h"
#include "core/survey.h"
#include "dax/pgmap.h"
#include "util/clock.h"

#include <check.h>
#include <errno.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define PAGES 1200 /* so that there are order-9 entries */
#define CLIENTS 3
#define KEPT 8 /* leases at a time */
#define RECALLS 4096
#define RUN_NS (2 * NS_PER_S)

struct range {
	uint64_t id, first, last;
};

struct client {
	struct lease_client core;
	pthread_mutex_t lock;
	struct range recalls[RECALLS]; /* around and around */
	unsigned head, tail;
	struct range leases[KEPT];
	uint64_t pin;
	unsigned seed;
	uint64_t granted, recalled, pinned;
};

static struct client clients[CLIENTS];
static _Atomic bool stop;
static _Atomic uint64_t operations;

/* ---------------------------------------------------------------- a client */

static void on_recall(void *arg, struct lease_client *of_core, uint64_t id,
		      uint64_t first, uint64_t last, unsigned device)
{
	struct client *client = (struct client *)of_core;

	pthread_mutex_lock(&client->lock);
	client->recalls[client->head++ % RECALLS] = (struct range){ id, first,
								    last };
	ck_assert_uint_le(client->head - client->tail, RECALLS);
	pthread_mutex_unlock(&client->lock);
}

static const struct lease_ops ops = { .recall = on_recall };

static bool next_recall(struct client *client, struct range *out)
{
	bool any;

	pthread_mutex_lock(&client->lock);
	any = client->head != client->tail;
	if (any)
		*out = client->recalls[client->tail++ % RECALLS];
	pthread_mutex_unlock(&client->lock);
	return any;
}

static void unpin(struct client *client)
{
	if (client->pin)
		ck_assert_int_eq(
			lease_unpin(core.fs, &client->core, client->pin), 0);
	client->pin = 0;
}

static void answer_recalls(struct client *client)
{
	struct range range;

	while (next_recall(client, &range)) {
		int64_t done = lease_return(core.fs, &client->core, range.id,
					    range.first, range.last);

		client->recalled++;
		if (done == -EBUSY) { /* pinned since: asked for again */
			unpin(client);
			done = lease_return(core.fs, &client->core, range.id,
					    range.first, range.last);
		}
		ck_assert_int_ge(done, 0);
	}
}

static void take(struct client *client, struct request *request,
		 struct range *range, struct lease_grant *grant)
{
	const struct lease_want want = {
		.first = (uint64_t)rand_r(&client->seed) % PAGES,
		.npages = 1 + (uint64_t)rand_r(&client->seed) % 700,
		.writable = rand_r(&client->seed) % 2,
	};
	int err = lease_grant(request, &client->core, fixture.file, &want,
			      grant);

	/* Somebody changes it, or needs it. */
	ck_assert_msg(err == 0 || err == -EAGAIN || err == -EBUSY, "grant: %d",
		      err);
	if (err)
		return;
	*range = (struct range){ grant->id, grant->first, grant->last };
	client->granted++;
}

static void give(struct client *client, struct range *range)
{
	uint64_t middle = range->first +
			  (uint64_t)rand_r(&client->seed) %
				  (range->last - range->first + 1);
	int64_t done;

	unpin(client);
	done = lease_return(core.fs, &client->core, range->id, middle,
			    range->last);
	ck_assert_int_ge(done, 0);
	if (middle == range->first)
		range->id = 0;
	else
		range->last = middle - 1;
}

static void pin(struct client *client, struct request *request,
		const struct range *range)
{
	int err;

	if (client->pin)
		return;
	err = lease_pin(request, &client->core, range->id, range->first,
			range->last, &client->pin);
	ck_assert_msg(err == 0 || err == -EAGAIN || err == -ENOENT, "pin: %d",
		      err);
	if (err)
		client->pin = 0;
	else
		client->pinned++;
}

static void *client_thread(void *arg)
{
	struct lease_grant *grant = malloc(sizeof(*grant));
	struct client *client = arg;
	struct request request;
	struct lease_gone gone;

	ck_assert_ptr_nonnull(grant);
	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	while (!atomic_load(&stop)) {
		struct range *range =
			&client->leases[rand_r(&client->seed) % KEPT];
		int what = rand_r(&client->seed) % 16;

		answer_recalls(client);
		if (what == 15) {
			lease_client_gone(core.fs, &client->core,
					  LEASE_NO_DEVICE, &gone);
			memset(client->leases, 0, sizeof(client->leases));
			client->pin = 0;
		} else if (!range->id) {
			take(client, &request, range, grant);
		} else if (what < 4) {
			pin(client, &request, range);
		} else if (what == 4) {
			unpin(client);
		} else if (what < 7) {
			ck_assert_int_le(lease_sync(&request, &client->core,
						    range->id, range->first,
						    range->last),
					 0);
		} else {
			give(client, range);
		}
		atomic_fetch_add(&operations, 1);
	}
	lease_client_gone(core.fs, &client->core, LEASE_NO_DEVICE, &gone);
	request_thread_fini(&request);
	free(grant);
	return NULL;
}

/* --------------------------------------------------- who is in their way */

struct waiting {
	struct lease_break core;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void on_done(struct lease_break *of_core, int err)
{
	struct waiting *waiting = (struct waiting *)of_core;

	ck_assert_int_eq(err, 0);
	pthread_mutex_lock(&waiting->lock);
	waiting->done = true;
	pthread_cond_signal(&waiting->cond);
	pthread_mutex_unlock(&waiting->lock);
}

typedef int operation_fn(struct request *request, uint64_t page,
			 uint64_t npages);

/* As a front does it: a request that ends, a break, and from scratch. */
static void operate(struct request *request, operation_fn *fn, uint64_t page,
		    uint64_t npages)
{
	struct waiting waiting = { .core = { .ino = fixture.file->ino,
					     .first = page,
					     .last = page + npages - 1,
					     .done = on_done },
				   .lock = PTHREAD_MUTEX_INITIALIZER,
				   .cond = PTHREAD_COND_INITIALIZER };
	bool breaking = false;
	int err;

	for (;;) {
		ck_assert_int_eq(request_begin(request, "operation",
					       fixture.file->ino, 1, false),
				 0);
		err = fn(request, page, npages);
		request_end(request);
		/* Once it is broken nothing else is in the way. */
		ck_assert(err == 0 || (err == -EBUSY && !breaking));
		if (!err)
			break;
		breaking = true;
		err = lease_break_start(core.fs, &waiting.core);
		ck_assert(err == 0 || err == -EINPROGRESS);
		if (err == 0)
			continue;
		pthread_mutex_lock(&waiting.lock);
		while (!waiting.done)
			pthread_cond_wait(&waiting.cond, &waiting.lock);
		pthread_mutex_unlock(&waiting.lock);
	}
	if (breaking)
		lease_break_end(core.fs, &waiting.core);
}

static int do_punch(struct request *request, uint64_t page, uint64_t npages)
{
	return file_fallocate(request, fixture.file, PUNCH,
			      (off_t)(page * 4096), (off_t)(npages * 4096));
}

static int do_write(struct request *request, uint64_t page, uint64_t npages)
{
	static const char bytes[4096 * 8] = "written";
	size_t length = 4096 * (npages < 8 ? npages : 8);
	ssize_t done = file_write(request, fixture.file, bytes, length,
				  (off_t)(page * 4096), false);

	return done < 0 ? (int)done : 0;
}

static int do_fill(struct request *request, uint64_t page, uint64_t npages)
{
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	size_t length = 4096 * (npages < 32 ? npages : 32);
	ssize_t done = file_fill(request, fixture.file, length,
				 (off_t)(page * 4096), iov, &count);

	return done < 0 ? (int)done : 0;
}

static void *operation_thread(void *arg)
{
	static operation_fn *const fns[] = { do_punch, do_write, do_fill };
	struct request request;
	unsigned seed = (unsigned)(uintptr_t)arg;

	ck_assert_int_eq(request_thread_init(core.fs, &request), 0);
	while (!atomic_load(&stop)) {
		uint64_t page = (uint64_t)rand_r(&seed) % PAGES;
		uint64_t npages = 1 + (uint64_t)rand_r(&seed) % 40;

		if (npages > PAGES - page)
			npages = PAGES - page;
		operate(&request, fns[rand_r(&seed) % 3], page, npages);
		atomic_fetch_add(&operations, 1);
	}
	request_thread_fini(&request);
	return NULL;
}

/* What is asked for by getattr and by the operator meanwhile. */
static void count_info(const struct lease_info *info, void *arg)
{
	++*(unsigned *)arg;
}

static void *question_thread(void *arg)
{
	while (!atomic_load(&stop)) {
		unsigned count = 0;
		struct stat attr;

		attr_get(core.fs, fixture.file, &attr);
		lease_for_each(core.fs, count_info, &count);
		survey_associations(core.fs, 0);
		usleep(100);
	}
	return NULL;
}

static void check_ledger(void)
{
	struct pgmap *map = core.fs->devices[0].pgmap;
	uint64_t walked;
	uint64_t folios = pgmap_active_folios_walk(map, &walked);

	ck_assert_uint_eq(survey_associations(core.fs, 0), walked);
	ck_assert_int_eq(pgmap_references(map) - pgmap_gates(map), folios);
	ck_assert_int_eq(pgmap_stat(map, PGMAP_LEASES), 0);
	ck_assert_int_eq(pgmap_stat(map, PGMAP_PINS), 0);
}

START_TEST(all_at_once)
{
	pthread_t of_clients[CLIENTS], of_operations[2], of_questions;
	uint64_t granted = 0, recalled = 0, pinned = 0;

	fixture_make();
	core_format(1, "64M");
	core_mount(1);
	lease_set_ops(core.fs, &ops, NULL);
	fixture_open_file("file", true);
	ck_assert_int_eq(fixture_truncate(PAGES * 4096), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_mutex_init(&clients[i].lock, NULL);
		clients[i].core.pid = (pid_t)(100 + i);
		clients[i].seed = i + 1;
		ck_assert_int_eq(pthread_create(&of_clients[i], NULL,
						client_thread, &clients[i]),
				 0);
	}
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&of_operations[i], NULL,
						operation_thread,
						(void *)(uintptr_t)(i + 77)),
				 0);
	ck_assert_int_eq(
		pthread_create(&of_questions, NULL, question_thread, NULL), 0);
	usleep(RUN_NS / 1000);
	atomic_store(&stop, true);
	/* Who waits for a break waits for the clients' end. */
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(of_clients[i], NULL);
		granted += clients[i].granted;
		recalled += clients[i].recalled;
		pinned += clients[i].pinned;
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(of_operations[i], NULL);
	pthread_join(of_questions, NULL);
	printf("# %ju operations, %ju leases, %ju recalls, %ju pins\n",
	       (uintmax_t)operations, (uintmax_t)granted, (uintmax_t)recalled,
	       (uintmax_t)pinned);
	ck_assert_uint_gt(granted, 10);
	ck_assert_uint_gt(recalled, 10);
	ck_assert_uint_gt(pinned, 10);
	check_ledger();
	fixture_close_file();
	core_unmount();
	core_fsck(1);
	fixture_remove();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lease threads");
	TCase *threads = tcase_create("threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(threads, 60);
	tcase_add_test(threads, all_at_once);
	suite_add_tcase(suite, threads);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
