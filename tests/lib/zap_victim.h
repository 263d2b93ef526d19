/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zap_victim.h -- a program to be zapped, and what it says of itself
 *
 * zap_victim MODE PAGE-FD DEVICE-FD: the page is shared with the test; what the
 * victim's threads see that must not be they count there as `wrong`.
 */
#ifndef UDAX_TESTS_LIB_ZAP_VICTIM_H
#define UDAX_TESTS_LIB_ZAP_VICTIM_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define VICTIM_DEVICE_PAGES 256u
#define VICTIM_PAGE 4096u
#define VICTIM_DEVICE_BYTES (VICTIM_DEVICE_PAGES * VICTIM_PAGE)
#define VICTIM_TOUCH 12344u /* where in its mapping `spin` stores */

/* Exit statuses. */
enum { VICTIM_BUS = 7, VICTIM_DONE = 42 };

enum victim_thread {
	VICTIM_SUM,
	VICTIM_FLOAT,
	VICTIM_SLEEP,
	VICTIM_FUTEX,
	VICTIM_POLL,
	VICTIM_EPOLL,
	VICTIM_READ,
	VICTIM_MASKED,
	VICTIM_THREADS
};

struct victim_page {
	_Atomic int ready;
	_Atomic int quit;
	_Atomic uint64_t turns[VICTIM_THREADS];
	_Atomic uint64_t stores;
	_Atomic uint64_t born;	  /* threads */
	_Atomic uint64_t signals; /* received */
	_Atomic int wrong;
	char what[128]; /* the first */

	_Atomic uintptr_t mapping;
	_Atomic int bus_code;
	_Atomic uintptr_t bus_address;

	/* The test asks with a number, the victim answers with it. */
	_Atomic int ask, answer;
	_Atomic uint8_t gone[VICTIM_DEVICE_PAGES]; /* answer to a probe */
};

#endif
