/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_hole.h -- what truncate, punch, zero range and free share
 *
 * Private to file_*.c. inode.lock is held exclusively throughout.
 */
#ifndef UDAX_CORE_FILE_HOLE_H
#define UDAX_CORE_FILE_HOLE_H

#include "core/file_change.h"

#define BLOCK_MASK (BLOCK_BYTES - UINT64_C(1))

/* pending_end of a truncate: no file has a byte from there on. */
#define HOLE_TO_THE_END (EXTENT_BLOCKS_END << BLOCK_SHIFT)

static inline uint64_t block_round_up(uint64_t bytes)
{
	return (bytes + BLOCK_MASK) & ~BLOCK_MASK;
}

static inline uint64_t block_round_down(uint64_t bytes)
{
	return bytes & ~BLOCK_MASK;
}

/* Blocks [start, end) may go: entries are deleted, or -EBUSY. */
int file_break(struct fs *fs, struct inode *inode, uint64_t start, uint64_t end)
	__attribute__((warn_unused_result));
/* Drop whole blocks of [start, end): 1 all are gone, 0 no room, or an error. */
int file_hole_cut(struct file_change *change, uint64_t start, uint64_t end)
	__attribute__((warn_unused_result));
/* What is at the edges of the bytes [start, end) can be zeroed, later, in
 * place: the blocks are the file's own. */
int file_hole_gate(struct file_change *change, uint64_t start, uint64_t end)
	__attribute__((warn_unused_result));
/* The bytes that lie in blocks which [start, end) does not cover whole. */
int file_hole_zero_edges(struct file_change *change, uint64_t start,
			 uint64_t end) __attribute__((warn_unused_result));
/* Mark it as pending; end 0: nothing is. */
void file_hole_mark(struct file_change *change, uint64_t start, uint64_t end);
/* As far as this link reaches: 1 done and the mark cleared, 0, or an error. */
int file_hole_link(struct file_change *change)
	__attribute__((warn_unused_result));
/* Link after link until pending_* is done with. */
int file_hole_finish(struct fs *fs, struct request *request,
		     struct inode *inode) __attribute__((warn_unused_result));
/* Of a truncate whose chain could not be finished: before anything comes where
 * it would cut. */
int file_hole_settle(struct request *request, struct inode *inode)
	__attribute__((warn_unused_result));
/* Bytes [start, end) become a hole. */
int file_punch_locked(struct request *request, struct inode *inode,
		      uint64_t start, uint64_t end)
	__attribute__((warn_unused_result));

#endif
