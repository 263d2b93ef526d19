/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/live.h"

#include "trace/pause.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread struct request thread_request;
static __thread bool has_request;

void live_check(const struct op *op, long answer, long expected)
{
	char text[256];

	if (answer == expected)
		return;
	op_print(op, text, sizeof(text));
	fprintf(stderr, "crash: %s: %s, not %ld\n", text,
		answer < 0 ? strerror((int)-answer) : "short", expected);
	abort();
}

struct request *live_request(struct live *live)
{
	if (!has_request && request_thread_init(live->fs, &thread_request) != 0)
		abort();
	has_request = true;
	return &thread_request;
}

void live_request_done(void)
{
	if (has_request)
		request_thread_fini(&thread_request);
	has_request = false;
}

static void run_one(struct live *live, struct op *ops, unsigned at)
{
	record_mark(EVENT_BEGIN, at);
	op_perform(live, &ops[at]);
	record_mark(EVENT_ANSWER, at);
}

struct worker {
	struct live *live;
	struct op *ops;
	unsigned first, end, thread;
	pthread_t id;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	unsigned i;

	record_thread(worker->thread);
	for (i = worker->first; i < worker->end; i++)
		if (worker->ops[i].thread == worker->thread)
			run_one(worker->live, worker->ops, i);
	live_request_done();
	return NULL;
}

static bool is_alone(const struct op *op)
{
	return op->kind == OP_MOUNT || op->kind == OP_UNMOUNT;
}

/* Others get in where a thread has stored what it has not fenced yet. */
static void let_others(const char *point)
{
	bool long_enough_to_write = strcmp(point, "journal-record-written") ==
				    0;

	if (random() % 4 == 0)
		usleep((useconds_t)(random() %
				    (long_enough_to_write ? 2000 : 300)));
}

/* Thread 0 is ourselves. */
static void run_together(struct live *live, struct op *ops, unsigned first,
			 unsigned end)
{
	struct worker worker[LIVE_THREADS] = { { 0 } };
	bool wanted[LIVE_THREADS] = { false };
	unsigned i;

	for (i = first; i < end; i++)
		wanted[ops[i].thread] = true;
	if (wanted[1])
		pause_set_hook(let_others);
	for (i = 1; i < LIVE_THREADS; i++) {
		worker[i] = (struct worker){ .live = live,
					     .ops = ops,
					     .first = first,
					     .end = end,
					     .thread = i };
		if (wanted[i] &&
		    pthread_create(&worker[i].id, NULL, work, &worker[i]) != 0)
			abort();
	}
	for (i = first; i < end; i++)
		if (ops[i].thread == 0)
			run_one(live, ops, i);
	for (i = 1; i < LIVE_THREADS; i++)
		if (wanted[i])
			pthread_join(worker[i].id, NULL);
	pause_set_hook(NULL);
}

void live_run(struct live *live, struct op *ops, unsigned count)
{
	unsigned first = 0;

	record_thread(0);
	while (first < count) {
		unsigned end = first;

		while (end < count && !is_alone(&ops[end]))
			end++;
		if (end > first)
			run_together(live, ops, first, end);
		else
			run_one(live, ops, end++);
		first = end;
	}
	live->ran += count;
}
