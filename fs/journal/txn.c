/* SPDX-License-Identifier: BSD-3-Clause */
#include "journal/log.h"

#include "alloc/alloc.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Every copy begins on a line of its own. */
#define COPY_ALIGN 64

/* Nearly full lists: what is kept for the operation that asks txn_room(). */
#define PIECES_KEPT 64
#define TAKEN_KEPT 64
#define FREED_KEPT 256

static pthread_once_t arena_once = PTHREAD_ONCE_INIT;
static pthread_key_t arena_key;
static __thread struct txn *arena;

static void arena_free(void *of_thread)
{
	struct txn *txn = of_thread;

	assert(!txn->journal);
	free(txn);
}

static void arena_key_create(void)
{
	if (pthread_key_create(&arena_key, arena_free) != 0)
		abort();
}

/* Once a thread; most of its pages are never touched. */
static struct txn *arena_get(void)
{
	if (arena)
		return arena;
	pthread_once(&arena_once, arena_key_create);
	arena = aligned_alloc(_Alignof(struct txn), sizeof(struct txn));
	if (!arena || pthread_setspecific(arena_key, arena) != 0) {
		log_error("transaction: no memory for this thread's buffer");
		abort();
	}
	memset(arena, 0, offsetof(struct txn, piece));
	return arena;
}

struct txn *txn_begin(struct journal *journal)
{
	struct txn *txn = arena_get();

	assert(!txn->journal);
	txn->journal = journal;
	return txn;
}

static unsigned int slot_of(uint64_t addr)
{
	uint64_t mixed = addr / sizeof(uint64_t) * UINT64_C(0x9e3779b97f4a7c15);

	return mixed >> 40 & (PIECE_SLOTS - 1);
}

/* The address's slot, or the empty one where it would go. */
static uint16_t *find_slot(struct txn *txn, uint64_t addr)
{
	unsigned int at = slot_of(addr);

	while (txn->slot[at] != 0 && txn->piece[txn->slot[at] - 1].addr != addr)
		at = (at + 1) % PIECE_SLOTS;
	return &txn->slot[at];
}

static void txn_end(struct txn *txn)
{
	txn->journal = NULL;
	txn->error = 0;
	txn->worst_bytes = 0;
	txn->copies_bytes = 0;
	txn->taken_count = 0;
	txn->freed_count = 0;
	txn->freed_metadata = 0;
	if (txn->pieces > 0)
		memset(txn->slot, 0, sizeof(txn->slot));
	txn->pieces = 0;
}

#ifdef UDAX_DEBUG
static void assert_apart(const struct txn *txn, uint64_t addr,
			 size_t length_bytes)
{
	unsigned int i;

	for (i = 0; i < txn->pieces; i++)
		assert(addr + length_bytes <= txn->piece[i].addr ||
		       addr >= txn->piece[i].addr + txn->piece[i].length_bytes);
}
#else
#define assert_apart(txn, addr, length_bytes) ((void)0)
#endif

static struct piece *add_piece(struct txn *txn, uint16_t *slot, uint64_t addr,
			       size_t length_bytes)
{
	struct piece *piece = &txn->piece[txn->pieces];
	size_t taken_bytes = (length_bytes + COPY_ALIGN - 1) / COPY_ALIGN *
			     COPY_ALIGN;

	assert(length_bytes > 0 && (addr | length_bytes) % 8 == 0);
	assert(txn->pieces < PIECES_MAX);
	assert(taken_bytes <= COPIES_BYTES - txn->copies_bytes);
	assert_apart(txn, addr, length_bytes);
	*slot = ++txn->pieces;
	*piece = (struct piece){
		.addr = addr,
		.length_bytes = length_bytes,
		.copy_offset = txn->copies_bytes,
	};
	txn->copies_bytes += taken_bytes;
	txn->worst_bytes += sizeof(record_item_media) + length_bytes;
	return piece;
}

void *txn_edit_sealed(struct txn *txn, uint64_t addr, size_t length_bytes,
		      bool fresh, txn_seal_fn *seal)
{
	const struct area *area = &txn->journal->area;
	uint16_t *slot = find_slot(txn, addr);
	struct piece *piece;
	void *copy;
	int error;

	if (*slot != 0) {
		piece = &txn->piece[*slot - 1];
		copy = txn->copies + piece->copy_offset;
		assert(piece->length_bytes == length_bytes);
		if (fresh) {
			piece->fresh = true;
			memset(copy, 0, length_bytes);
		}
		if (seal)
			piece->seal = seal;
		return copy;
	}
	error = area_check_range(area, addr, length_bytes);
	if (error && txn->error == 0)
		txn->error = error;
	piece = add_piece(txn, slot, addr, length_bytes);
	piece->fresh = fresh;
	piece->seal = seal;
	copy = txn->copies + piece->copy_offset;
	if (fresh || error)
		memset(copy, 0, length_bytes);
	else
		memcpy(copy, area_home(area, addr), length_bytes);
	return copy;
}

void *txn_edit(struct txn *txn, uint64_t addr, size_t length_bytes)
{
	return txn_edit_sealed(txn, addr, length_bytes, false, NULL);
}

void *txn_edit_new(struct txn *txn, uint64_t addr, size_t length_bytes)
{
	return txn_edit_sealed(txn, addr, length_bytes, true, NULL);
}

const void *txn_see(struct txn *txn, uint64_t addr)
{
	uint16_t slot = *find_slot(txn, addr);

	if (slot != 0)
		return txn->copies + txn->piece[slot - 1].copy_offset;
	return area_home(&txn->journal->area, addr);
}

int txn_alloc_block(struct txn *txn, uint64_t *addr)
{
	struct journal *journal = txn->journal;
	unsigned int index = journal->area.index;
	struct alloc *alloc = journal->allocs[index];
	struct alloc_want want = { .blocks = 1, .metadata = true };
	uint64_t start;
	uint64_t got;
	int error;

	if (!alloc)
		return -ENXIO;
	error = alloc_take(alloc, &want, &start, &got);
	if (error == -ENOSPC) {
		/* Freed metadata may be waiting for the tail [J2]. */
		error = journal_checkpoint(journal);
		if (error)
			return error;
		error = alloc_take(alloc, &want, &start, &got);
	}
	if (error)
		return error;
	*addr = addr_make(index, start * BLOCK_BYTES);
	txn_took(txn, *addr, got);
	return 0;
}

/* Make the last run of a list longer, if that is what the new one does. */
static bool run_joins(struct run *runs, unsigned int count,
		      const struct run *added)
{
	struct run *last = runs + count - 1;

	if (count == 0 || last->metadata != added->metadata ||
	    last->addr + last->blocks * BLOCK_BYTES != added->addr)
		return false;
	last->blocks += added->blocks;
	return true;
}

void txn_took(struct txn *txn, uint64_t addr, uint64_t blocks)
{
	struct run added = { .addr = addr, .blocks = blocks };

	if (run_joins(txn->taken, txn->taken_count, &added))
		return;
	assert(txn->taken_count < TAKEN_MAX);
	txn->taken[txn->taken_count++] = added;
}

void txn_free(struct txn *txn, uint64_t addr, uint64_t blocks, bool metadata)
{
	struct run added = {
		.addr = addr,
		.blocks = blocks,
		.metadata = metadata,
	};

	if (run_joins(txn->freed, txn->freed_count, &added))
		return;
	assert(txn->freed_count < FREED_MAX);
	txn->freed[txn->freed_count++] = added;
	txn->freed_metadata += metadata;
}

size_t txn_room(const struct txn *txn)
{
	size_t most_bytes = RECORD_BYTES_MAX - sizeof(record_media) -
			    sizeof(record_item_media);

	if (txn->pieces > PIECES_MAX - PIECES_KEPT ||
	    txn->taken_count > TAKEN_MAX - TAKEN_KEPT ||
	    txn->freed_count > FREED_MAX - FREED_KEPT ||
	    txn->worst_bytes > most_bytes)
		return 0;
	return most_bytes - txn->worst_bytes;
}

/* [J3] */
static void give_back(struct txn *txn)
{
	unsigned int i;

	for (i = 0; i < txn->taken_count; i++) {
		const struct run *run = &txn->taken[i];
		struct alloc *alloc =
			txn->journal->allocs[addr_device(run->addr)];

		if (alloc)
			alloc_give(alloc, addr_block(run->addr), run->blocks);
	}
}

int txn_commit(struct txn *txn)
{
	bool unknown = false;
	unsigned int i;
	int error = txn->error;

	if (error)
		goto out;
	for (i = 0; i < txn->pieces; i++)
		if (txn->piece[i].seal)
			txn->piece[i].seal(txn->copies +
					   txn->piece[i].copy_offset);
	error = txn_build_record(txn);
	if (error == 0)
		error = journal_append(txn, &unknown);
out:
	/* A record that may be on the media owns its blocks: see to it that
	 * nobody else stores to them until the next mount has decided. */
	if (error && !unknown)
		give_back(txn);
	txn_end(txn);
	return error;
}

void txn_abort(struct txn *txn)
{
	give_back(txn);
	txn_end(txn);
}
