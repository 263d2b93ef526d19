/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h -- what of this process's address space is ours, and how
 *
 * Segments: address ranges that do not overlap, sorted. A segment is of one
 * mapping (one udax_mmap(), or the region behind one file's reads and writes),
 * in one state, and, when mapped, of one lease. Any address may be split at;
 * what is true of a segment is then true of both halves.
 *
 *   HOLE ──fetched──→ MAPPED ──recalled (change)──→ HOLE
 *     │                  │
 *     └──refused──→ POISON ←──recalled (removal)
 *
 * HOLE    no lease. Registered with userfaultfd: a touch fetches one. Without
 *         userfaultfd, and in regions: not accessible.
 * MAPPED  device memory, or zeros where the lease says so.
 * POISON  an empty memfd: SIGBUS. For good, or until `until_ns`, after which
 *         it is a hole again (what was beyond EOF may be inside now).
 *
 * Owns:    the segments; each holds a reference on its mapping.
 * Units:   bytes, multiples of 4096.
 * Errors:  -ENOMEM.
 * Locking: client.lock, by the caller.
 */
#ifndef UDAX_CLIENT_TABLE_H
#define UDAX_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum segment_state { SEGMENT_HOLE, SEGMENT_MAPPED, SEGMENT_POISON };

struct mapping;

struct segment {
	uintptr_t start, end;
	uint64_t offset; /* in the file, of start */
	struct mapping *mapping;
	int prot;
	uint8_t state;
	uint8_t granularity; /* MAPPED: as in udax/protocol.h, or VOLATILE */
	bool writable;	     /* MAPPED: by a writable lease */
	bool zeros;	     /* MAPPED: holes of the file are in it */
	bool forever;	     /* POISON */
	uint32_t device;     /* MAPPED */
	uint64_t lease;	     /* MAPPED */
	uint64_t recalled;   /* the recall that takes it; 0: none */
	int64_t until_ns;    /* POISON, not forever: CLOCK_MONOTONIC */
};

/* granularity: a tmpfs, where nothing is durable and a fence is all */
#define SEGMENT_VOLATILE 3

/* How long what lies beyond EOF is poison once it was touched: as long as a
 * file that grew meanwhile may still raise SIGBUS there. */
#define SEGMENT_POISON_MS 5

struct table {
	struct segment **segment;
	size_t count, room;
};

/* The first segment that ends above addr; table->count if none. */
size_t table_find(const struct table *table, uintptr_t addr);
/* The segment with addr in it, or NULL. */
struct segment *table_at(const struct table *table, uintptr_t addr);

/* Room for so many more segments, so that the next ones cannot fail. */
int table_reserve(struct table *table, size_t more)
	__attribute__((warn_unused_result));
/* No segment has addr inside it afterwards, at its start at most. */
int table_split(struct table *table, uintptr_t addr)
	__attribute__((warn_unused_result));
/* Both ends. */
int table_cut(struct table *table, uintptr_t start, uintptr_t end)
	__attribute__((warn_unused_result));
/* A copy of *like, which overlaps nothing. Takes a reference on its mapping. */
int table_insert(struct table *table, const struct segment *like)
	__attribute__((warn_unused_result));
/* Segments [first, first + count) go, with their references. */
void table_remove(struct table *table, size_t first, size_t count);

/* What the table tells of mappings; elsewhere (tests bring their own). */
void mapping_hold(struct mapping *mapping);
void mapping_drop(struct mapping *mapping);

#endif
