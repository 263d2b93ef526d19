/* SPDX-License-Identifier: BSD-3-Clause */
/* A pgmap's life: from create over the kill to the release; gates; numbers. */
#include "dax/pgmap_private.h"

#include "dax/read_side.h"
#include "trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Static_assert(PGMAP_STATS <= PERCPU_WORDS, "one line a CPU holds them all");

static const char *const policy_names[] = {
	[PGMAP_COUNTER] = "counter",
	[PGMAP_FLAG] = "flag",
	[PGMAP_MOUNT] = "mount",
};
#define POLICIES (sizeof(policy_names) / sizeof(policy_names[0]))

const char *pgmap_policy_name(enum pgmap_policy policy)
{
	assert((size_t)policy < POLICIES);
	return policy_names[policy];
}

int pgmap_policy_of_name(const char *name, enum pgmap_policy *out)
{
	for (size_t i = 0; i < POLICIES; i++) {
		if (strcmp(name, policy_names[i]) != 0)
			continue;
		*out = (enum pgmap_policy)i;
		return 0;
	}
	return -EINVAL;
}

/* In the thread of the last put, inside its read-side section. */
static void released(struct percpu_ref *ref, void *arg)
{
	struct pgmap *pgmap = arg;

	TRACE1(pgmap_release, pgmap);
	if (pgmap->release)
		pgmap->release(pgmap, pgmap->arg);
	atomic_store(&pgmap->released, true);
	pgmap_wake(pgmap);
}

static int init_locks(struct pgmap *pgmap)
{
	pthread_condattr_t monotonic;
	int err = pthread_condattr_init(&monotonic);

	if (err)
		return -err;
	err = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(&pgmap->idle_cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (err)
		return -err;
	pthread_mutex_init(&pgmap->idle_lock, NULL);
	pthread_mutex_init(&pgmap->split_lock, NULL);
	pthread_mutex_init(&pgmap->hold_lock, NULL);
	return 0;
}

static void fini_locks(struct pgmap *pgmap)
{
	pthread_mutex_destroy(&pgmap->hold_lock);
	pthread_mutex_destroy(&pgmap->split_lock);
	pthread_mutex_destroy(&pgmap->idle_lock);
	pthread_cond_destroy(&pgmap->idle_cond);
}

int pgmap_create(struct pgmap **out, uint64_t npages, enum pgmap_policy policy,
		 pgmap_release_fn *release, void *arg)
{
	struct pgmap *pgmap;
	int err = -ENOMEM;

	if (npages > PGMAP_PAGES_MAX)
		return -EFBIG;
	pgmap = calloc(1, sizeof(*pgmap));
	if (!pgmap)
		return -ENOMEM;
	pgmap->policy = policy;
	pgmap->npages = npages;
	pgmap->nunits = (npages + PGMAP_PMD_PAGES - 1) >> PGMAP_ORDER_PMD;
	pgmap->release = release;
	pgmap->arg = arg;
	/* All zero: whole and idle. Untouched pages of it cost no memory. */
	pgmap->units = calloc(pgmap->nunits + 1, sizeof(*pgmap->units));
	pgmap->stats = percpu_alloc();
	if (!pgmap->units || !pgmap->stats)
		goto out_memory;
	err = init_locks(pgmap);
	if (err)
		goto out_memory;
	err = percpu_ref_init(&pgmap->ref, released, pgmap);
	if (err)
		goto out_locks;
	percpu_ref_get(&pgmap->ref);
	atomic_store(&pgmap->held, true);
	*out = pgmap;
	return 0;

out_locks:
	fini_locks(pgmap);
out_memory:
	free(pgmap->stats);
	free(pgmap->units);
	free(pgmap);
	return err;
}

/* The pgmap's own: the initial one until the kill, and the hold. */
static int own_references(const struct pgmap *pgmap)
{
	return !percpu_ref_is_dying(&pgmap->ref) + atomic_load(&pgmap->held);
}

void pgmap_destroy(struct pgmap *pgmap)
{
	if (!pgmap)
		return;
	assert(percpu_ref_read(&pgmap->ref) == own_references(pgmap));
	percpu_ref_fini(&pgmap->ref); /* a grace period: the last put is out */
	for (uint64_t i = 0; i < pgmap->nunits; i++)
		free(atomic_load(&pgmap->units[i].counts));
	fini_locks(pgmap);
	free(pgmap->stats);
	free(pgmap->units);
	free(pgmap);
}

uint64_t pgmap_npages(const struct pgmap *pgmap)
{
	return pgmap->npages;
}

enum pgmap_policy pgmap_policy(const struct pgmap *pgmap)
{
	return pgmap->policy;
}

/* Counted while the reference is held: gates never exceed references. */
int pgmap_gate_enter(struct pgmap *pgmap)
{
	if (!percpu_ref_tryget_live(&pgmap->ref))
		return -ENXIO;
	pgmap_account(pgmap, PGMAP_GATES, 1);
	return 0;
}

int pgmap_gate_enter_draining(struct pgmap *pgmap)
{
	if (!percpu_ref_tryget(&pgmap->ref))
		return -ENXIO;
	pgmap_account(pgmap, PGMAP_GATES, 1);
	return 0;
}

void pgmap_gate_exit(struct pgmap *pgmap)
{
	pgmap_account(pgmap, PGMAP_GATES, -1);
	percpu_ref_put(&pgmap->ref);
}

static void confirmed(struct percpu_ref *ref, void *arg)
{
	TRACE1(pgmap_confirm, arg);
}

int pgmap_kill(struct pgmap *pgmap)
{
	TRACE1(pgmap_kill, pgmap);
	/* The flag policy's flag is the ref's dead bit: one kill for all. */
	return percpu_ref_kill_and_confirm(&pgmap->ref, confirmed);
}

static bool is_released(struct pgmap *pgmap, uint64_t first, uint64_t npages)
{
	return pgmap_is_released(pgmap);
}

/* Too late to prevent the release: let it finish, then start afresh. */
static int bring_back(struct pgmap *pgmap)
{
	int err = pgmap_sleep(pgmap, is_released, 0, 0, false, DEADLINE_NEVER);

	assert(err == 0);
	atomic_store(&pgmap->released, false);
	return percpu_ref_reinit(&pgmap->ref);
}

int pgmap_resurrect(struct pgmap *pgmap)
{
	int err;

	pthread_mutex_lock(&pgmap->hold_lock);
	err = percpu_ref_resurrect(&pgmap->ref);
	if (err == -ESHUTDOWN)
		err = bring_back(pgmap);
	if (!err && !atomic_load(&pgmap->held)) {
		percpu_ref_get(&pgmap->ref);
		atomic_store(&pgmap->held, true);
	}
	pthread_mutex_unlock(&pgmap->hold_lock);
	if (!err)
		pgmap_wake(pgmap); /* a waiter learns that it waits in vain */
	return err;
}

/* From now on only others keep the device. */
static void drop_hold(struct pgmap *pgmap)
{
	bool drop;

	pthread_mutex_lock(&pgmap->hold_lock);
	drop = atomic_load(&pgmap->held) && percpu_ref_is_dying(&pgmap->ref);
	if (drop)
		atomic_store(&pgmap->held, false);
	pthread_mutex_unlock(&pgmap->hold_lock);
	if (drop)
		percpu_ref_put(&pgmap->ref);
}

int pgmap_wait_idle(struct pgmap *pgmap, struct deadline deadline)
{
	if (pgmap->policy != PGMAP_COUNTER && !pgmap_is_released(pgmap)) {
		int err = pgmap_sweep(pgmap, deadline);

		if (err)
			return err;
	}
	drop_hold(pgmap);
	return pgmap_sleep(pgmap, is_released, 0, 0, true, deadline);
}

bool pgmap_is_dying(const struct pgmap *pgmap)
{
	return percpu_ref_is_dying(&pgmap->ref);
}

bool pgmap_is_released(const struct pgmap *pgmap)
{
	return atomic_load(&pgmap->released);
}

int64_t pgmap_references(const struct pgmap *pgmap)
{
	if (pgmap->policy != PGMAP_COUNTER)
		return -1;
	return percpu_ref_read(&pgmap->ref) - own_references(pgmap);
}

int64_t pgmap_stat(const struct pgmap *pgmap, enum pgmap_stat stat)
{
	return percpu_sum(pgmap->stats, stat);
}

void pgmap_account(struct pgmap *pgmap, enum pgmap_stat stat, int64_t n)
{
	percpu_add(pgmap->stats, stat, n);
}
