/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/script.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024u
#define BLOCK 4096u

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t script_random(struct script *script, uint64_t below)
{
	return random_next(&script->random) % below;
}

struct op *script_add(struct script *script, struct op op)
{
	if (script->count == script->room) {
		script->room = script->room * 2 + 64;
		script->ops = realloc(script->ops,
				      script->room * sizeof(*script->ops));
	}
	op.version = ++script->version;
	if (op.kind == OP_WRITE || op.kind == OP_LEASE_STORE ||
	    op.kind == OP_LEASE_WRITE)
		op.file = (uint32_t)shadow_find(&script->shadow, op.path) + 1;
	script->ops[script->count] = op;
	op_apply(&script->shadow, &op, false);
	return &script->ops[script->count++];
}

void script_make(struct script *script, const struct script_kind *kind,
		 uint64_t seed)
{
	memset(script, 0, sizeof(*script));
	script->name = kind->name;
	script->devices = kind->devices;
	script->random = seed;
	shadow_init(&script->shadow);
	kind->make(script);
	shadow_fini(&script->shadow);
}

void script_fini(struct script *script)
{
	free(script->ops);
}

/* ---------------------------------------------------------------- shorthand */

static struct op *add(struct script *script, enum op_kind kind,
		      const char *path)
{
	struct op op = { .kind = kind, .mode = 0644 };

	snprintf(op.path, sizeof(op.path), "%s", path);
	return script_add(script, op);
}

static void two(struct script *script, enum op_kind kind, const char *path,
		const char *path2, int flags)
{
	struct op op = { .kind = kind, .flags = flags };

	snprintf(op.path, sizeof(op.path), "%s", path);
	snprintf(op.path2, sizeof(op.path2), "%s", path2);
	script_add(script, op);
}

static void range(struct script *script, enum op_kind kind, const char *path,
		  uint64_t offset, uint64_t length, int flags)
{
	struct op op = {
		.kind = kind, .offset = offset, .length = length, .flags = flags
	};

	snprintf(op.path, sizeof(op.path), "%s", path);
	script_add(script, op);
}

static void put(struct script *script, const char *path, uint64_t offset,
		uint64_t length)
{
	range(script, OP_WRITE, path, offset, length, 0);
}

static void slot(struct script *script, enum op_kind kind, const char *path,
		 unsigned slot)
{
	struct op op = { .kind = kind, .mode = 0600, .slot = slot };

	snprintf(op.path, sizeof(op.path), "%s", path);
	script_add(script, op);
}

static void xattr(struct script *script, const char *path, const char *name,
		  uint64_t length)
{
	struct op op = { .kind = OP_XATTR_SET, .length = length };

	snprintf(op.path, sizeof(op.path), "%s", path);
	snprintf(op.path2, sizeof(op.path2), "%s", name);
	script_add(script, op);
}

static void file(struct script *script, const char *path, uint64_t length)
{
	add(script, OP_CREATE, path);
	if (length > 0)
		put(script, path, 0, length);
}

static void cut_from_here(struct script *script)
{
	script->cut_from = script->count;
}

/* After the last operation. */
static void judge(struct script *script, bool judged)
{
	script->ops[script->count - 1].then = judged ? OP_THEN_JUDGED
						     : OP_THEN_UNJUDGED;
}

/* ------------------------------------------------------------------ names */

static void make_names(struct script *script)
{
	add(script, OP_MOUNT, "");
	add(script, OP_MKDIR, "a");
	add(script, OP_MKDIR, "b");
	add(script, OP_UNMOUNT, "");
	cut_from_here(script);
	add(script, OP_MOUNT, "");
	add(script, OP_CREATE, "a/file");
	add(script, OP_MKDIR, "a/dir");
	add(script, OP_SYMLINK, "a/short")->length = 20;
	add(script, OP_SYMLINK, "a/long")->length = 900;
	add(script, OP_MKNOD, "a/fifo")->mode = S_IFIFO | 0600;
	two(script, OP_LINK, "a/file", "b/file", 0);
	two(script, OP_RENAME, "a/file", "b/name", 0);
	two(script, OP_RENAME, "a/dir", "b/dir", 0);
	two(script, OP_RENAME, "a/fifo", "b/dir", RENAME_EXCHANGE);
	two(script, OP_RENAME, "b/name", "b/name2", RENAME_NOREPLACE);
	add(script, OP_CREATE, "a/over");
	two(script, OP_RENAME, "a/over", "b/name2", 0);
	add(script, OP_UNLINK, "b/file");
	add(script, OP_RMDIR, "a/fifo");
	slot(script, OP_TMPFILE, "a", 0);
	put(script, "@0", 0, 5000);
	two(script, OP_LINK, "@0", "b/linked", 0);
	slot(script, OP_TMPFILE, "b", 1);
	put(script, "@1", 0, 9000);
	slot(script, OP_OPEN, "b/linked", 2);
	add(script, OP_UNLINK, "b/linked");
	slot(script, OP_CLOSE, "", 0);
	slot(script, OP_CLOSE, "", 2);
	add(script, OP_UNMOUNT, ""); /* slot 1 is an orphan still */
}

static void make_attributes(struct script *script)
{
	struct op chown = {
		.kind = OP_CHOWN, .path = "f", .offset = 77, .offset2 = 88
	};

	add(script, OP_MOUNT, "");
	file(script, "f", 6000);
	add(script, OP_MKDIR, "d");
	cut_from_here(script);
	add(script, OP_CHMOD, "f")->mode = 04755;
	script_add(script, chown);
	add(script, OP_UTIMES, "f");
	add(script, OP_UTIMES, "d");
	xattr(script, "f", "user.small", 10);
	xattr(script, "f", "user.large", 9000);
	xattr(script, "f", "user.middle", 1000);
	xattr(script, "f", "user.large", 20000);
	xattr(script, "f", "user.large", 30);
	xattr(script, "d", "user.large", 65536);
	two(script, OP_XATTR_REMOVE, "f", "user.small", 0);
	two(script, OP_XATTR_REMOVE, "d", "user.large", 0);
	put(script, "f", 100, 200); /* its mtime lags */
	add(script, OP_FSYNC, "f");
	add(script, OP_DEFAULT_ACL, "d");
	add(script, OP_CREATE, "d/file")->mode = 0666;
	add(script, OP_MKDIR, "d/dir")->mode = 0777;
	two(script, OP_XATTR_REMOVE, "f", "user.middle", 0);
	two(script, OP_XATTR_REMOVE, "f", "user.large", 0);
	add(script, OP_UNLINK, "f");
	add(script, OP_UNMOUNT, "");
}

/* ------------------------------------------------------------------- data */

static void make_data(struct script *script)
{
	add(script, OP_MOUNT, "");
	cut_from_here(script);
	file(script, "inline", 100);
	put(script, "inline", 50, 250);
	put(script, "inline", 200, 3000); /* leaves the inode */
	file(script, "f", 20000);
	put(script, "f", 3000, 100);
	put(script, "f", 4095, 8194);
	put(script, "f", 20000, 5000);
	put(script, "f", 60000, 9000);
	put(script, "f", 30000, 20000);
	range(script, OP_TRUNCATE, "f", 0, 50001, 0);
	range(script, OP_TRUNCATE, "f", 0, 70000, 0);
	range(script, OP_FALLOCATE, "f", 5000, 20000,
	      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	range(script, OP_FALLOCATE, "f", 8192, 8192,
	      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	range(script, OP_FALLOCATE, "f", 0, 40000, 0);
	put(script, "f", 9000, 3000); /* into unwritten blocks */
	range(script, OP_FALLOCATE, "f", 60000, 30000, FALLOC_FL_KEEP_SIZE);
	range(script, OP_FALLOCATE, "f", 2000, 9000, FALLOC_FL_ZERO_RANGE);
	range(script, OP_FALLOCATE, "f", 80000, 9000, FALLOC_FL_ZERO_RANGE);
	put(script, "f", 85000, 100);
	add(script, OP_FSYNC, "f");
	range(script, OP_TRUNCATE, "f", 0, 10, 0);
	range(script, OP_TRUNCATE, "f", 0, 9000, 0);
	add(script, OP_UNLINK, "inline");
	add(script, OP_UNMOUNT, "");
}

static void copy(struct script *script, const char *from, uint64_t offset,
		 const char *to, uint64_t offset2, uint64_t length)
{
	struct op op = { .kind = OP_COPY,
			 .offset = offset,
			 .offset2 = offset2,
			 .length = length };

	snprintf(op.path, sizeof(op.path), "%s", from);
	snprintf(op.path2, sizeof(op.path2), "%s", to);
	script_add(script, op);
}

/* Blocks with several owners, and what becomes of them. */
static void make_reflink(struct script *script)
{
	add(script, OP_MOUNT, "");
	file(script, "f", 10 * BLOCK);
	file(script, "g", 100);
	add(script, OP_CREATE, "h");
	cut_from_here(script);
	copy(script, "f", 0, "h", 0, 10 * BLOCK);
	put(script, "h", 5000, 9000);
	put(script, "f", 3 * BLOCK, BLOCK);
	copy(script, "f", 0, "g", 2 * BLOCK, 6 * BLOCK);
	copy(script, "h", BLOCK, "h", 20 * BLOCK, 5 * BLOCK);
	copy(script, "g", 100, "h", 300, 9000);
	range(script, OP_TRUNCATE, "f", 0, 2 * BLOCK + 100, 0);
	range(script, OP_FALLOCATE, "h", BLOCK + 10, 5 * BLOCK,
	      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	range(script, OP_FALLOCATE, "h", 20 * BLOCK + 10, 3 * BLOCK,
	      FALLOC_FL_ZERO_RANGE);
	add(script, OP_UNLINK, "f");
	put(script, "g", 4 * BLOCK + 7, 100);
	slot(script, OP_OPEN, "h", 0);
	add(script, OP_UNLINK, "h"); /* an orphan that shares */
	put(script, "g", 0, 300);
	add(script, OP_UNMOUNT, "");
}

#define ISLANDS 40

static void islands(struct script *script, const char *path)
{
	unsigned i;

	add(script, OP_CREATE, path);
	for (i = 0; i < ISLANDS; i++)
		put(script, path, (uint64_t)i * 2 * BLOCK, BLOCK);
}

/* Each link of a chain has a few steps only. */
static void make_chains(struct script *script)
{
	script->link_steps = 6;
	add(script, OP_MOUNT, "");
	islands(script, "punched");
	islands(script, "cut");
	islands(script, "zeroed");
	islands(script, "gone");
	islands(script, "copied");
	add(script, OP_CREATE, "copy");
	add(script, OP_CREATE, "sparse");
	range(script, OP_TRUNCATE, "sparse", 0, ISLANDS * 2 * BLOCK, 0);
	cut_from_here(script);
	copy(script, "copied", 0, "copy", 0, (ISLANDS * 2 - 1) * BLOCK);
	range(script, OP_TRUNCATE, "copied", 0, 9 * BLOCK, 0);
	range(script, OP_FALLOCATE, "punched", 1000, ISLANDS * 2 * BLOCK - 9000,
	      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	range(script, OP_TRUNCATE, "cut", 0, 5000, 0);
	range(script, OP_FALLOCATE, "zeroed", 3000, ISLANDS * BLOCK,
	      FALLOC_FL_ZERO_RANGE);
	range(script, OP_FALLOCATE, "zeroed", ISLANDS * BLOCK,
	      ISLANDS * 2 * BLOCK, 0);
	put(script, "sparse", 100, ISLANDS * BLOCK);
	range(script, OP_FALLOCATE, "punched", 0, ISLANDS * 2 * BLOCK, 0);
	add(script, OP_UNLINK, "gone");
	add(script, OP_UNMOUNT, "");
}

/* Hardly a block is free but what others just gave up. */
static void make_reuse(struct script *script)
{
	char name[OP_PATH_BYTES];
	unsigned i;

	add(script, OP_MOUNT, "");
	add(script, OP_MKDIR, "d");
	add(script, OP_CREATE, "filler");
	range(script, OP_FILL, "filler", 0, 40 * BLOCK, 0);
	file(script, "x", 12 * BLOCK);
	file(script, "y", 12 * BLOCK);
	cut_from_here(script);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "z%u", i);
		add(script, OP_UNLINK, i % 2 ? "y" : "x");
		file(script, name, 10 * BLOCK);
		xattr(script, name, "user.large", 9000);
		range(script, OP_TRUNCATE, name, 0, 100, 0);
		file(script, i % 2 ? "y" : "x", 12 * BLOCK);
		two(script, OP_XATTR_REMOVE, name, "user.large", 0);
		put(script, i % 2 ? "y" : "x", 100, 5000);
	}
	add(script, OP_UNMOUNT, "");
}

/* The same by three at once: one frees what another one takes. */
static void make_rivals(struct script *script)
{
	char path[OP_PATH_BYTES];
	unsigned round, thread;

	add(script, OP_MOUNT, "");
	add(script, OP_CREATE, "filler");
	for (thread = 0; thread < 3; thread++) {
		snprintf(path, sizeof(path), "f%u", thread);
		file(script, path, 9 * BLOCK);
	}
	range(script, OP_FILL, "filler", 0, 4 * BLOCK, 0);
	add(script, OP_UNMOUNT, "");
	add(script, OP_MOUNT, "");
	cut_from_here(script);
	for (round = 0; round < 20; round++)
		for (thread = 0; thread < 3; thread++) {
			unsigned from = script->count;

			snprintf(path, sizeof(path), "f%u", thread);
			range(script, OP_TRUNCATE, path, 0, 0, 0);
			put(script, path, 0, 9 * BLOCK);
			for (; from < script->count; from++)
				script->ops[from].thread = thread;
		}
	add(script, OP_UNMOUNT, "");
}

/* -------------------------------------------------------------- structure */

static void many(struct script *script, enum op_kind kind, unsigned from,
		 unsigned to)
{
	char name[OP_PATH_BYTES];

	for (; from < to; from++) {
		snprintf(name, sizeof(name), "many/%024u", from * 7919 % 10007);
		add(script, kind, name);
	}
}

/* The inode file gets a chunk more, and gives it back. */
static void make_inode_file(struct script *script)
{
	add(script, OP_MOUNT, "");
	add(script, OP_MKDIR, "many");
	many(script, OP_CREATE, 0, 505);
	cut_from_here(script);
	many(script, OP_CREATE, 505, 515);
	add(script, OP_UNMOUNT, "");
	add(script, OP_MOUNT, "");
	judge(script, false);
	many(script, OP_UNLINK, 0, 262);
	judge(script, true);
	many(script, OP_UNLINK, 262, 270);
	add(script, OP_UNMOUNT, "");
}

/* A directory's leaves divide, and go. */
static void make_split(struct script *script)
{
	add(script, OP_MOUNT, "");
	add(script, OP_MKDIR, "many");
	many(script, OP_CREATE, 0, 4);
	cut_from_here(script);
	many(script, OP_CREATE, 4, 12);
	add(script, OP_CHECKPOINT, "");
	judge(script, false);
	many(script, OP_CREATE, 12, 70);
	judge(script, true);
	many(script, OP_CREATE, 70, 82);
	judge(script, false);
	many(script, OP_UNLINK, 10, 80);
	judge(script, true);
	many(script, OP_UNLINK, 0, 10);
	add(script, OP_UNMOUNT, "");
}

/* The log's ring goes round: 1 MiB of records, judged where it wraps. */
static void make_ring(struct script *script)
{
	unsigned i;

	add(script, OP_MOUNT, "");
	file(script, "f", 100);
	add(script, OP_CREATE, "g");
	for (i = 0; i < 990; i++) {
		xattr(script, "f", "user.x", 1000);
		if (i == 925)
			cut_from_here(script);
		if (i > 925 && i % 8 == 0)
			put(script, "g", i * 10, 3000);
	}
	add(script, OP_UNMOUNT, "");
}

/* ---------------------------------------------------------------- devices */

static void make_removal(struct script *script)
{
	unsigned i;
	char name[OP_PATH_BYTES];

	add(script, OP_MOUNT, "");
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "before%u", i);
		file(script, name, 9000);
	}
	cut_from_here(script);
	add(script, OP_CANCEL, "")->flags = 1;
	file(script, "cancelled", 9000);
	add(script, OP_REMOVE, "")->flags = 1;
	file(script, "without", 9000);
	add(script, OP_UNLINK, "before0");
	add(script, OP_UNLINK, "before1");
	two(script, OP_RENAME, "before2", "after", 0);
	add(script, OP_UNMOUNT, "");
	add(script, OP_MOUNT, ""); /* with all: it is taken back */
	file(script, "again0", 9000);
	file(script, "again1", 9000);
	add(script, OP_UNMOUNT, "");
	add(script, OP_MOUNT, "");
	add(script, OP_REMOVE, "")->flags = 1;
	add(script, OP_UNMOUNT, "");
}

static void lease(struct script *script, enum op_kind kind, uint64_t offset,
		  uint64_t length)
{
	struct op op = {
		.kind = kind, .path = "f", .offset = offset, .length = length
	};

	script_add(script, op);
}

static void make_lease(struct script *script)
{
	add(script, OP_MOUNT, "");
	file(script, "f", 10 * BLOCK);
	file(script, "other", 3 * BLOCK);
	cut_from_here(script);
	slot(script, OP_OPEN, "f", 0);
	lease(script, OP_LEASE, 0, 10 * BLOCK);
	lease(script, OP_LEASE_STORE, 100, 1000);
	lease(script, OP_LEASE_PERSIST, 100, 1000);
	lease(script, OP_LEASE_WRITE, 4000, 9000);
	lease(script, OP_LEASE_STORE, 9000, 300);
	lease(script, OP_LEASE_WRITE, 20001, 17);
	lease(script, OP_LEASE_STORE, 30000, 17);
	lease(script, OP_LEASE_SYNC, 0, 10 * BLOCK);
	put(script, "other", 10, 4000);
	lease(script, OP_LEASE_STORE, 5000, 8000);
	add(script, OP_FSYNC, "f");
	lease(script, OP_LEASE_STORE, 5000, 100);
	lease(script, OP_LEASE_STORE, 20000, 100);
	lease(script, OP_LEASE_RETURN, 0, 10 * BLOCK);
	add(script, OP_FSYNC, "f"); /* what an ended lease has left */
	lease(script, OP_LEASE, 0, 10 * BLOCK);
	lease(script, OP_LEASE_STORE, 100, 100);
	lease(script, OP_LEASE_RETURN, 0, 10 * BLOCK);
	slot(script, OP_CLOSE, "", 0);
	add(script, OP_UNMOUNT, "");
}

const struct script_kind script_kinds[] = {
	{ "names", 1, false, make_names },
	{ "attributes", 1, false, make_attributes },
	{ "data", 1, false, make_data },
	{ "chains", 1, false, make_chains },
	{ "reflink", 1, false, make_reflink },
	{ "reuse", 1, false, make_reuse },
	{ "rivals", 1, true, make_rivals },
	{ "inode-file", 1, false, make_inode_file },
	{ "split", 1, false, make_split },
	{ "ring", 1, false, make_ring },
	{ "removal", 2, false, make_removal },
	{ "lease", 1, false, make_lease },
	{ "data-two", 2, false, make_data },
	{ "random", 1, true, script_random_one },
	{ "random-two", 2, true, script_random_two },
	{ "threads", 1, true, script_random_threads },
};
const unsigned script_kind_count = sizeof(script_kinds) /
				   sizeof(script_kinds[0]);
