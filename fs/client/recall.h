/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recall.h -- memory given back, because the daemon says so or has ended
 *
 *   begin   the segments are marked; what reads and writes go through is made
 *           invisible
 *   wait    until the copies that were under way then have ended
 *   finish  other memory is put in their place, descriptors are closed,
 *           RETURNED is sent, the program is told
 *
 * A change: holes. A removal: poison, for good. A lost daemon: holes that wait
 * where the mapping says so (resume.h), else poison. Pinned parts stay until
 * they are unpinned.
 *
 * Locking: client.lock, recall_tell() aside. By the udax thread; begin may also
 *          be of the one that unpins.
 */
#ifndef UDAX_CLIENT_RECALL_H
#define UDAX_CLIENT_RECALL_H

#include "client/conn.h"
#include "client/section.h"

#define RECALL_LOST 100	 /* the daemon has ended */
#define RECALL_UNPIN 101 /* what a pin kept from a removal */

struct recall {
	struct recall *next;
	struct conn *conn;
	struct udax_recall message;
	uint64_t number; /* segment.recalled */
	struct section_wait copies;
};

void recall_begin(struct conn *conn, const struct udax_recall *message);
void recall_news(struct conn *conn, const struct udax_device *news);
void recall_lost(struct conn *conn);
/* A pin has gone from that device. */
void recall_unpinned_locked(struct conn *conn, uint32_t device);

/* Those that waited for copies, and need not any more. */
void recall_go_on_locked(void);
/* Poison whose time has come is a hole again. */
void recall_unpoison_locked(void);
/* What was taken back for good: the program is told, without the lock. */
void recall_tell(void);

#endif
