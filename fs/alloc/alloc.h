/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alloc.h -- free blocks of one device, in memory only
 *
 * The media holds no allocation state but the extents themselves; this map is
 * rebuilt from them after a crash, or loaded after a clean unmount. A bitmap
 * by 2 MiB unit with a free count each, and a summary of wholly free units,
 * so that large files find aligned runs and small ones fill broken units.
 *
 * Units:   4 KiB blocks of the device, block 0 = its first.
 * Locking: its own mutex, the innermost of all; never blocks on anything else.
 */
#ifndef UDAX_ALLOC_ALLOC_H
#define UDAX_ALLOC_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

struct alloc;
struct device;

struct alloc_want {
	uint64_t blocks; /* at most this many, at least one */
	uint64_t goal;	 /* continue here if free; 0 = no wish */
	/*
	 * aligned: take (part of) a wholly free 2 MiB unit, starting at the
	 * block whose number is phase modulo 512, if there is one. A goal
	 * out of phase is then no wish.
	 */
	bool aligned;
	uint16_t phase;
	bool metadata; /* may dip into the reserve */
};

/* Everything used; alloc_mark_free() opens what the device offers. -ENOMEM. */
int alloc_create(struct alloc **out, uint64_t device_blocks,
		 uint64_t reserve_blocks) __attribute__((warn_unused_result));
void alloc_destroy(struct alloc *alloc);

/* Rebuild: make a run free; -ERANGE if it does not fit the device. */
int alloc_mark_free(struct alloc *alloc, uint64_t start, uint64_t blocks)
	__attribute__((warn_unused_result));
/* Rebuild: -EUCLEAN if any of it is used already, -ERANGE off the device. */
int alloc_mark_used(struct alloc *alloc, uint64_t start, uint64_t blocks)
	__attribute__((warn_unused_result));

/* One contiguous run; *got <= want->blocks. -ENOSPC; -ENXIO when stopped. */
int alloc_take(struct alloc *alloc, const struct alloc_want *want,
	       uint64_t *start, uint64_t *got)
	__attribute__((warn_unused_result));
/*
 * What is free already, or not there, is not given: only damaged media name it
 * (two owners of one block, a saved map that was wrong), and from then on the
 * map is not sound: what is free must be found anew from the extents.
 */
void alloc_give(struct alloc *alloc, uint64_t start, uint64_t blocks);
bool alloc_sound(const struct alloc *alloc);

/* The device is going: nothing is taken from it any more (or is again). */
void alloc_stop(struct alloc *alloc, bool stopped);

uint64_t alloc_free_blocks(const struct alloc *alloc);
uint64_t alloc_reserve_blocks(const struct alloc *alloc);

/*
 * The bitmap as media/freemap.h has it (1 = used), for saving and loading:
 * (device_blocks + 7) / 8 bytes. Import replaces the map; -EUCLEAN if bits
 * past the last block are not 1 (nothing has changed then).
 */
void alloc_export(struct alloc *alloc, void *bitmap);
int alloc_import(struct alloc *alloc, const void *bitmap)
	__attribute__((warn_unused_result));

#endif
