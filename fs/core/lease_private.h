/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease_private.h -- what the files of lease_*.c share
 *
 *   client ──→ lease ──→ pieces (what is left of it, in order)
 *          ──→ pin                 │
 *   file (by inode number) ──→ pieces, pins, breaks, words
 *
 * A lease begins as one piece; giving back a part of it cuts. A piece that is
 * given back leaves its lease at once, so that nobody finds it there again, but
 * stays with the file, in the way of breaks, until its entries are deleted:
 * which is done without the lock, for there may be a million.
 *
 * Locking: fs.lease_lock on every call that ends in _locked, and for every
 *          field. What must happen without it (done(), the end of a hold) is
 *          gathered in a struct lease_after.
 */
#ifndef UDAX_CORE_LEASE_PRIVATE_H
#define UDAX_CORE_LEASE_PRIVATE_H

#include "core/fs.h"
#include "core/inode.h"
#include "core/lease.h"

#include <pthread.h>
#include <stddef.h>

#define LEASE_BUCKETS (1u << 16)
#define LEASE_PINS_MAX (1u << 16) /* a client */

/* A chained hash of things that have one of these. */
struct lease_link {
	struct lease_link *next;
	uint64_t key;
};

struct lease_hash {
	struct lease_link **heads;
	size_t count;
};

struct lease_piece {
	LIST_ENTRY(lease_piece) of_file;
	struct lease *lease;
	uint64_t first, last;
	bool leaving;
	struct lease_piece *next; /* of those that leave together */
};

/* Where clients tell of their stores: one a handle, used by its leases. */
struct lease_word {
	LIST_ENTRY(lease_word) of_file;
	_Atomic uint64_t *stored_ns;
	uint64_t seen_ns;
	uint64_t users;
};

LIST_HEAD(lease_piece_list, lease_piece);
LIST_HEAD(lease_break_list, lease_break);
LIST_HEAD(lease_word_list, lease_word);

/* There as long as it has a piece, a pin or a break. */
struct lease_file {
	struct lease_link by_ino;
	struct lease_piece_list pieces;
	struct lease_pin_list pins;
	struct lease_break_list breaks;
	struct lease_word_list words;
};

struct lease {
	struct lease_link by_id;
	LIST_ENTRY(lease) of_client;
	struct lease_client *client;
	struct lease_file *file;
	struct inode *inode; /* held */
	unsigned device;
	bool writable;
	struct lease_word *word;
	int64_t since_ns;
	pid_t pid;
	char command[16];
	struct lease_piece **pieces; /* in order */
	unsigned count, room;
	unsigned leaving;   /* pieces on their way out */
	uint64_t stored_ns; /* last words, for who ends the hold */
	struct lease *next;
};

struct lease_pin_run {
	uint64_t device_page;
	uint64_t npages;
};

struct lease_pin {
	struct lease_link by_id;
	LIST_ENTRY(lease_pin) of_client;
	LIST_ENTRY(lease_pin) of_file;
	struct lease_client *client;
	struct lease_file *file;
	struct inode *inode; /* held */
	uint64_t lease;
	uint64_t first, last;
	unsigned device;
	int64_t since_ns;
	pid_t pid;
	char command[16];
	struct lease_pin *next;
	unsigned run_count;
	struct lease_pin_run *runs;
};

/* A link is the first thing in what it links; NULL: NULL. */
static inline struct lease *lease_of(struct lease_link *link)
{
	return (struct lease *)link;
}

static inline struct lease_pin *lease_pin_of(struct lease_link *link)
{
	return (struct lease_pin *)link;
}

static inline struct lease_file *lease_file_of(struct lease_link *link)
{
	return (struct lease_file *)link;
}

_Static_assert(offsetof(struct lease, by_id) == 0, "it is the first");
_Static_assert(offsetof(struct lease_pin, by_id) == 0, "it is the first");
_Static_assert(offsetof(struct lease_file, by_ino) == 0, "it is the first");

struct leases {
	const struct lease_ops *ops;
	void *arg;
	uint64_t next_id;
	bool closing;		 /* clients are not looked at any more */
	pthread_cond_t returned; /* a client's `returning` fell */
	struct lease_hash by_id, pins, files;
};

/* To be done without the lock: lease_after(). Zeroed at first. */
struct lease_after {
	struct lease *leases;
	struct lease_pin *pins;
	struct lease_break *breaks;
};

static inline bool lease_overlaps(uint64_t first, uint64_t last, uint64_t from,
				  uint64_t to)
{
	return first <= to && from <= last;
}

static inline uint64_t lease_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t lease_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline struct entry_table *lease_entries(struct inode *inode)
{
	return &atomic_load(&inode->active)->entries; /* it is held */
}

/* lease_find.c */
struct lease_link *lease_hash_find(const struct lease_hash *hash, uint64_t key);
void lease_hash_add(struct lease_hash *hash, struct lease_link *link);
void lease_hash_remove(struct lease_hash *hash, struct lease_link *link);
/* NULL: there is none. */
struct lease_file *lease_file_find_locked(struct fs *fs, uint64_t ino);
/* NULL: no memory. */
struct lease_file *lease_file_make_locked(struct fs *fs, uint64_t ino);
/* If it has nothing left. */
void lease_file_put_locked(struct fs *fs, struct lease_file *file);
struct lease *lease_find_locked(struct fs *fs,
				const struct lease_client *client, uint64_t id);
/* Index of the first piece that ends at `page` or after. */
unsigned lease_piece_at(const struct lease *lease, uint64_t page);
/* Are all these pages there? */
bool lease_covers(const struct lease *lease, uint64_t first, uint64_t last);

/* lease.c */
void lease_after(struct fs *fs, struct lease_after *after);

/* lease_return.c */
/* All that is left of a lease is on its way out: put on *leaving. */
void lease_leave_locked(struct lease *lease, struct lease_piece **leaving);
/* Pieces on their way out arrive: their entries deleted, then they themselves.
 * How many entries. */
uint64_t lease_finish(struct fs *fs, struct lease_piece *leaving,
		      struct lease_after *after);

/* lease_break.c */
bool lease_breaking_locked(const struct lease_file *file, uint64_t first,
			   uint64_t last);
/* n things of the file in that range are in the way of breaks more (less). */
void lease_obstacle_locked(struct lease_file *file, uint64_t first,
			   uint64_t last, int64_t n, struct lease_after *after);
/* These pages of a lease are not pinned any more: who waits for them asks. */
void lease_recall_again_locked(struct fs *fs, struct lease_file *file,
			       const struct lease *lease, uint64_t first,
			       uint64_t last);
/* Call a range back for nobody in particular. */
int lease_call_back(struct fs *fs, uint64_t ino, uint64_t first, uint64_t last)
	__attribute__((warn_unused_result));

/* lease_pin.c */
/* The first part of [first, last] without a pin of that lease: from *from to
 * *to; false: none. */
bool lease_unpinned_locked(const struct lease_file *file, uint64_t lease,
			   uint64_t first, uint64_t last, uint64_t *from,
			   uint64_t *to);
/* Out of all lists, and onto after->pins. */
void lease_pin_drop_locked(struct fs *fs, struct lease_pin *pin,
			   struct lease_after *after);

/* lease_store.c */
/* These pages may have been stored to; the inode is held. */
void lease_store_left(struct inode *inode, uint64_t first, uint64_t last);

/* lease_time.c */
struct lease_word *lease_word_get_locked(struct lease_file *file,
					 _Atomic uint64_t *stored_ns);
/* Its last value, if that is news; else 0. */
uint64_t lease_word_put_locked(struct lease_word *word);
/* mtime as of then; the inode is held, no lock is. */
void lease_store_mtime(struct fs *fs, struct inode *inode, uint64_t stored_ns);

#endif
