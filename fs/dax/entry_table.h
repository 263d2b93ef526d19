/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * entry_table.h -- an inode's mapping entries: file page → device folio
 *
 * What fs/dax.c keeps in mapping->i_pages. An entry says that a range of the
 * file can be reached, other than by a request, at a place on a device:
 *   real   a block; it holds one reference on the folio per association [R1]
 *   zero   a hole that its holder may show as zeros; no reference
 *   empty  nothing yet: what a grab locks so that others wait; no reference
 * and for whom: the kernel's page cache (one association) or leases (one for
 * each lease of the page), never both [R11].
 *
 * Shape: 512 slots a level, like a page table. An order-0 entry is in a leaf;
 * an order-9 one in the level above, in the leaf's place. Nothing is allocated
 * before the first entry and all is freed with the last.
 *
 * Lock bit: a grabbed entry is locked; everybody else who wants it waits and
 * then looks it up again. It is held for bounded work (an allocation, a
 * journal commit, a flush), never across a client, a pin or a notification:
 * so the waits here have no deadline.
 *
 * What the kernel does and this does not: a zero order-9 entry of which one
 * page is asked for becomes 512 zero entries, because no handler may wait for
 * the kernel to unmap (R7), and what it may have cached stays accounted.
 * Deleting, or a lease of, a part of a real order-9 entry splits it (its
 * folio, too, by plain gets), so that an association is exactly one lease of
 * one page whatever the order.
 *
 * Owns:    its nodes; one folio reference per association.
 * Units:   file pages and device pages of 4 KiB; ranges are [first, last],
 *          last UINT64_MAX for the end.
 * Errors:  -ENXIO the device is going or gone [R2]; -EBUSY the other holder has
 *          the page [R11]; -EEXIST order 9 was asked where order-0 entries are:
 *          fall back; -ENOMEM; -EUSERS too many leases of one page.
 *          A failed call changes no entry, mark or count, except where it says
 *          how far it got.
 * Locking: any thread, nothing to hold; inside inode.lock. May wait for lock
 *          bits, so not in a read-side section. pgmap's locks are inside.
 *
 * Invariants: 1, 3-7, 10, 18 of the design:
 *   I1  zero and empty hold no reference
 *   I2  entries never overlap; an order-9 index is 512-aligned
 *   I3  nothing is published after the kill was confirmed: look-up of the
 *       pgmap, liveness and publication are in one read-side section
 *   I4  the lock bit is set once, unlock finds it set, no waiter stays behind
 *   I5  after any sleep the entry is looked up again
 */
#ifndef UDAX_DAX_ENTRY_TABLE_H
#define UDAX_DAX_ENTRY_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct entry_batch;
struct entry_node;
struct pgmap;

#define ENTRY_INDEX_MAX ((UINT64_C(1) << 52) - 1)
#define ENTRY_ASSOCIATIONS_MAX 4095u

enum entry_kind { ENTRY_REAL, ENTRY_ZERO, ENTRY_EMPTY };
enum entry_holder { ENTRY_UNHELD, ENTRY_KERNEL, ENTRY_LEASE };
/* LEAVING: kernel entries, entry_table_expel_begin(). */
enum entry_mark { ENTRY_DIRTY, ENTRY_TOWRITE, ENTRY_LEAVING, ENTRY_MARKS };

struct entry_table {
	pthread_mutex_t lock;
	struct pgmap *const *pgmaps; /* by device; NULL: gone. Not owned. A
					slot is cleared before its pgmap is
					destroyed */
	struct entry_node *root;     /* NULL: no entry */
	uint64_t count;		     /* entries of every kind */
	uint64_t kernel;	     /* of them the kernel's; and of those */
	uint64_t kernel_zeros;	     /* the zero ones */
	struct entry_batch *batch;   /* while many are deleted; else NULL */
};
_Static_assert(sizeof(struct entry_table) <= sizeof(pthread_mutex_t) + 64,
	       "inodes are many");

/* An entry as it was under the table's lock. */
struct entry_info {
	uint64_t index; /* its first file page */
	unsigned order; /* 0 or 9 */
	enum entry_kind kind;
	enum entry_holder holder; /* empty: unheld */
	unsigned device;	  /* real only, as the next one */
	uint64_t device_page;
	unsigned associations; /* real, and zero of leases */
	bool locked;
	bool dirty; /* leases only */
	bool towrite;
};

/* What to put in. */
struct entry_new {
	enum entry_kind kind;	  /* real or zero */
	enum entry_holder holder; /* kernel or lease */
	unsigned device;
	uint64_t device_page; /* of the (first) page asked for */
	bool dirty;	      /* a lease that may write */
};

int entry_table_init(struct entry_table *table, struct pgmap *const *pgmaps)
	__attribute__((warn_unused_result));
/* Deletes what is left. Nobody else uses the table any more. */
void entry_table_fini(struct entry_table *table);

/* ------------------------------------------------------------ one entry */

/*
 * The entry of a page, locked, or a new empty one: the kernel's
 * grab_mapping_entry(). order 9 wants a 512-aligned index. An entry of order 9
 * may be answered for order 0 (a real one, used as it is: see out->order).
 * 0, -EEXIST, -ENOMEM. End with entry_unlock() or entry_drop().
 */
int entry_grab(struct entry_table *table, uint64_t index, unsigned order,
	       struct entry_info *out) __attribute__((warn_unused_result));

/*
 * Associate: new->device_page belongs to locked->index. Replaces zero, empty
 * and a real entry of another place (same holder, whose associations move
 * over [R4]); the same place again is one more lease, or for the kernel nothing
 * but the check that the device is live. The kernel's real entry stays where a
 * zero one is offered; of leases a page is the one or the other, for all of
 * them: -EBUSY. Updates *locked. 0, -ENXIO, -EBUSY, -EUSERS.
 */
int entry_insert_locked(struct entry_table *table, struct entry_info *locked,
			const struct entry_new *new)
	__attribute__((warn_unused_result));

/* Unlock and leave it as it is, empty too. */
void entry_unlock(struct entry_table *table, const struct entry_info *locked);

/* Unlock; if it is empty still, delete it: the way out of a failure. */
void entry_drop(struct entry_table *table, const struct entry_info *locked);

/* The entry that covers the page; locked or not. */
bool entry_lookup(struct entry_table *table, uint64_t index,
		  struct entry_info *out) __attribute__((warn_unused_result));

/* --------------------------------------------------------------- ranges */

/*
 * Grab, insert and unlock for npages pages that are contiguous on the device
 * (new->device_page is the first one's), under one hold of the lock per 512.
 * Where 512 are aligned in file and device, nothing smaller is there and the
 * run has them all: one entry of order 9. On failure *filled pages (may be
 * NULL) are in and stay; the rest is as it was.
 */
int entry_table_fill_run(struct entry_table *table, uint64_t index,
			 uint64_t npages, const struct entry_new *new,
			 uint64_t *filled) __attribute__((warn_unused_result));

/* One page. */
int entry_table_fill(struct entry_table *table, uint64_t index,
		     const struct entry_new *new)
	__attribute__((warn_unused_result));

/* Which entries a deletion means; empty ones always. */
#define ENTRY_OF_KERNEL 0x1u /* zero ones, too */
#define ENTRY_OF_LEASES 0x2u
#define ENTRY_OF_ALL (ENTRY_OF_KERNEL | ENTRY_OF_LEASES)
#define ENTRY_KEEP_DIRTY 0x4u /* invalidate; truncate does not */

/*
 * Delete entries with all their associations: whoever holds them has been told
 * or is past caring. Waits for locked ones. How many (an order-9 entry is one);
 * or -ENOMEM where a part of an order-9 entry was meant and could not be cut
 * off: what came before it is deleted, call again.
 */
int64_t entry_table_delete_range(struct entry_table *table, uint64_t first,
				 uint64_t last, unsigned which)
	__attribute__((warn_unused_result));
/* Whole entries of that device only; never fails. */
int64_t entry_table_delete_device(struct entry_table *table, unsigned device,
				  unsigned which);

/*
 * One lease of [first, last] ends: one association less on each page, zero ones
 * too; the last one deletes the entry. Number of entries deleted; or -ENOMEM,
 * which is found out before anything is changed.
 */
int64_t entry_table_disassociate(struct entry_table *table, uint64_t first,
				 uint64_t last)
	__attribute__((warn_unused_result));

/* No order-9 entry of leases reaches over the start of that page any more: a
 * range that begins or ends there is disassociated without fail, as long as its
 * leases last. 0, -ENOMEM. */
int entry_table_cut(struct entry_table *table, uint64_t index)
	__attribute__((warn_unused_result));

/*
 * Marks of leased entries, but for zero ones. Setting DIRTY waits for a flush
 * under way, whose end would wipe it out. An order-9 entry is marked as a
 * whole.
 */
void entry_table_set_mark(struct entry_table *table, uint64_t first,
			  uint64_t last, enum entry_mark mark);
void entry_table_clear_mark(struct entry_table *table, uint64_t first,
			    uint64_t last, enum entry_mark mark);
bool entry_table_test_mark(struct entry_table *table, uint64_t index,
			   enum entry_mark mark);

/*
 * fsync of leased entries [R8]: DIRTY becomes TOWRITE over the range; then one
 * at a time is locked, TOWRITE cleared, flushed, DIRTY cleared, unlocked. Stops
 * at the first error of flush, which leaves that entry DIRTY.
 */
typedef int entry_flush_fn(void *arg, unsigned device, uint64_t device_page,
			   unsigned order);
int entry_table_writeback_range(struct entry_table *table, uint64_t first,
				uint64_t last, entry_flush_fn *flush, void *arg)
	__attribute__((warn_unused_result));

/* Snapshots in order, without any lock held; stops at non-zero, answers it. */
typedef int entry_fn(const struct entry_info *info, void *arg);
int entry_table_walk(struct entry_table *table, uint64_t first, uint64_t last,
		     entry_fn *fn, void *arg);

/*
 * Where the leased pages of a range are, joined where they go on on the device;
 * holes left out. Snapshots, as above.
 */
struct entry_run {
	uint64_t index;
	uint64_t npages;
	unsigned device;
	uint64_t device_page;
};
typedef int entry_run_fn(const struct entry_run *run, void *arg);
int entry_table_walk_leased(struct entry_table *table, uint64_t first,
			    uint64_t last, entry_run_fn *fn, void *arg);

/* Entries of every kind; the kernel's; the kernel's zero ones. */
uint64_t entry_table_count(struct entry_table *table);
uint64_t entry_table_kernel(struct entry_table *table);
uint64_t entry_table_kernel_zeros(struct entry_table *table);

/* Does a lease hold a page of the range, as a hole too? */
bool entry_table_has_leases(struct entry_table *table, uint64_t first,
			    uint64_t last);

/*
 * R11, the way from the kernel to leases: begin marks the kernel's entries of
 * the range (false: there are none), the caller has the kernel drop its pages,
 * and end deletes them: if nothing was filled since. Else, -EAGAIN, nothing is
 * deleted and it is to begin again. Both with fills kept out (inode.lock
 * exclusive); in between they may come. end: entries deleted, -ENOMEM.
 */
bool entry_table_expel_begin(struct entry_table *table, uint64_t first,
			     uint64_t last) __attribute__((warn_unused_result));
int64_t entry_table_expel_end(struct entry_table *table, uint64_t first,
			      uint64_t last)
	__attribute__((warn_unused_result));

/* The ledger: pages × associations on a device, by walking [R10]. */
uint64_t entry_table_active(struct entry_table *table, unsigned device);

/*
 * R7's scan: npages from index on are at device_page on device. Is one of them
 * busy for other reasons than a kernel mapping in this table? busy (may be
 * NULL): its file page.
 */
bool entry_table_busy_range(struct entry_table *table, uint64_t index,
			    uint64_t npages, unsigned device,
			    uint64_t device_page, uint64_t *busy);

#endif
