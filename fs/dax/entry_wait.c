/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/entry_wait.h"

#include "dax/pgmap.h"
#include "trace/trace.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#define QUEUES 64u
#define HASH_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */

struct waiter {
	const struct entry_table *table;
	uint64_t index;
	bool woken;
	pthread_cond_t cond;
	struct waiter *next;
};

struct queue {
	pthread_mutex_t lock;
	struct waiter *head; /* oldest first */
	/*
	 * How long the list is. Who waits for an entry got on it under the
	 * table's lock, which a waker holds: so it sees that one counted.
	 */
	_Atomic unsigned waiting;
};

static struct queue queues[QUEUES] = {
	[0 ... QUEUES - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static struct queue *queue_of(const struct entry_table *table, uint64_t index)
{
	uint64_t key = (uintptr_t)table / sizeof(*table);

	key = (key + (index >> PGMAP_ORDER_PMD)) * HASH_MULTIPLIER;
	return &queues[key >> 32 & (QUEUES - 1)];
}

static void enqueue(struct queue *queue, struct waiter *waiter)
{
	struct waiter **end = &queue->head;

	while (*end)
		end = &(*end)->next;
	*end = waiter;
	atomic_fetch_add_explicit(&queue->waiting, 1, memory_order_relaxed);
}

void entry_wait_sleep(struct entry_table *table, uint64_t index)
{
	struct queue *queue = queue_of(table, index);
	struct waiter waiter = { .table = table,
				 .index = index,
				 .cond = PTHREAD_COND_INITIALIZER };

	TRACE2(entry_lock_wait, table, index);
	pthread_mutex_lock(&queue->lock);
	enqueue(queue, &waiter);
	pthread_mutex_unlock(&table->lock);
	while (!waiter.woken)
		pthread_cond_wait(&waiter.cond, &queue->lock);
	pthread_mutex_unlock(&queue->lock);
	pthread_cond_destroy(&waiter.cond);
	pthread_mutex_lock(&table->lock);
}

static void wake(struct entry_table *table, uint64_t index, bool all)
{
	struct queue *queue = queue_of(table, index);
	struct waiter **link = &queue->head;

	if (!atomic_load_explicit(&queue->waiting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&queue->lock);
	while (*link) {
		struct waiter *waiter = *link;

		if (waiter->table != table || waiter->index != index) {
			link = &waiter->next;
			continue;
		}
		*link = waiter->next;
		atomic_fetch_sub_explicit(&queue->waiting, 1,
					  memory_order_relaxed);
		waiter->woken = true;
		pthread_cond_signal(&waiter->cond);
		if (!all)
			break;
	}
	pthread_mutex_unlock(&queue->lock);
}

void entry_wait_wake_next(struct entry_table *table, uint64_t index)
{
	wake(table, index, false);
}

void entry_wait_wake_all(struct entry_table *table, uint64_t index)
{
	wake(table, index, true);
}
