/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * space.h -- room for what core itself stores on the metadata device
 *
 * The allocator's reserve is for what must work on a full filesystem: trees
 * that split while something is deleted or moved. What only makes the
 * filesystem fuller asks space_left() first.
 *
 * Units:  blocks. Errors: -ENOSPC, -ENXIO (the device is going).
 */
#ifndef UDAX_CORE_SPACE_H
#define UDAX_CORE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

struct fs;

/* What a metadata device of that size keeps in reserve. */
uint64_t space_reserve_blocks(uint64_t device_blocks);
/* Is there more than the reserve? 0 or -ENOSPC. */
int space_left(struct fs *fs) __attribute__((warn_unused_result));
/*
 * That many blocks in one run, from anywhere on the metadata device. Given
 * back with alloc_give(), or by the transaction that has txn_took() them.
 */
int space_take_whole(struct fs *fs, uint64_t blocks, uint64_t *start)
	__attribute__((warn_unused_result));

#endif
