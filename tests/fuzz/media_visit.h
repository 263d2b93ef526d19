/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * media_visit.h -- what walking a mount (media_walk.c) and changing it
 * (media_change.c) share
 *
 * One request at a time, as a serving thread makes it.
 */
#ifndef UDAX_TESTS_FUZZ_MEDIA_VISIT_H
#define UDAX_TESTS_FUZZ_MEDIA_VISIT_H

#include "media_walk.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/xattr.h"

#define VISIT_INODES 2048
#define FOUND 48
#define RANGES 512
#define READ_BYTES (64u << 10)
#define WHOLE_BYTES (2u << 20) /* such a file is read from end to end */
#define BUDGET_BYTES (16u << 20)

struct visit_name {
	uint64_t dir;
	char name[256];
};

struct visit {
	struct fs *fs;
	struct request request;
	struct walk_result *result;
	const char *operation;
	uint64_t ino;
	uint64_t budget_bytes;
	uint64_t seen[VISIT_INODES / 64];
	uint64_t todo[VISIT_INODES];
	unsigned todo_count;
	unsigned names;
	bool keeps; /* a lookup of all that was seen, as a kernel may */
	uint64_t kept[VISIT_INODES / 64];
	struct visit_name found[FOUND];
	unsigned found_count;
};

/* False: the filesystem is gone. */
bool visit_begin(struct visit *visit, const char *operation,
		 struct inode *inode);
/* Ended, and what it answered taken note of: 0 or the error. */
int visit_end(struct visit *visit, ssize_t done);

static inline void visit_forget(struct visit *visit, struct inode *inode)
{
	request_begin_ungated(&visit->request, "forget", inode->ino);
	inode_forget(visit->fs, inode, 1);
	request_end(&visit->request);
}

/* Some of every operation, on what was found. */
void visit_change(struct visit *visit, unsigned seed);

#endif
