/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shadow.h -- the filesystem as plain memory: what may be seen
 *
 * Nodes are shared between shadows and copied when one changes them, so that
 * a shadow before and one after each operation costs little.
 */
#ifndef UDAX_TESTS_CRASH_SHADOW_H
#define UDAX_TESTS_CRASH_SHADOW_H

#include "crash/op.h"

#include <sys/stat.h>

#define SHADOW_NAME 32 /* of a file or an xattr */
#define SHADOW_NODES 2048
#define SHADOW_XATTRS 8
#define SHADOW_ALTERNATES 4
#define NODE_NONE (-1)

struct shadow_entry {
	char name[SHADOW_NAME];
	int node;
};

struct shadow_xattr {
	char name[SHADOW_NAME]; /* empty: none */
	uint32_t version;	/* of its pattern; an ACL has `acl` instead */
	uint32_t length;
	unsigned char acl[OP_ACL_BYTES];
};

/* What a file may have been besides: a store that nobody has answered. */
struct shadow_alternate {
	unsigned char *data;
	uint64_t size;
};

struct shadow_node {
	unsigned refs;
	uint64_t ino; /* 0: not learnt */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned nlink;
	dev_t rdev;
	bool mtime_known;
	struct timespec mtime;
	uint64_t size;
	unsigned char *data; /* a file's bytes, a symlink's target */
	struct shadow_alternate alternate[SHADOW_ALTERNATES];
	unsigned alternates;
	bool loose; /* any of their sizes with any of their bytes */
	struct shadow_entry *entries; /* a directory's */
	unsigned count;
	struct shadow_xattr xattr[SHADOW_XATTRS];
};

struct shadow {
	struct shadow_node *node[SHADOW_NODES]; /* NULL: none */
	int count;
	int slot[OP_SLOTS];
};

/* The root alone. */
void shadow_init(struct shadow *shadow);
void shadow_fini(struct shadow *shadow);
/* `to` is uninitialised memory. */
void shadow_copy(struct shadow *to, const struct shadow *from);
/* Nothing that was under way is any more: slots, nameless inodes. */
void shadow_let_go(struct shadow *shadow);

int shadow_find(const struct shadow *shadow, const char *path);
int shadow_entry(const struct shadow *shadow, int dir, const char *name);
/* The directory of a path, and the name in it. */
int shadow_parent(const struct shadow *shadow, const char *path,
		  const char **name);
/* To be changed: a node of this shadow's own. */
struct shadow_node *shadow_edit(struct shadow *shadow, int node);
/* One as it is now, whatever becomes of it; given back with put. */
struct shadow_node *shadow_keep(struct shadow *shadow, int node);
void shadow_node_put(struct shadow_node *node);
int shadow_add(struct shadow *shadow, mode_t mode);
void shadow_put_entry(struct shadow *shadow, int dir, const char *name,
		      int node);
void shadow_drop_entry(struct shadow *shadow, int dir, const char *name);
/* Up or down, with zeros. */
void shadow_resize(struct shadow_node *node, uint64_t size);
void shadow_add_alternate(struct shadow_node *node,
			  const struct shadow_node *old);
void shadow_drop_alternates(struct shadow_node *node);

#endif
