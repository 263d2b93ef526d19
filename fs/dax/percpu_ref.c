/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/percpu_ref.h"

#include "dax/read_side.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define MODE_ATOMIC ((uintptr_t)1) /* the master count counts */
#define MODE_DEAD ((uintptr_t)2)   /* killed */
#define MODE_BITS (MODE_ATOMIC | MODE_DEAD)

#define WORD 0 /* of a line: the ref uses one */

/* Far above any sum of the words, far below what int64_t holds. */
#define BIAS (INT64_C(1) << 61)

static struct percpu_line *words_of(uintptr_t words_mode)
{
	return (struct percpu_line *)(words_mode & ~MODE_BITS);
}

static uintptr_t read_words_mode(const struct percpu_ref *ref)
{
	return atomic_load_explicit(&ref->words_mode, memory_order_acquire);
}

int percpu_ref_init(struct percpu_ref *ref, percpu_ref_fn *release, void *arg)
{
	struct percpu_line *words = percpu_alloc();

	if (!words)
		return -ENOMEM;
	if (pthread_mutex_init(&ref->switch_lock, NULL)) {
		free(words);
		return -ENOMEM;
	}
	atomic_init(&ref->words_mode, (uintptr_t)words);
	atomic_init(&ref->count, BIAS + 1);
	ref->release = release;
	ref->arg = arg;
	return 0;
}

void percpu_ref_fini(struct percpu_ref *ref)
{
	read_side_synchronize();
	free(words_of(read_words_mode(ref)));
	pthread_mutex_destroy(&ref->switch_lock);
}

static void count_get(struct percpu_ref *ref, uint32_t n)
{
	int64_t before = atomic_fetch_add_explicit(&ref->count, n,
						   memory_order_relaxed);

	assert(before > 0); /* else: a get without a reference */
}

static bool count_tryget(struct percpu_ref *ref)
{
	int64_t count = atomic_load_explicit(&ref->count, memory_order_relaxed);

	do {
		if (count == 0)
			return false;
		assert(count > 0);
	} while (!atomic_compare_exchange_weak_explicit(
		&ref->count, &count, count + 1, memory_order_acquire,
		memory_order_relaxed));
	return true;
}

static void count_put(struct percpu_ref *ref, uint32_t n)
{
	int64_t before = atomic_fetch_sub_explicit(&ref->count, n,
						   memory_order_acq_rel);

	assert(before >= n); /* else: a put too many */
	if (before == n && ref->release)
		ref->release(ref, ref->arg); /* I3 */
}

void percpu_ref_get_many(struct percpu_ref *ref, uint32_t n)
{
	uintptr_t words_mode;

	read_side_enter();
	words_mode = read_words_mode(ref);
	if (!(words_mode & MODE_BITS))
		percpu_add(words_of(words_mode), WORD, n);
	else
		count_get(ref, n);
	read_side_exit();
}

void percpu_ref_get(struct percpu_ref *ref)
{
	percpu_ref_get_many(ref, 1);
}

void percpu_ref_put_many(struct percpu_ref *ref, uint32_t n)
{
	uintptr_t words_mode;

	read_side_enter();
	words_mode = read_words_mode(ref);
	if (!(words_mode & MODE_BITS))
		percpu_add(words_of(words_mode), WORD, -(int64_t)n);
	else
		count_put(ref, n);
	read_side_exit();
}

void percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put_many(ref, 1);
}

bool percpu_ref_tryget(struct percpu_ref *ref)
{
	uintptr_t words_mode;
	bool got = true;

	read_side_enter();
	words_mode = read_words_mode(ref);
	if (!(words_mode & MODE_BITS))
		percpu_add(words_of(words_mode), WORD, 1);
	else
		got = count_tryget(ref);
	read_side_exit();
	return got;
}

bool percpu_ref_tryget_live(struct percpu_ref *ref)
{
	uintptr_t words_mode;
	bool got = true;

	read_side_enter();
	words_mode = read_words_mode(ref);
	if (!(words_mode & MODE_BITS))
		percpu_add(words_of(words_mode), WORD, 1);
	else
		got = !(words_mode & MODE_DEAD) && count_tryget(ref);
	read_side_exit();
	return got;
}

/*
 * From here on nobody adds to the words: every section that may have read the
 * percpu mode has ended. Sum first, BIAS after, in one operation: a count
 * without BIAS and without the sum would be too low.
 */
static void switch_to_atomic(struct percpu_ref *ref)
{
	int64_t sum, count;

	read_side_synchronize();
	sum = percpu_sum(words_of(read_words_mode(ref)), WORD);
	count = atomic_fetch_add_explicit(&ref->count, sum - BIAS,
					  memory_order_acq_rel);
	assert(count + sum - BIAS >
	       0); /* the guard at least, or a put too many */
}

int percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_fn *confirm)
{
	if (percpu_ref_is_dying(ref))
		return -EALREADY; /* without waiting for the other's switch */
	pthread_mutex_lock(&ref->switch_lock);
	if (percpu_ref_is_dying(ref)) {
		pthread_mutex_unlock(&ref->switch_lock);
		return -EALREADY;
	}
	atomic_fetch_or_explicit(&ref->words_mode, MODE_BITS,
				 memory_order_acq_rel);
	switch_to_atomic(ref);
	if (confirm)
		confirm(ref, ref->arg);
	pthread_mutex_unlock(&ref->switch_lock);
	percpu_ref_put(ref); /* the initial one [I2] */
	return 0;
}

/* A get that still adds to the master count is as good: it is summed too. */
static void switch_to_percpu(struct percpu_ref *ref)
{
	struct percpu_line *words = words_of(read_words_mode(ref));

	atomic_fetch_add_explicit(&ref->count, BIAS, memory_order_relaxed);
	percpu_zero(words, WORD);
	atomic_store_explicit(&ref->words_mode, (uintptr_t)words,
			      memory_order_release);
}

int percpu_ref_resurrect(struct percpu_ref *ref)
{
	int err = 0;

	pthread_mutex_lock(&ref->switch_lock);
	if (!percpu_ref_is_dying(ref))
		err = -EINVAL;
	else if (!count_tryget(ref))
		err = -ESHUTDOWN; /* I3: the last put was first */
	else
		switch_to_percpu(ref);
	pthread_mutex_unlock(&ref->switch_lock);
	return err;
}

int percpu_ref_reinit(struct percpu_ref *ref)
{
	int64_t released = 0;
	int err = -EINVAL;

	pthread_mutex_lock(&ref->switch_lock);
	if (percpu_ref_is_dying(ref) &&
	    atomic_compare_exchange_strong(&ref->count, &released, 1)) {
		switch_to_percpu(ref);
		err = 0;
	}
	pthread_mutex_unlock(&ref->switch_lock);
	return err;
}

bool percpu_ref_is_dying(const struct percpu_ref *ref)
{
	return read_words_mode(ref) & MODE_DEAD;
}

int64_t percpu_ref_read(const struct percpu_ref *ref)
{
	/*
	 * Count first: if it still has BIAS the words hold the rest, and they
	 * keep their values when a switch comes in between.
	 */
	int64_t count = atomic_load_explicit(&ref->count, memory_order_acquire);

	if (count < BIAS / 2)
		return count;
	return count - BIAS + percpu_sum(words_of(read_words_mode(ref)), WORD);
}
