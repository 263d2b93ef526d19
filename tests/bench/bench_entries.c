/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_entries: leases as the device's account sees them
 *
 *   bench_entries [--quick]
 *
 * A million entries of order 0, each held by a lease, are put in and deleted
 * again; and references are looked up (page → entry → its folio, one get, one
 * put), by one thread and by two, in a table each and in the same one. One line
 * of JSON: every round's figure, after one that is not counted.
 */
#include "dax/entry_table.h"
#include "dax/pgmap.h"
#include "dax/read_side.h"
#include "load.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLION UINT64_C(1000000)
#define ROUNDS 9
#define ROUNDS_QUICK 3
#define THREADS_MAX 2
#define TABLE_PAGES UINT64_C(65536) /* a file of 256 MiB */
#define LOOKUPS UINT64_C(500000)    /* a thread and round */

static struct pgmap *pgmap;

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "bench_entries: %s\n", strerror(-err));
	exit(EXIT_FAILURE);
}

/* A page later on the device than a 2 MiB page wants it: order 0 all over. */
static void fill(struct entry_table *table, uint64_t npages, uint64_t device)
{
	struct entry_new new = { .kind = ENTRY_REAL,
				 .holder = ENTRY_LEASE,
				 .device_page = device + 1 };

	must(entry_table_fill_run(table, 0, npages, &new, NULL));
	if (entry_table_count(table) != npages)
		must(-EINVAL);
}

static void delete_all(struct entry_table *table, uint64_t npages)
{
	if (entry_table_delete_range(table, 0, UINT64_MAX, ENTRY_OF_LEASES) !=
	    (int64_t)npages)
		must(-EINVAL);
}

static double million_deleted(double *insert_ms)
{
	struct entry_table table;
	int64_t start, full, end;

	must(entry_table_init(&table, &pgmap));
	start = clock_monotonic_ns();
	fill(&table, MILLION, 0);
	full = clock_monotonic_ns();
	delete_all(&table, MILLION);
	end = clock_monotonic_ns();
	entry_table_fini(&table);
	*insert_ms = (double)(full - start) / 1e6;
	return (double)(end - full) / 1e6;
}

struct finder {
	struct entry_table *table;
	pthread_barrier_t *barrier;
	uint64_t random;
	int64_t start_ns, end_ns;
};

/* What a fault or a request does that finds its page mapped already. */
static void look_up(struct finder *finder)
{
	uint64_t index = xorshift(&finder->random) % TABLE_PAGES;
	struct entry_info info;

	read_side_enter();
	if (!entry_lookup(finder->table, index, &info))
		must(-ENOENT);
	must(pgmap_get_live(pgmap, info.device_page, 0));
	read_side_exit();
	pgmap_put(pgmap, info.device_page, 0);
}

static void *find(void *arg)
{
	struct finder *finder = arg;
	uint64_t i;

	for (i = 0; i < LOOKUPS / 10; i++)
		look_up(finder);
	pthread_barrier_wait(finder->barrier);
	finder->start_ns = clock_monotonic_ns();
	for (i = 0; i < LOOKUPS; i++)
		look_up(finder);
	finder->end_ns = clock_monotonic_ns();
	return NULL;
}

/* Millions a second, of all threads: from the first start to the last end. */
static double lookups(struct entry_table *tables, unsigned threads, bool shared)
{
	struct finder finders[THREADS_MAX];
	int64_t start = INT64_MAX, end = 0;
	pthread_t ids[THREADS_MAX];
	pthread_barrier_t barrier;
	unsigned i;

	must(-pthread_barrier_init(&barrier, NULL, threads));
	for (i = 0; i < threads; i++) {
		finders[i] = (struct finder){ .table = &tables[shared ? 0 : i],
					      .barrier = &barrier,
					      .random = 88172645463325252 + i };
		must(-pthread_create(&ids[i], NULL, find, &finders[i]));
	}
	for (i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		if (finders[i].start_ns < start)
			start = finders[i].start_ns;
		if (finders[i].end_ns > end)
			end = finders[i].end_ns;
	}
	pthread_barrier_destroy(&barrier);
	return (double)(LOOKUPS * threads) / (double)(end - start) * 1e3;
}

static void print(const char *name, const double *figures, unsigned rounds,
		  const char *end)
{
	unsigned i;

	printf("\"%s\":[", name);
	for (i = 0; i < rounds; i++)
		printf("%s%.3f", i ? "," : "", figures[i]);
	printf("]%s", end);
}

int main(int argc, char **argv)
{
	bool quick = argc == 2 && !strcmp(argv[1], "--quick");
	unsigned rounds = quick ? ROUNDS_QUICK : ROUNDS;
	struct entry_table tables[THREADS_MAX];
	double figures[5][ROUNDS + 1];
	unsigned i;

	if (argc > 1 && !quick) {
		fprintf(stderr, "usage: bench_entries [--quick]\n");
		return 2;
	}
	must(pgmap_create(&pgmap, MILLION + PGMAP_PMD_PAGES, PGMAP_COUNTER,
			  NULL, NULL));
	for (i = 0; i < THREADS_MAX; i++) {
		must(entry_table_init(&tables[i], &pgmap));
		fill(&tables[i], TABLE_PAGES, i * TABLE_PAGES);
	}
	for (i = 0; i <= rounds; i++) { /* round 0 warms up */
		figures[2][i] = lookups(tables, 1, false);
		figures[3][i] = lookups(tables, 2, false);
		figures[4][i] = lookups(tables, 2, true);
	}
	for (i = 0; i < THREADS_MAX; i++) {
		delete_all(&tables[i], TABLE_PAGES);
		entry_table_fini(&tables[i]);
	}
	for (i = 0; i <= rounds; i++)
		figures[1][i] = million_deleted(&figures[0][i]);
	pgmap_destroy(pgmap);
	printf("{\"version\":1,");
	print("insert_ms", figures[0] + 1, rounds, ",");
	print("delete_ms", figures[1] + 1, rounds, ",");
	print("lookups_1", figures[2] + 1, rounds, ",");
	print("lookups_2", figures[3] + 1, rounds, ",");
	print("lookups_2_shared", figures[4] + 1, rounds, "}\n");
	return EXIT_SUCCESS;
}
