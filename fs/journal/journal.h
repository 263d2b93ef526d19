/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * journal.h -- transactions: what changes metadata on the media, all or nothing
 *
 * A transaction works on copies: txn_edit() returns a copy in memory of a
 * piece of the media, to be changed at will; txn_commit() writes what differs
 * as one redo record, makes it durable with one fence, and only then stores it
 * at home. Home stores need no fence of their own: they are flushed when the
 * log's tail moves past their record (checkpoint), and until then a crash
 * replays them. An aborted transaction never touched the media.
 *
 * Owns:    the journal area of the metadata device; one arena per thread.
 * Fences:  txn_commit 1; a checkpoint, when the ring is short of room, 2 more.
 *          So at most 3 per transaction. (Homes on other members than the
 *          metadata device cost a checkpoint one more for each such member.)
 * Locking: pieces being edited must be locked by the caller (inode lock) from
 *          txn_edit to the end of txn_commit. Inside, one mutex orders
 *          commits; it is taken with inode locks held and takes only alloc's.
 * Errors:  -EIO the metadata device failed or the journal is stopped (nothing
 *          of the transaction will be seen while this journal is open),
 *          -EROFS, -ENOSPC from txn_alloc_block.
 *
 * Invariants:
 *   J1  home is stored only after the record's fence
 *   J2  a block freed as metadata becomes allocatable only once the tail has
 *       passed its last record: replay must not overwrite a new owner's data;
 *       a data block, once the freeing record is durable
 *   J3  what an aborted transaction allocated is given back
 *   J4  a record never exceeds RECORD_BYTES_MAX: operations are bounded
 */
#ifndef UDAX_JOURNAL_JOURNAL_H
#define UDAX_JOURNAL_JOURNAL_H

#include "media/addr.h"
#include "media/superblock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alloc;
struct journal;
struct members;
struct txn;

struct journal_replay_report {
	uint64_t records;
	uint64_t items;
	uint64_t bytes;
	uint64_t next_sequence;
	uint64_t next_ring_offset;
};

/*
 * Store every record that counts at its home, in order, and flush and fence
 * them. Idempotent. Works on a private_copy device, too (fsck -n); on a
 * read-only one it is -EROFS if there is anything to store. All items are
 * checked before the first is stored: one for a member that is missing is
 * -ENODEV, one outside what may be home (superblocks, the journal itself, off
 * the device) is -EUCLEAN. sb: the metadata device's, here and below.
 */
int journal_replay(const struct members *members, const superblock_media *sb,
		   struct journal_replay_report *report)
	__attribute__((warn_unused_result));

/*
 * Begin logging at a fresh anchor with the superblock's generation and
 * lineage (after replay, at mkfs, after a lineage change). allocs: one per
 * member index, NULL where missing; the array must outlive the journal.
 * The first record's number is next_sequence or, so that no older anchor can
 * win over the fresh one, more. -EUCLEAN: the area does not fit the device or
 * is shorter than the longest record.
 */
int journal_open(struct journal **out, const struct members *members,
		 const superblock_media *sb, uint64_t next_sequence,
		 struct alloc *const *allocs)
	__attribute__((warn_unused_result));
/* Format an empty journal area (mkfs). */
int journal_format(const struct members *members, const superblock_media *sb)
	__attribute__((warn_unused_result));
/*
 * Flush all homes and move the tail to the head: nothing left to replay.
 * Metadata blocks that were freed are allocatable after it [J2]: the thing to
 * try once when alloc_take() finds no space. Works on a stopped journal, too.
 */
int journal_checkpoint(struct journal *journal)
	__attribute__((warn_unused_result));
/* How many that are: free in the end, of the metadata device. */
uint64_t journal_pending_blocks(const struct journal *journal);
/* Refuse every later commit with -EIO (the metadata device goes). */
void journal_stop(struct journal *journal);
/*
 * Later records carry this (generation, lineage). Checkpoints, then publish
 * (may be NULL) writes the superblock that says the same, while nothing can
 * commit: cut short anywhere, replay finds an empty log by the old superblock
 * or by the new one. An error of publish leaves the journal as it was.
 */
typedef int journal_publish_fn(void *arg);
int journal_set_lineage(struct journal *journal, uint64_t generation,
			const uint8_t lineage[16], journal_publish_fn *publish,
			void *arg) __attribute__((warn_unused_result));
uint64_t journal_next_sequence(const struct journal *journal);
/* Does not checkpoint. */
void journal_close(struct journal *journal);

/* Never fails; one transaction at a time per thread. */
struct txn *txn_begin(struct journal *journal);

/*
 * The copy of [addr, addr + length): made from home at the first call, the
 * same copy after. Ranges of different calls must be equal or apart; address
 * and length are multiples of 8. txn_edit_new: zeroed instead; the whole range
 * is logged (a fresh block). Never NULL: a place that nothing may be stored
 * at (only damage leads there) gets a zeroed copy, and the commit -EUCLEAN.
 */
void *txn_edit(struct txn *txn, uint64_t addr, size_t length_bytes);
void *txn_edit_new(struct txn *txn, uint64_t addr, size_t length_bytes);

/* The copy if this transaction has one that starts at addr, else home. */
const void *txn_see(struct txn *txn, uint64_t addr);

/*
 * Run just before the record is built, on every edited piece in order of
 * first edit: the place for checksums (the media folder's seal functions).
 */
typedef void txn_seal_fn(void *copy);
void *txn_edit_sealed(struct txn *txn, uint64_t addr, size_t length_bytes,
		      bool fresh, txn_seal_fn *seal);

/* One block for metadata, on the metadata device. -ENOSPC, -ENXIO, -EIO. */
int txn_alloc_block(struct txn *txn, uint64_t *addr)
	__attribute__((warn_unused_result));
/* Data blocks the caller took with alloc_take: given back on abort. */
void txn_took(struct txn *txn, uint64_t addr, uint64_t blocks);
/* Free on commit, by J2. */
void txn_free(struct txn *txn, uint64_t addr, uint64_t blocks, bool metadata);

/*
 * Bytes the record may still grow by, at worst: an edit of n bytes takes n + 16
 * of it. A loop of edits or frees stops in time by it: it is also 0 when the
 * lists of blocks are nearly full.
 */
size_t txn_room(const struct txn *txn);

/*
 * Ends it either way. On an error nothing has changed anywhere. -E2BIG: the
 * record would be too long (txn_room() was not asked). -EIO once the record
 * was on its way may still count at the next mount; until then no block of the
 * transaction is given back and no other one commits.
 */
int txn_commit(struct txn *txn) __attribute__((warn_unused_result));
void txn_abort(struct txn *txn);

/* The base address of a place on a present member. */
void *journal_home(const struct journal *journal, uint64_t addr);

#endif
