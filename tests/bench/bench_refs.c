/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_refs: what a reference costs, and what taking a device back costs
 *
 *   bench_refs [--json]
 *
 * First table: nanoseconds of CPU that one thread needs for a pair (get and
 * put, enter and exit, insert and delete), alone and beside a second thread:
 * CPU time, so that others on the machine disturb less. Second table:
 * microseconds from kill to confirm, and from there until the device is known
 * to be idle, under each policy and for devices of several sizes.
 */
#include "dax/entry_table.h"
#include "dax/percpu_ref.h"
#include "dax/pgmap.h"
#include "dax/read_side.h"
#include "util/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 2
#define UNIT PGMAP_PMD_PAGES
#define NPAGES (THREADS_MAX * 2 * UNIT)
#define REPEATS 3 /* the best counts: others use the machine, too */
#define POLICIES 3

/* What the workers share. */
static _Atomic int64_t shared;
static struct percpu_ref ref;
static struct pgmap *pgmaps[POLICIES]; /* by policy; also device index */

struct worker {
	const struct bench *bench;
	pthread_barrier_t *barrier;
	unsigned number;
	struct entry_table table;
	int64_t elapsed_ns;
};

typedef void op_fn(struct worker *worker, uint64_t turns);

struct bench {
	const char *name;
	op_fn *op;
	uint64_t turns;
	unsigned pairs; /* in a turn */
	enum pgmap_policy policy;
};

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "bench_refs: %s\n", strerror(-err));
	exit(EXIT_FAILURE);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) ? -errno : 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void empty_section(struct worker *worker, uint64_t turns)
{
	while (turns-- > 0) {
		read_side_enter();
		__asm__ volatile("" ::: "memory");
		read_side_exit();
	}
}

static void one_atomic(struct worker *worker, uint64_t turns)
{
	while (turns-- > 0) {
		atomic_fetch_add_explicit(&shared, 1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&shared, 1, memory_order_acq_rel);
	}
}

static void ref_get_put(struct worker *worker, uint64_t turns)
{
	while (turns-- > 0) {
		percpu_ref_get(&ref);
		percpu_ref_put(&ref);
	}
}

static void ref_tryget_live_put(struct worker *worker, uint64_t turns)
{
	while (turns-- > 0) {
		if (!percpu_ref_tryget_live(&ref))
			abort();
		percpu_ref_put(&ref);
	}
}

static struct pgmap *pgmap_of(const struct worker *worker)
{
	return pgmaps[worker->bench->policy];
}

static void gate(struct worker *worker, uint64_t turns)
{
	while (turns-- > 0) {
		must(pgmap_gate_enter(pgmap_of(worker)));
		pgmap_gate_exit(pgmap_of(worker));
	}
}

/* Each thread in a unit of its own: idle → busy → idle. */
static void folio(struct worker *worker, uint64_t turns)
{
	uint64_t page = worker->number * 2 * UNIT + 1;

	while (turns-- > 0) {
		must(pgmap_get_live(pgmap_of(worker), page, 0));
		pgmap_put(pgmap_of(worker), page, 0);
	}
}

static void delete_all(struct worker *worker)
{
	if (entry_table_delete_range(&worker->table, 0, UINT64_MAX,
				     ENTRY_OF_ALL) < 0)
		abort();
}

static struct entry_new place_of(const struct worker *worker)
{
	return (struct entry_new){ .kind = ENTRY_REAL,
				   .holder = ENTRY_KERNEL,
				   .device = worker->bench->policy,
				   .device_page = worker->number * 2 * UNIT };
}

static void entry_page(struct worker *worker, uint64_t turns)
{
	struct entry_new new = place_of(worker);

	/* One that stays: what is measured is an entry, not a table. */
	new.device_page++;
	must(entry_table_fill(&worker->table, 1, &new));
	new.device_page++;
	while (turns-- > 0) {
		must(entry_table_fill(&worker->table, 2, &new));
		if (entry_table_delete_range(&worker->table, 2, 2,
					     ENTRY_OF_ALL) != 1)
			abort();
	}
	delete_all(worker);
}

/* 256 pages in one call, as a kernel fill of 1 MiB comes. */
static void entry_run(struct worker *worker, uint64_t turns)
{
	struct entry_new new = place_of(worker);

	while (turns-- > 0) {
		must(entry_table_fill_run(&worker->table, 0, 256, &new, NULL));
		delete_all(worker);
	}
}

static void entry_pmd(struct worker *worker, uint64_t turns)
{
	struct entry_new new = place_of(worker);

	new.device_page += UNIT;
	while (turns-- > 0) {
		must(entry_table_fill_run(&worker->table, 0, UNIT, &new, NULL));
		delete_all(worker);
	}
}

static const struct bench benches[] = {
	{ "empty read-side section", empty_section, 5000000, 1, 0 },
	{ "one shared atomic, get+put", one_atomic, 2000000, 1, 0 },
	{ "percpu_ref, get+put", ref_get_put, 2000000, 1, 0 },
	{ "percpu_ref, tryget_live+put", ref_tryget_live_put, 2000000, 1, 0 },
	{ "gate, enter+exit", gate, 1000000, 1, PGMAP_COUNTER },
	{ "folio, get+put: counter", folio, 500000, 1, PGMAP_COUNTER },
	{ "folio, get+put: flag", folio, 500000, 1, PGMAP_FLAG },
	{ "folio, get+put: mount", folio, 500000, 1, PGMAP_MOUNT },
	{ "entry, insert+delete: counter", entry_page, 200000, 1,
	  PGMAP_COUNTER },
	{ "entry, insert+delete: flag", entry_page, 200000, 1, PGMAP_FLAG },
	{ "entry, insert+delete: mount", entry_page, 200000, 1, PGMAP_MOUNT },
	{ "entry in a run of 256, per page", entry_run, 1000, 256,
	  PGMAP_COUNTER },
	{ "order-9 entry, insert+delete", entry_pmd, 100000, 1, PGMAP_COUNTER },
};
#define BENCHES (sizeof(benches) / sizeof(benches[0]))

static void *work(void *arg)
{
	struct worker *worker = arg;
	int64_t start;

	worker->bench->op(worker, 100); /* warm */
	pthread_barrier_wait(worker->barrier);
	start = thread_cpu_ns();
	worker->bench->op(worker, worker->bench->turns);
	worker->elapsed_ns = thread_cpu_ns() - start;
	return NULL;
}

static double measure_once(const struct bench *bench, unsigned threads)
{
	struct worker workers[THREADS_MAX] = { 0 };
	pthread_t ids[THREADS_MAX];
	pthread_barrier_t barrier;
	double sum_ns = 0;

	must(-pthread_barrier_init(&barrier, NULL, threads));
	for (unsigned i = 0; i < threads; i++) {
		workers[i].bench = bench;
		workers[i].barrier = &barrier;
		workers[i].number = i;
		must(entry_table_init(&workers[i].table, pgmaps));
		must(-pthread_create(&ids[i], NULL, work, &workers[i]));
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		entry_table_fini(&workers[i].table);
		sum_ns += (double)workers[i].elapsed_ns;
	}
	pthread_barrier_destroy(&barrier);
	return sum_ns / threads / (double)(bench->turns * bench->pairs);
}

static double measure(const struct bench *bench, unsigned threads)
{
	double best = measure_once(bench, threads);

	for (int i = 1; i < REPEATS; i++) {
		double again = measure_once(bench, threads);

		if (again < best)
			best = again;
	}
	return best;
}

struct removal_cost {
	double confirm_us;
	double idle_us;
};

static struct removal_cost measure_removal(uint64_t npages,
					   enum pgmap_policy policy)
{
	struct removal_cost cost;
	struct pgmap *pgmap;
	int64_t start, confirmed;

	must(pgmap_create(&pgmap, npages, policy, NULL, NULL));
	/* one page of every 64th unit used once: its unit stays split */
	for (uint64_t page = 0; page < npages; page += 64 * UNIT) {
		must(pgmap_get_live(pgmap, page, 0));
		pgmap_put(pgmap, page, 0);
	}
	start = clock_monotonic_ns();
	must(pgmap_kill(pgmap));
	confirmed = clock_monotonic_ns();
	must(pgmap_wait_idle(pgmap, DEADLINE_NEVER));
	cost.confirm_us = (double)(confirmed - start) / 1000;
	cost.idle_us = (double)(clock_monotonic_ns() - confirmed) / 1000;
	pgmap_destroy(pgmap);
	return cost;
}

static const unsigned sizes_gib[] = { 1, 64, 1024 };
#define SIZES (sizeof(sizes_gib) / sizeof(sizes_gib[0]))

static void print_pairs(bool json)
{
	if (!json)
		printf("%-34s %10s %10s\n", "nanoseconds a pair", "1 thread",
		       "2 threads");
	for (unsigned i = 0; i < BENCHES; i++) {
		double one = measure(&benches[i], 1);
		double two = measure(&benches[i], 2);

		if (json)
			printf("%s{\"name\":\"%s\",\"threads_1_ns\":%.2f,"
			       "\"threads_2_ns\":%.2f}",
			       i ? "," : "", benches[i].name, one, two);
		else
			printf("%-34s %10.1f %10.1f\n", benches[i].name, one,
			       two);
		fflush(stdout);
	}
}

static void print_removals(bool json)
{
	if (!json)
		printf("\n%-34s %10s %10s\n", "microseconds, unused device",
		       "confirm", "idle");
	for (unsigned i = 0; i < SIZES * POLICIES; i++) {
		enum pgmap_policy policy = (enum pgmap_policy)(i % POLICIES);
		unsigned gib = sizes_gib[i / POLICIES];
		struct removal_cost cost = measure_removal((uint64_t)gib << 18,
							   policy);

		if (json)
			printf("%s{\"policy\":\"%s\",\"size_gib\":%u,"
			       "\"confirm_us\":%.1f,\"idle_us\":%.1f}",
			       i ? "," : "", pgmap_policy_name(policy), gib,
			       cost.confirm_us, cost.idle_us);
		else
			printf("%-8s %4u GiB %31.1f %10.1f\n",
			       pgmap_policy_name(policy), gib, cost.confirm_us,
			       cost.idle_us);
	}
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && !strcmp(argv[1], "--json");

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: bench_refs [--json]\n");
		return 2;
	}
	must(percpu_ref_init(&ref, NULL, NULL));
	for (int i = 0; i < POLICIES; i++)
		must(pgmap_create(&pgmaps[i], NPAGES, (enum pgmap_policy)i,
				  NULL, NULL));
	if (json)
		printf("{\"version\":1,\"pairs\":[");
	print_pairs(json);
	if (json)
		printf("],\"removal\":[");
	print_removals(json);
	if (json)
		printf("]}\n");
	for (int i = 0; i < POLICIES; i++)
		pgmap_destroy(pgmaps[i]);
	percpu_ref_fini(&ref);
	return EXIT_SUCCESS;
}
