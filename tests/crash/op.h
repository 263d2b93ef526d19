/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * op.h -- one operation of a script: what it is, what it does to the shadow,
 * how it is performed
 *
 * A plain structure, so that a script can be repeated and printed. Paths are
 * relative to the root; "@N" is the inode held in slot N (an open file, maybe
 * without a name). Every operation of a script succeeds.
 */
#ifndef UDAX_TESTS_CRASH_OP_H
#define UDAX_TESTS_CRASH_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define OP_PATH_BYTES 64
#define OP_SLOTS 8
#define OP_ACL_BYTES 64

enum op_kind {
	OP_MOUNT,
	OP_UNMOUNT,
	OP_FILL,       /* blocks without bytes for `path`, all but `length` */
	OP_CHECKPOINT, /* the log's, as when its ring is full */
	OP_REMOVE,     /* device `flags` */
	OP_CANCEL,     /* a removal begun and taken back */
	OP_CREATE,
	OP_MKDIR,
	OP_SYMLINK, /* length: of the target */
	OP_MKNOD,
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_TMPFILE, /* path: the directory */
	OP_OPEN,
	OP_CLOSE,
	OP_CHMOD,
	OP_CHOWN,
	OP_UTIMES,
	OP_XATTR_SET, /* path2: its name */
	OP_XATTR_REMOVE,
	OP_WRITE,
	OP_TRUNCATE,
	OP_FALLOCATE,
	OP_FSYNC,
	OP_LEASE,	  /* slot's file, pages of [offset, offset + length) */
	OP_LEASE_STORE,	  /* by the client, who tells nobody */
	OP_LEASE_PERSIST, /* udax_persist(): client's own flush and fence */
	OP_LEASE_WRITE,	  /* udax_pwrite(): durable when it returns */
	OP_LEASE_SYNC,	  /* udax_msync(), by the daemon */
	OP_LEASE_RETURN,
	OP_COPY,	/* copy_file_range from path to path2 */
	OP_DEFAULT_ACL, /* of a directory */
	OP_KINDS
};

/* Are the states after it judged? */
enum op_then { OP_THEN_AS_BEFORE, OP_THEN_UNJUDGED, OP_THEN_JUDGED };

struct op {
	enum op_kind kind;
	enum op_then then;
	unsigned thread;
	unsigned slot;
	char path[OP_PATH_BYTES], path2[OP_PATH_BYTES];
	uint64_t offset, offset2, length;
	mode_t mode;
	int flags;
	uint32_t file;	  /* the pattern's: who wrote it */
	uint32_t version; /* and when */
	/* Learnt when it was performed. */
	uint64_t ino;
	struct timespec mtime;
	mode_t mode_then;
	unsigned char acl[OP_ACL_BYTES]; /* of a new inode */
	uint32_t acl_length;		 /* 0: it has none */
	bool has_default;		 /* its directory's */
};

struct live;
struct shadow;

const char *op_name(enum op_kind kind);
void op_print(const struct op *op, char *text, size_t text_bytes);

/* Bytes that name their file, version and offset. */
void pattern_fill(void *to, uint32_t file, uint32_t version, uint64_t offset,
		  size_t length);
/* The default ACL that there is, of OP_ACL_BYTES at most: its length. */
uint32_t acl_fill(unsigned char *to);
/* A word of it, in words. */
void pattern_say(uint64_t word, char *text, size_t text_bytes);

/* Its inode in the shadow is as after it; torn: its bytes may be a mixture. */
void op_apply(struct shadow *shadow, const struct op *op, bool torn);

/* On a mounted filesystem; aborts the program if it fails. */
void op_perform(struct live *live, struct op *op);

#endif
