/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map.h -- what udax_mmap() and its kin have in common
 *
 * Locking: client.lock for _locked.
 */
#ifndef UDAX_CLIENT_MAP_H
#define UDAX_CLIENT_MAP_H

#include "client/client.h"

/* The memory of [start, end) is gone already, and the table is cut at both
 * ends (or it need not be: nothing of ours reaches over them): leases are given
 * back. */
void map_forget_locked(uintptr_t start, uintptr_t end);
/* Has [start, end) anything of ours? */
bool map_is_ours_locked(uintptr_t start, uintptr_t end);
/* munmap(2). */
int map_unmap_locked(uintptr_t start, uintptr_t end)
	__attribute__((warn_unused_result));

struct map_want {
	uintptr_t addr; /* a hint, or where, as flags say */
	size_t length;
	int prot;
	int flags; /* of mmap(2) */
	uint64_t offset;
};
/* A new range of the mapping, made of holes, then filled unless it is lazy.
 * The address, or a negative errno. */
long map_create(struct mapping *mapping, const struct map_want *want);

#endif
