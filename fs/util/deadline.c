/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/deadline.h"

#include "util/clock.h"

#include <assert.h>
#include <errno.h>

struct deadline deadline_in(int64_t timeout_ms)
{
	int64_t at_ns;

	if (timeout_ms < 0 ||
	    __builtin_mul_overflow(timeout_ms, NS_PER_MS, &at_ns) ||
	    __builtin_add_overflow(at_ns, clock_monotonic_ns(), &at_ns))
		return DEADLINE_NEVER; /* I2 */
	return (struct deadline){ .at_ns = at_ns };
}

bool deadline_passed(struct deadline deadline)
{
	return deadline_remaining_ms(deadline) == 0;
}

int64_t deadline_remaining_ms(struct deadline deadline)
{
	int64_t left_ns = deadline.at_ns - clock_monotonic_ns();

	if (left_ns <= 0)
		return 0;
	return left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0);
}

int deadline_wait(struct deadline deadline, pthread_cond_t *cond,
		  pthread_mutex_t *held)
{
	struct timespec at = { .tv_sec = deadline.at_ns / NS_PER_S,
			       .tv_nsec = deadline.at_ns % NS_PER_S };
	int err = pthread_cond_timedwait(cond, held, &at);

	assert(err == 0 || err == ETIMEDOUT); /* else: cond or mutex misused */
	return -err;
}
