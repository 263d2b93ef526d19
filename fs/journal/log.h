/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h -- inside of struct journal and struct txn, for fs/journal alone
 *
 * txn.c collects what a transaction edits, build.c makes the record of it,
 * append.c writes that and brings it home, checkpoint.c makes room, journal.c
 * opens and closes; journal.h has the contract.
 *
 * Locking: journal->mutex covers head, tail, live_bytes, anchor_sequence,
 *          stopped, pending and flush; area but its generation and lineage is
 *          fixed. A transaction belongs to its thread.
 */
#ifndef UDAX_JOURNAL_LOG_H
#define UDAX_JOURNAL_LOG_H

#include "journal/area.h"
#include "journal/flush.h"
#include "journal/journal.h"

#include <pthread.h>
#include <stdbool.h>

#define PIECES_MAX 1024
#define PIECE_SLOTS (2 * PIECES_MAX)
#define COPIES_BYTES (512u << 10)
#define TAKEN_MAX 1024
#define FREED_MAX 4096
#define PENDING_MAX 8192

_Static_assert(PENDING_MAX >= FREED_MAX, "one transaction's frees fit");

struct pending {
	uint64_t addr;
	uint64_t blocks;
	uint64_t sequence; /* of the last record that may name it */
};

struct journal {
	pthread_mutex_t mutex;
	struct area area;
	struct alloc *const *allocs;
	struct area_cursor head;  /* the next record */
	struct area_cursor tail;  /* the oldest that replay would need */
	uint64_t live_bytes;	  /* from tail to head, pads included */
	uint64_t anchor_sequence; /* of the anchor on the media */
	bool stopped;
	struct flush flush;
	_Atomic uint64_t pending_blocks; /* sum over pending[], to be told */
	unsigned int pending_count;
	struct pending pending[PENDING_MAX]; /* [J2] */
};

/* ------------------------------------------------------------ transactions */

struct piece {
	uint64_t addr;
	uint32_t length_bytes;
	uint32_t copy_offset;
	bool fresh; /* logged whole */
	txn_seal_fn *seal;
};

struct run {
	uint64_t addr;
	uint64_t blocks;
	bool metadata;
};

struct txn {
	struct journal *journal; /* NULL: none under way */
	int error;		 /* the commit's answer, come what may */
	size_t worst_bytes;	 /* the record, if all of it differs */
	size_t copies_bytes;
	unsigned int pieces;
	unsigned int taken_count;
	unsigned int freed_count;
	unsigned int freed_metadata;
	uint16_t slot[PIECE_SLOTS]; /* 1 + piece, by address; 0 = empty */
	struct piece piece[PIECES_MAX];
	struct run taken[TAKEN_MAX];
	struct run freed[FREED_MAX];
	_Alignas(64) unsigned char copies[COPIES_BYTES];
	_Alignas(64) unsigned char record[RECORD_BYTES_MAX];
};

/*
 * The record of what differs, in txn->record, all but sequence, generation,
 * lineage and checksum. items 0: nothing differs. -E2BIG.
 */
int txn_build_record(struct txn *txn) __attribute__((warn_unused_result));

/*
 * Make the record durable, bring it home, free what it frees. *unknown: it
 * failed when the record may be on the media.
 */
int journal_append(struct txn *txn, bool *unknown)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------- checkpoints */

/*
 * Flush all homes, move the tail to the head (restart: both to the start of
 * the ring), release what was pending. The second anchor is stored but not
 * drained: the caller's next fence does it. The caller holds the mutex.
 */
int journal_checkpoint_locked(struct journal *journal, bool restart)
	__attribute__((warn_unused_result));

/* Both anchors at the tail, durable. The one that holds now goes last. */
int journal_store_anchors_locked(struct journal *journal, unsigned int first)
	__attribute__((warn_unused_result));

/* Room for a record and for so many pending frees. The mutex is held. */
int journal_make_room_locked(struct journal *journal, size_t record_bytes,
			     unsigned int frees)
	__attribute__((warn_unused_result));

/* The device is gone: from here on everything is refused. */
int journal_fail_locked(struct journal *journal);

#endif
