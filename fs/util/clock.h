/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.h -- nanoseconds since some point, never going back */
#ifndef UDAX_UTIL_CLOCK_H
#define UDAX_UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

#endif
