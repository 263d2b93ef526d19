/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/section.h"
#include "client/client.h"

#include <errno.h>
#include <stdlib.h>

struct section_slot {
	_Alignas(64) _Atomic uint64_t value; /* odd: in a section */
	_Atomic bool used;
	struct section_slot *next;
};

static _Atomic(struct section_slot *) slots; /* grows, never shrinks */
static __thread struct section_slot *own;
static _Atomic int waiting;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(void *slot)
{
	struct section_slot *mine = slot;

	own = NULL;
	atomic_store(&mine->used, false);
}

static void create_key(void)
{
	/* without the key slots are not used again: that is all */
	if (pthread_key_create(&thread_end, give_back) != 0)
		thread_end = (pthread_key_t)-1;
}

static struct section_slot *find_slot(void)
{
	struct section_slot *slot;

	for (slot = atomic_load(&slots); slot; slot = slot->next) {
		bool unused = false;

		if (atomic_compare_exchange_strong(&slot->used, &unused, true))
			return slot;
	}
	slot = aligned_alloc(64, sizeof(*slot));
	if (!slot)
		return NULL;
	atomic_init(&slot->value, 0);
	atomic_init(&slot->used, true);
	slot->next = atomic_load(&slots);
	while (!atomic_compare_exchange_weak(&slots, &slot->next, slot))
		;
	return slot;
}

static bool take_slot(void)
{
	pthread_once(&once, create_key);
	own = find_slot();
	if (own && thread_end != (pthread_key_t)-1)
		pthread_setspecific(thread_end, own);
	return own != NULL;
}

bool section_enter(bool *nested)
{
	uint64_t value;

	if (!own && !take_slot())
		return false;
	value = atomic_load_explicit(&own->value, memory_order_relaxed);
	*nested = value & 1;
	if (!*nested)
		/* before anything that is looked at inside */
		atomic_exchange(&own->value, value + 1);
	return true;
}

void section_leave(bool nested)
{
	uint64_t value;

	if (nested)
		return;
	value = atomic_load_explicit(&own->value, memory_order_relaxed);
	atomic_store_explicit(&own->value, value + 1, memory_order_release);
	if (atomic_load_explicit(&waiting, memory_order_relaxed))
		client_kick();
}

int section_snapshot(struct section_wait *out)
{
	struct section_slot *slot;
	size_t room = 0;

	*out = (struct section_wait){ .count = 0 };
	atomic_thread_fence(memory_order_seq_cst);
	for (slot = atomic_load(&slots); slot; slot = slot->next) {
		uint64_t value = atomic_load(&slot->value);

		if (!(value & 1) || slot == own)
			continue;
		if (out->count == room) {
			struct section_seen *more;

			room = room ? room * 2 : 16;
			more = realloc(out->seen, room * sizeof(*more));
			if (!more) {
				free(out->seen);
				return -ENOMEM;
			}
			out->seen = more;
		}
		out->seen[out->count++] = (struct section_seen){ slot, value };
	}
	return 0;
}

bool section_passed(struct section_wait *wait)
{
	while (wait->count) {
		struct section_seen *last = &wait->seen[wait->count - 1];

		if (atomic_load(&last->slot->value) == last->value)
			return false;
		wait->count--;
	}
	free(wait->seen);
	wait->seen = NULL;
	return true;
}

void section_waiting(int change)
{
	atomic_fetch_add(&waiting, change);
}

void section_after_fork(void)
{
	struct section_slot *slot;

	for (slot = atomic_load(&slots); slot; slot = slot->next) {
		if (slot == own)
			continue;
		atomic_store(&slot->value, 0);
		atomic_store(&slot->used, false);
	}
	atomic_store(&waiting, 0);
}
