/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_random.c -- operations by chance
 *
 * Each thread has a subtree of its own and, in the directory that all share,
 * names of its own: so what each one does can be said without the others.
 */
#include "crash/script.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>

#define NAMES 8
#define FILE_MOST (96u << 10)
#define TRIES 12

struct chance {
	struct script *script;
	unsigned thread;
};

static uint64_t below(struct chance *chance, uint64_t n)
{
	return script_random(chance->script, n);
}

static struct op blank(const struct chance *chance, enum op_kind kind)
{
	return (struct op){ .kind = kind, .thread = chance->thread };
}

static void any_path(struct chance *chance, char *path)
{
	unsigned name = (unsigned)below(chance, NAMES);
	unsigned t = chance->thread;

	switch (below(chance, 4)) {
	case 0:
		snprintf(path, OP_PATH_BYTES, "shared/%u-n%u", t, name);
		break;
	case 1:
		snprintf(path, OP_PATH_BYTES, "t%u/a/n%u", t, name);
		break;
	case 2:
		snprintf(path, OP_PATH_BYTES, "t%u/b/n%u", t, name);
		break;
	default:
		snprintf(path, OP_PATH_BYTES, "t%u/n%u", t, name);
		break;
	}
}

static const struct shadow_node *look(const struct chance *chance,
				      const char *path)
{
	int at = shadow_find(&chance->script->shadow, path);

	return at == NODE_NONE ? NULL : chance->script->shadow.node[at];
}

static bool free_path(struct chance *chance, char *path)
{
	unsigned i;

	for (i = 0; i < TRIES; i++) {
		any_path(chance, path);
		if (!look(chance, path))
			return true;
	}
	return false;
}

/* Of that type, or of any (0). */
static const struct shadow_node *used_path(struct chance *chance, char *path,
					   mode_t type)
{
	unsigned i;

	for (i = 0; i < TRIES; i++) {
		const struct shadow_node *node;

		any_path(chance, path);
		node = look(chance, path);
		if (node && (!type || (node->mode & S_IFMT) == type))
			return node;
	}
	return NULL;
}

/* A file with a name, or one that is open. */
static const struct shadow_node *any_file(struct chance *chance, char *path)
{
	unsigned slot = chance->thread * 2 + (unsigned)below(chance, 2);

	if (below(chance, 4) == 0 &&
	    chance->script->shadow.slot[slot] != NODE_NONE) {
		snprintf(path, OP_PATH_BYTES, "@%u", slot);
		return look(chance, path);
	}
	return used_path(chance, path, S_IFREG);
}

/* ------------------------------------------------------------------ names */

static bool make(struct chance *chance)
{
	static const enum op_kind kinds[] = { OP_CREATE, OP_CREATE,  OP_CREATE,
					      OP_MKDIR,	 OP_SYMLINK, OP_MKNOD };
	struct op op = blank(chance, kinds[below(chance, 6)]);

	if (!free_path(chance, op.path))
		return false;
	op.mode = 0600 | (mode_t)below(chance, 0200);
	if (op.kind == OP_SYMLINK)
		op.length = 1 + below(chance, below(chance, 2) ? 60 : 3000);
	if (op.kind == OP_MKNOD) {
		op.mode |= S_IFIFO;
		op.flags = 0;
	}
	script_add(chance->script, op);
	return true;
}

static bool give_link(struct chance *chance)
{
	struct op op = blank(chance, OP_LINK);
	unsigned slot = chance->thread * 2 + (unsigned)below(chance, 2);

	if (below(chance, 2) && chance->script->nameless[slot]) {
		snprintf(op.path, sizeof(op.path), "@%u", slot);
		chance->script->nameless[slot] = false;
	} else if (!used_path(chance, op.path, S_IFREG)) {
		return false;
	}
	if (!free_path(chance, op.path2))
		return false;
	script_add(chance->script, op);
	return true;
}

static bool take_name(struct chance *chance)
{
	struct op op = blank(chance, OP_UNLINK);
	const struct shadow_node *node = used_path(chance, op.path, 0);

	if (!node || (S_ISDIR(node->mode) && node->count > 0))
		return false;
	if (S_ISDIR(node->mode))
		op.kind = OP_RMDIR;
	script_add(chance->script, op);
	return true;
}

static bool move(struct chance *chance)
{
	struct op op = blank(chance, OP_RENAME);
	const struct shadow_node *from = used_path(chance, op.path, 0);
	const struct shadow_node *to;

	any_path(chance, op.path2);
	to = look(chance, op.path2);
	if (!from || from == to)
		return false;
	if (to && below(chance, 2))
		op.flags = RENAME_EXCHANGE;
	else if (!to && below(chance, 3) == 0)
		op.flags = RENAME_NOREPLACE;
	else if (to && (S_ISDIR(from->mode) != S_ISDIR(to->mode) ||
			(S_ISDIR(to->mode) && to->count > 0)))
		return false;
	script_add(chance->script, op);
	return true;
}

static bool hold(struct chance *chance)
{
	struct script *script = chance->script;
	unsigned slot = chance->thread * 2 + (unsigned)below(chance, 2);
	struct op op = blank(chance, OP_CLOSE);

	op.slot = slot;
	op.mode = 0600;
	if (script->shadow.slot[slot] != NODE_NONE) {
		script->nameless[slot] = false;
	} else if (below(chance, 2)) {
		op.kind = OP_TMPFILE;
		snprintf(op.path, sizeof(op.path), "t%u", chance->thread);
		script->nameless[slot] = true;
	} else {
		op.kind = OP_OPEN;
		if (!used_path(chance, op.path, S_IFREG))
			return false;
	}
	script_add(script, op);
	return true;
}

/* -------------------------------------------------------------- attributes */

static bool change_attribute(struct chance *chance)
{
	static const enum op_kind kinds[] = { OP_CHMOD, OP_CHOWN, OP_UTIMES };
	struct op op = blank(chance, kinds[below(chance, 3)]);
	const struct shadow_node *node = used_path(chance, op.path, 0);

	if (!node || S_ISLNK(node->mode))
		return false;
	op.mode = 0600 | (mode_t)below(chance, 0200);
	op.offset = below(chance, 1000);
	op.offset2 = below(chance, 1000);
	script_add(chance->script, op);
	return true;
}

static bool change_xattr(struct chance *chance)
{
	struct op op = blank(chance, OP_XATTR_SET);
	const struct shadow_node *node = used_path(chance, op.path, 0);
	unsigned i;

	if (!node || !(S_ISREG(node->mode) || S_ISDIR(node->mode)))
		return false;
	snprintf(op.path2, sizeof(op.path2), "user.%c",
		 'a' + (int)below(chance, 3));
	for (i = 0; i < SHADOW_XATTRS; i++)
		if (strcmp(node->xattr[i].name, op.path2) == 0 &&
		    below(chance, 2))
			op.kind = OP_XATTR_REMOVE;
	op.length = below(chance, 3) ? below(chance, 300)
				     : below(chance, 20000);
	script_add(chance->script, op);
	return true;
}

/* ------------------------------------------------------------------- bytes */

static bool change_bytes(struct chance *chance)
{
	struct op op = blank(chance, OP_WRITE);
	const struct shadow_node *node = any_file(chance, op.path);

	if (!node)
		return false;
	switch (below(chance, 5)) {
	case 0: /* small */
		op.offset = below(chance, 200);
		op.length = 1 + below(chance, 140);
		break;
	case 1: /* on at the end */
		op.offset = node->size;
		op.length = 1 + below(chance, 12000);
		break;
	case 2: /* over what there is */
		if (node->size < 2)
			return false;
		op.offset = below(chance, node->size - 1);
		op.length = 1 + below(chance, node->size - op.offset);
		break;
	default:
		op.offset = below(chance, FILE_MOST / 2);
		op.length = 1 + below(chance, 16000);
		break;
	}
	if (op.offset + op.length > FILE_MOST)
		return false;
	script_add(chance->script, op);
	return true;
}

static bool change_blocks(struct chance *chance)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	struct op op = blank(chance, OP_TRUNCATE);

	if (!any_file(chance, op.path))
		return false;
	if (below(chance, 3) == 0) {
		op.length = below(chance, FILE_MOST / 2);
	} else {
		op.kind = OP_FALLOCATE;
		op.flags = modes[below(chance, 6)];
		op.offset = below(chance, FILE_MOST / 2);
		op.length = 1 + below(chance, 30000);
	}
	script_add(chance->script, op);
	return true;
}

static bool copy_some(struct chance *chance)
{
	struct op op = blank(chance, OP_COPY);
	const struct shadow_node *from = any_file(chance, op.path);
	const struct shadow_node *to = any_file(chance, op.path2);
	uint64_t blocks;

	if (!from || !to || from == to || from->size == 0)
		return false;
	blocks = from->size / 4096;
	op.offset = below(chance, blocks + 1) * 4096;
	op.offset2 = below(chance, 8) * 4096;
	if (below(chance, 4) == 0)
		op.offset2 += below(chance, 4096);
	if (op.offset >= from->size)
		return false;
	op.length = 1 + below(chance, from->size - op.offset);
	if (below(chance, 2)) /* to its end */
		op.length = from->size - op.offset;
	if (op.offset2 + op.length > FILE_MOST)
		return false;
	script_add(chance->script, op);
	return true;
}

static bool sync_one(struct chance *chance)
{
	struct op op = blank(chance, OP_FSYNC);

	if (!any_file(chance, op.path))
		return false;
	script_add(chance->script, op);
	return true;
}

/* ------------------------------------------------------------------ leases */

static void lease_op(struct chance *chance, struct op op, enum op_kind kind)
{
	op.kind = kind;
	script_add(chance->script, op);
}

/* Stores of a client: lost, made durable, or in place at once. */
static void store_some(struct chance *chance, struct op whole, uint64_t size)
{
	static const enum op_kind durable[] = { OP_LEASE_PERSIST, OP_LEASE_SYNC,
						OP_FSYNC };
	struct op op = whole;

	op.offset = below(chance, size);
	op.length = 1 + below(chance, size - op.offset);
	switch (below(chance, 4)) {
	case 0:
		lease_op(chance, op, OP_LEASE_WRITE);
		break;
	case 1:
		lease_op(chance, op, OP_WRITE);
		break;
	default:
		lease_op(chance, op, OP_LEASE_STORE);
		if (below(chance, 2))
			lease_op(chance, whole, durable[below(chance, 3)]);
		break;
	}
}

/* From the open to the last close, so that nobody else's call has to wait for
 * a client. Three stores at most are in doubt: as many as a shadow knows. One
 * device: a lease ends where a file goes on on another one. */
static bool lease_some(struct chance *chance)
{
	unsigned stores = 1 + (unsigned)below(chance, 3);
	struct op op = blank(chance, OP_OPEN);
	const struct shadow_node *node = any_file(chance, op.path);
	uint64_t size = node ? node->size : 0;

	op.slot = chance->thread * 2 + (unsigned)below(chance, 2);
	if (chance->script->devices > 1 || size == 0 || op.path[0] == '@' ||
	    chance->script->shadow.slot[op.slot] != NODE_NONE)
		return false;
	script_add(chance->script, op);
	op.length = size;
	lease_op(chance, op, OP_LEASE);
	while (stores-- > 0)
		store_some(chance, op, size);
	lease_op(chance, op, OP_LEASE_RETURN);
	lease_op(chance, op, OP_FSYNC); /* what an ended lease has left */
	lease_op(chance, op, OP_CLOSE);
	return true;
}

/* ----------------------------------------------------------------- devices */

/* Its removal is begun and taken back. */
static bool cancel(struct chance *chance)
{
	struct op op = blank(chance, OP_CANCEL);

	if (chance->script->devices < 2)
		return false;
	op.flags = 1;
	script_add(chance->script, op);
	return true;
}

static bool any_op(struct chance *chance)
{
	switch (below(chance, 20)) {
	case 0:
	case 1:
	case 2:
		return make(chance);
	case 3:
	case 4:
		return take_name(chance);
	case 5:
	case 6:
		return move(chance);
	case 7:
		return give_link(chance);
	case 8:
		return hold(chance);
	case 9:
		return change_attribute(chance);
	case 10:
		return change_xattr(chance);
	case 11:
	case 12:
	case 13:
		return change_bytes(chance);
	case 14:
		return change_blocks(chance);
	case 15:
	case 16:
		return copy_some(chance);
	case 17:
		return lease_some(chance);
	case 18:
		return cancel(chance);
	default:
		return sync_one(chance);
	}
}

static void some_ops(struct script *script, unsigned threads, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		struct chance chance = {
			.script = script,
			.thread = (unsigned)script_random(script, threads),
		};

		while (!any_op(&chance))
			;
	}
}

/* ------------------------------------------------------------- the scripts */

static void alone(struct script *script, enum op_kind kind)
{
	unsigned i;

	script_add(script, (struct op){ .kind = kind });
	if (kind == OP_UNMOUNT)
		for (i = 0; i < OP_SLOTS; i++)
			script->nameless[i] = false;
}

static void prepare(struct script *script, unsigned threads)
{
	unsigned t, k;

	if (script_random(script, 2))
		script->link_steps = 4;
	alone(script, OP_MOUNT);
	script_add(script, (struct op){ .kind = OP_MKDIR, .path = "shared" });
	for (t = 0; t < threads; t++)
		for (k = 0; k < 3; k++) {
			struct op op = { .kind = OP_MKDIR };

			snprintf(op.path, sizeof(op.path), "t%u%s", t,
				 k == 0	  ? ""
				 : k == 1 ? "/a"
					  : "/b");
			script_add(script, op);
		}
	if (threads > 1) { /* the directories are there before their users */
		alone(script, OP_UNMOUNT);
		alone(script, OP_MOUNT);
	}
	some_ops(script, threads, 40 * threads);
	if (script_random(script, 2)) {
		alone(script, OP_UNMOUNT);
		alone(script, OP_MOUNT);
	}
	script->cut_from = script->count;
}

static void run(struct script *script, unsigned threads)
{
	prepare(script, threads);
	some_ops(script, threads, 24);
	if (script_random(script, 3) == 0) {
		alone(script, OP_UNMOUNT);
		alone(script, OP_MOUNT);
	} else if (threads == 1) {
		alone(script, OP_CHECKPOINT);
	}
	some_ops(script, threads, 12);
	alone(script, OP_UNMOUNT);
}

void script_random_one(struct script *script)
{
	run(script, 1);
}

/* Without the second device new files are possible, old ones may not be. */
static void without_one(struct script *script)
{
	struct op op = { .kind = OP_REMOVE, .flags = 1 };
	unsigned i;

	alone(script, OP_MOUNT);
	script_add(script, op);
	op = (struct op){ .kind = OP_MKDIR, .path = "new", .mode = 0755 };
	script_add(script, op);
	for (i = 0; i < 4; i++) {
		op = (struct op){ .kind = OP_CREATE, .mode = 0600 };
		snprintf(op.path, sizeof(op.path), "new/%u", i);
		script_add(script, op);
		op.kind = OP_WRITE;
		op.length = 1 + script_random(script, 20000);
		script_add(script, op);
	}
	alone(script, OP_UNMOUNT);
	alone(script, OP_MOUNT); /* with all: it is taken back */
	some_ops(script, 1, 6);
	alone(script, OP_UNMOUNT);
}

void script_random_two(struct script *script)
{
	run(script, 1);
	without_one(script);
}

void script_random_threads(struct script *script)
{
	run(script, 3);
}
