/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_daemon.h -- the other end of udax/protocol.h, for tests of the library
 *
 * One file on one device (a memfd), in runs of `run_pages`, two neighbours
 * swapped on the device. One page may be a hole. It does as it is told: grants
 * at once, recalls when the test says so, ends when the test says so.
 *
 * The test program is linked with --wrap=probe_socket and --wrap=probe_token:
 * every regular file is then "of the mount".
 */
#ifndef TESTS_FAKE_DAEMON_H
#define TESTS_FAKE_DAEMON_H

#include "udax/protocol.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_PAGE 4096ul
#define FAKE_DEVICE_PAGES 65536ul
#define FAKE_SHIFT 512ul
#define FAKE_LEASES 4096

struct fake_lease {
	uint64_t id, offset, length;
	bool writable;
};

struct fake {
	pthread_mutex_t lock;
	pthread_t thread;
	char path[108];
	int listener, socket, quit[2], device_fd, device_read_fd;
	unsigned char *device; /* mapped */
	_Atomic uint64_t *sizes, *stored;
	int sizes_fd, stored_fd;
	/* what the test says: */
	uint64_t hole_page;	/* UINT64_MAX: none */
	_Atomic int refuse;	/* status of every MAP, or 0 */
	_Atomic int again;	/* so many MAPs are -EAGAIN first */
	unsigned int run_pages; /* a run is at most so long */
	bool silent;		/* answer nothing */
	bool recall_first;	/* a CHANGE of it overtakes each grant, once */
	uint32_t granularity;
	/* what has happened: */
	struct fake_lease lease[FAKE_LEASES];
	unsigned int leases;
	_Atomic unsigned int maps, unmaps, pins, closes, opens, syncs, returned;
	bool gave[2];
	uint64_t last_id, recalls;
};

/* NULL: it could not be. */
struct fake *fake_start(void);
void fake_stop(struct fake *fake);

void fake_set_size(struct fake *fake, uint64_t bytes);
unsigned char *fake_at(struct fake *fake, uint64_t offset);
/* Pages of the file that are leased. */
uint64_t fake_leased(struct fake *fake);
/* A lease with that page in it; 0: none. */
uint64_t fake_lease_of(struct fake *fake, uint64_t page);

/* Ask for it back, and wait for RETURNED: false: not within 5 s. */
bool fake_recall(struct fake *fake, uint64_t page, uint64_t pages);
/* ... all of the device. */
bool fake_remove(struct fake *fake);
/* ... and do not wait. */
void fake_send_remove(struct fake *fake);
bool fake_wait_returned(struct fake *fake, unsigned int count);
void fake_send_live(struct fake *fake);
/* The daemon ends; fake_restart(): another one is there. */
void fake_crash(struct fake *fake);
bool fake_restart(struct fake *fake);

#endif
