/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.h -- a file at the daemon: what OPEN gave for a token
 *
 * Shared by all mappings and descriptors of that file with no more access than
 * it has: the open file has shown its permission either by a token, or by
 * being an open file of the same inode in this very process, whose access mode
 * the kernel tells.
 *
 * Locking: refs under client.lock.
 */
#ifndef UDAX_CLIENT_HANDLE_H
#define UDAX_CLIENT_HANDLE_H

#include "client/conn.h"

struct handle {
	struct handle *next;
	struct conn *conn;
	unsigned int refs;
	uint32_t number;
	uint32_t access; /* UDAX_OPEN_* */
	uint64_t inode, generation;
	const _Atomic uint64_t *size; /* NULL: not known without asking */
	_Atomic uint64_t *stored;
	_Atomic(struct region *) region; /* region.h */
	unsigned int opened; /* descriptors it is read and written by */
	_Atomic int pause;   /* so many system calls before it is tried again */
};

/* What fstat and fcntl say of fd, as far as it matters. */
struct handle_file {
	dev_t dev;
	uint64_t inode;
	uint32_t access; /* UDAX_OPEN_* ; 0: not readable */
	bool regular;
	bool append;
};
int handle_file_of(int fd, struct handle_file *out)
	__attribute__((warn_unused_result));

/* With a reference. */
int handle_open(int fd, const struct handle_file *file, struct handle **out)
	__attribute__((warn_unused_result));
void handle_hold_locked(struct handle *handle);
void handle_put_locked(struct handle *handle);

/* "Something was stored, now." Any thread, no lock. */
void handle_stored(struct handle *handle);

#endif
