/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch.h -- a run that stands still ends, by name
 *
 * A process that tells nothing for WATCH_S seconds waits for what never comes:
 * it says which run that was and dies, which is a failure of the campaign.
 */
#ifndef UDAX_TESTS_CRASH_WATCH_H
#define UDAX_TESTS_CRASH_WATCH_H

#define WATCH_S 300

/* What is said is said to that descriptor. */
void watch_begin(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* It goes on. */
void watch_beat(void);

#endif
