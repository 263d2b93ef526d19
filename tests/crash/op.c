/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/op.h"

#include "crash/shadow.h"

#include <assert.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>

static const char *const names[OP_KINDS] = {
	[OP_MOUNT] = "mount",
	[OP_UNMOUNT] = "unmount",
	[OP_FILL] = "fill",
	[OP_CHECKPOINT] = "checkpoint",
	[OP_REMOVE] = "remove-device",
	[OP_CANCEL] = "cancel-remove",
	[OP_CREATE] = "create",
	[OP_MKDIR] = "mkdir",
	[OP_SYMLINK] = "symlink",
	[OP_MKNOD] = "mknod",
	[OP_LINK] = "link",
	[OP_UNLINK] = "unlink",
	[OP_RMDIR] = "rmdir",
	[OP_RENAME] = "rename",
	[OP_TMPFILE] = "tmpfile",
	[OP_OPEN] = "open",
	[OP_CLOSE] = "close",
	[OP_CHMOD] = "chmod",
	[OP_CHOWN] = "chown",
	[OP_UTIMES] = "utimes",
	[OP_XATTR_SET] = "setxattr",
	[OP_XATTR_REMOVE] = "removexattr",
	[OP_WRITE] = "write",
	[OP_TRUNCATE] = "truncate",
	[OP_FALLOCATE] = "fallocate",
	[OP_FSYNC] = "fsync",
	[OP_LEASE] = "lease",
	[OP_LEASE_STORE] = "lease-store",
	[OP_LEASE_PERSIST] = "lease-persist",
	[OP_LEASE_WRITE] = "lease-write",
	[OP_LEASE_SYNC] = "lease-sync",
	[OP_LEASE_RETURN] = "lease-return",
	[OP_COPY] = "copy",
	[OP_DEFAULT_ACL] = "default-acl",
};

const char *op_name(enum op_kind kind)
{
	return names[kind];
}

void op_print(const struct op *op, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "%s %s%s%s [%llu, +%llu) mode %o flags %x",
		 op_name(op->kind), op->path, op->path2[0] ? " " : "",
		 op->path2, (unsigned long long)op->offset,
		 (unsigned long long)op->length, op->mode, op->flags);
}

/* -------------------------------------------------------------- patterns */

static uint64_t pattern_word(uint32_t file, uint32_t version, uint64_t offset)
{
	return (uint64_t)(file & 0xfff) << 52 |
	       (uint64_t)(version & 0xfffff) << 32 | (uint32_t)(offset / 8) |
	       UINT64_C(1) << 63;
}

void pattern_fill(void *to, uint32_t file, uint32_t version, uint64_t offset,
		  size_t length)
{
	unsigned char *at = to;

	while (length > 0) {
		uint64_t word = pattern_word(file, version, offset);
		size_t skip = offset % 8;
		size_t n = 8 - skip < length ? 8 - skip : length;

		memcpy(at, (unsigned char *)&word + skip, n);
		at += n;
		offset += n;
		length -= n;
	}
}

uint32_t acl_fill(unsigned char *to)
{
	static const struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[] = {
		{ 0x01, 7, UINT32_MAX }, /* owner */
		{ 0x02, 6, 5 },		 /* user 5 */
		{ 0x04, 5, UINT32_MAX }, /* group */
		{ 0x10, 7, UINT32_MAX }, /* mask */
		{ 0x20, 0, UINT32_MAX }, /* others */
	};
	const uint32_t version = 2;

	_Static_assert(sizeof(version) + sizeof(entries) <= OP_ACL_BYTES, "");
	memcpy(to, &version, sizeof(version));
	memcpy(to + sizeof(version), entries, sizeof(entries));
	return sizeof(version) + sizeof(entries);
}

void pattern_say(uint64_t word, char *text, size_t text_bytes)
{
	if (word == 0)
		snprintf(text, text_bytes, "zeros");
	else
		snprintf(text, text_bytes,
			 "%016llx (file %u version %u byte %llu)",
			 (unsigned long long)word,
			 (unsigned)(word >> 52 & 0x7ff),
			 (unsigned)(word >> 32 & 0xfffff),
			 (unsigned long long)(uint32_t)word * 8);
}

/* ------------------------------------------------------- what it changes */

static int target(const struct shadow *shadow, const struct op *op)
{
	int at = shadow_find(shadow, op->path);

	assert(at != NODE_NONE);
	return at;
}

static struct shadow_xattr *xattr_slot(struct shadow_node *node,
				       const char *name)
{
	unsigned i;

	for (i = 0; i < SHADOW_XATTRS; i++)
		if (strcmp(node->xattr[i].name, name) == 0)
			return &node->xattr[i];
	return name[0] ? xattr_slot(node, "") : NULL;
}

static void set_acl(struct shadow_node *node, const char *name,
		    const unsigned char *acl, uint32_t length)
{
	struct shadow_xattr *xattr = xattr_slot(node, name);

	assert(xattr);
	snprintf(xattr->name, sizeof(xattr->name), "%.31s", name);
	xattr->length = length;
	memcpy(xattr->acl, acl, length);
}

static void apply_default_acl(struct shadow *shadow, const struct op *op)
{
	struct shadow_node *node = shadow_edit(shadow, target(shadow, op));
	unsigned char acl[OP_ACL_BYTES];

	set_acl(node, "system.posix_acl_default", acl, acl_fill(acl));
}

static void apply_new(struct shadow *shadow, const struct op *op)
{
	mode_t type = op->kind == OP_MKDIR     ? S_IFDIR
		      : op->kind == OP_SYMLINK ? S_IFLNK
		      : op->kind == OP_MKNOD   ? op->mode & S_IFMT
					       : S_IFREG;
	int at = shadow_add(shadow, type | (op->mode & 07777));
	struct shadow_node *node = shadow->node[at];
	const char *name;
	int dir;

	node->ino = op->ino;
	node->uid = 1;
	node->gid = 2;
	if (op->kind == OP_MKNOD)
		node->rdev = (dev_t)op->flags;
	if (op->kind == OP_TMPFILE) {
		shadow->slot[op->slot] = at;
		return;
	}
	if (op->acl_length > 0) {
		set_acl(node, "system.posix_acl_access", op->acl,
			op->acl_length);
		node->mode = op->mode_then;
	}
	if (op->has_default) {
		unsigned char acl[OP_ACL_BYTES];

		set_acl(node, "system.posix_acl_default", acl, acl_fill(acl));
	}
	node->nlink = type == S_IFDIR ? 2 : 1;
	if (type == S_IFLNK) {
		shadow_resize(node, op->length);
		memset(node->data, 'a' + (int)(op->version % 26), op->length);
	}
	dir = shadow_parent(shadow, op->path, &name);
	shadow_put_entry(shadow, dir, name, at);
	if (type == S_IFDIR)
		shadow_edit(shadow, dir)->nlink++;
}

static void drop_name(struct shadow *shadow, const char *path)
{
	int at = shadow_find(shadow, path);
	struct shadow_node *node = shadow_edit(shadow, at);
	const char *name;
	int dir = shadow_parent(shadow, path, &name);

	shadow_drop_entry(shadow, dir, name);
	if (S_ISDIR(node->mode)) {
		node->nlink = 0;
		shadow_edit(shadow, dir)->nlink--;
	} else {
		node->nlink--;
	}
}

static void apply_link(struct shadow *shadow, const struct op *op)
{
	int at = target(shadow, op);
	const char *name;
	int dir = shadow_parent(shadow, op->path2, &name);

	shadow_edit(shadow, at)->nlink++;
	shadow_put_entry(shadow, dir, name, at);
}

static void apply_rename(struct shadow *shadow, const struct op *op)
{
	int at = target(shadow, op);
	int other = shadow_find(shadow, op->path2);
	const char *from, *to;
	int from_dir = shadow_parent(shadow, op->path, &from);
	int to_dir = shadow_parent(shadow, op->path2, &to);
	bool is_dir = S_ISDIR(shadow->node[at]->mode);

	if (at == other)
		return;
	if (op->flags & RENAME_EXCHANGE) {
		bool other_is = S_ISDIR(shadow->node[other]->mode);

		shadow_drop_entry(shadow, from_dir, from);
		shadow_drop_entry(shadow, to_dir, to);
		shadow_put_entry(shadow, to_dir, to, at);
		shadow_put_entry(shadow, from_dir, from, other);
		shadow_edit(shadow, to_dir)->nlink += is_dir - other_is;
		shadow_edit(shadow, from_dir)->nlink += other_is - is_dir;
		return;
	}
	if (other != NODE_NONE)
		drop_name(shadow, op->path2);
	shadow_drop_entry(shadow, from_dir, from);
	shadow_put_entry(shadow, to_dir, to, at);
	shadow_edit(shadow, to_dir)->nlink += is_dir;
	shadow_edit(shadow, from_dir)->nlink -= is_dir;
}

static void apply_xattr(struct shadow *shadow, const struct op *op)
{
	struct shadow_node *node = shadow_edit(shadow, target(shadow, op));
	struct shadow_xattr *xattr = xattr_slot(node, op->path2);

	assert(xattr);
	memset(xattr, 0, sizeof(*xattr));
	if (op->kind == OP_XATTR_REMOVE)
		return;
	snprintf(xattr->name, sizeof(xattr->name), "%.31s", op->path2);
	xattr->length = (uint32_t)op->length;
	xattr->version = op->version;
}

static void kill_suidgid(struct shadow_node *node)
{
	node->mode &= ~(mode_t)S_ISUID;
	if (node->mode & S_IXGRP)
		node->mode &= ~(mode_t)S_ISGID;
}

static void apply_attr(struct shadow *shadow, const struct op *op)
{
	struct shadow_node *node = shadow_edit(shadow, target(shadow, op));

	switch (op->kind) {
	case OP_CHMOD:
		node->mode = (node->mode & S_IFMT) | op->mode;
		break;
	case OP_CHOWN:
		node->uid = (uid_t)op->offset;
		node->gid = (gid_t)op->offset2;
		if (S_ISREG(node->mode))
			kill_suidgid(node);
		break;
	default: /* utimes, fsync */
		node->mtime_known = true;
		node->mtime = op->mtime;
		break;
	}
}

static void zero(struct shadow_node *node, uint64_t start, uint64_t end)
{
	if (end > node->size)
		end = node->size;
	if (start < end)
		memset(node->data + start, 0, end - start);
}

static void change_bytes(struct shadow *shadow, struct shadow_node *node,
			 const struct op *op)
{
	uint64_t end = op->offset + op->length;
	const struct shadow_node *from;

	switch (op->kind) {
	case OP_TRUNCATE:
		shadow_resize(node, op->length);
		break;
	case OP_FALLOCATE:
		if (!(op->flags & FALLOC_FL_KEEP_SIZE) && end > node->size)
			shadow_resize(node, end);
		if (op->flags & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
			zero(node, op->offset, end);
		break;
	case OP_COPY:
		from = shadow->node[target(shadow, op)];
		end = op->offset2 + op->length;
		if (end > node->size)
			shadow_resize(node, end);
		memmove(node->data + op->offset2, from->data + op->offset,
			op->length);
		break;
	default:
		if (end > node->size)
			shadow_resize(node, end);
		pattern_fill(node->data + op->offset, op->file, op->version,
			     op->offset, op->length);
		break;
	}
}

/* Zero range grows the file first: old bytes, new size. */
static bool is_loose(const struct op *op)
{
	return op->kind == OP_FALLOCATE && op->flags & FALLOC_FL_ZERO_RANGE;
}

static void apply_bytes(struct shadow *shadow, const struct op *op, bool torn)
{
	int at = op->kind == OP_COPY ? shadow_find(shadow, op->path2)
				     : target(shadow, op);
	struct shadow_node *old = shadow_keep(shadow, at);
	struct shadow_node *node = shadow_edit(shadow, at);

	change_bytes(shadow, node, op);
	node->mtime_known = false;
	if (torn) {
		shadow_add_alternate(node, old);
		node->loose = is_loose(op);
	}
	shadow_node_put(old);
}

/* What was in doubt is settled, whichever it became: as the last store was. */
static void apply_settled(struct shadow *shadow, const struct op *op)
{
	shadow_drop_alternates(shadow_edit(shadow, target(shadow, op)));
}

void op_apply(struct shadow *shadow, const struct op *op, bool torn)
{
	switch (op->kind) {
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_MKNOD:
	case OP_TMPFILE:
		apply_new(shadow, op);
		break;
	case OP_LINK:
		apply_link(shadow, op);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		drop_name(shadow, op->path);
		break;
	case OP_RENAME:
		apply_rename(shadow, op);
		break;
	case OP_OPEN:
		shadow->slot[op->slot] = target(shadow, op);
		break;
	case OP_CLOSE:
		shadow->slot[op->slot] = NODE_NONE;
		break;
	case OP_XATTR_SET:
	case OP_XATTR_REMOVE:
		apply_xattr(shadow, op);
		break;
	case OP_FSYNC:
		apply_settled(shadow, op);
		/* fall through */
	case OP_CHMOD:
	case OP_CHOWN:
	case OP_UTIMES:
		apply_attr(shadow, op);
		break;
	case OP_LEASE_PERSIST:
	case OP_LEASE_SYNC:
		apply_settled(shadow, op);
		break;
	case OP_DEFAULT_ACL:
		apply_default_acl(shadow, op);
		break;
	case OP_LEASE_STORE: /* nobody promises anything */
		apply_bytes(shadow, op, true);
		break;
	case OP_WRITE:
	case OP_LEASE_WRITE:
	case OP_COPY:
		apply_bytes(shadow, op, torn);
		break;
	case OP_TRUNCATE:
	case OP_FALLOCATE:
		apply_bytes(shadow, op, torn && is_loose(op));
		break;
	case OP_UNMOUNT:
		shadow_let_go(shadow);
		break;
	default:
		break;
	}
}
