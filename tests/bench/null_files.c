/* SPDX-License-Identifier: BSD-3-Clause */
#include "null_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FOREVER 3600.0
#define BUCKETS (1u << 16)

struct node {
	struct node *hash_next;
	struct node *parent; /* NULL: it has no name any more */
	struct node *before, *after;
	struct node *children;
	char *name;
	struct stat attr;
	uint64_t lookups;
	unsigned char *bytes; /* a symbolic link's, too */
	size_t room;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *buckets[BUCKETS];
static struct node root = {
	.attr = { .st_ino = FUSE_ROOT_ID,
		  .st_mode = S_IFDIR | 0755,
		  .st_nlink = 2,
		  .st_blksize = 4096 },
	.lookups = 1,
};

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static struct node **bucket_of(const struct node *parent, const char *name)
{
	uint64_t hash = (uintptr_t)parent;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return &buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct node *find(const struct node *parent, const char *name)
{
	struct node *node = *bucket_of(parent, name);

	while (node && (node->parent != parent || strcmp(node->name, name)))
		node = node->hash_next;
	return node;
}

static void touch(struct node *node)
{
	clock_gettime(CLOCK_REALTIME_COARSE, &node->attr.st_mtim);
	node->attr.st_ctim = node->attr.st_mtim;
}

/* Takes the name over. */
static void enter(struct node *node, struct node *parent, char *name)
{
	struct node **bucket = bucket_of(parent, name);

	node->name = name;
	node->parent = parent;
	node->hash_next = *bucket;
	*bucket = node;
	node->before = NULL;
	node->after = parent->children;
	if (node->after)
		node->after->before = node;
	parent->children = node;
	parent->attr.st_nlink += S_ISDIR(node->attr.st_mode);
	touch(parent);
}

static void leave(struct node *node)
{
	struct node *parent = node->parent;
	struct node **at = bucket_of(parent, node->name);

	while (*at != node)
		at = &(*at)->hash_next;
	*at = node->hash_next;
	if (node->before)
		node->before->after = node->after;
	else
		parent->children = node->after;
	if (node->after)
		node->after->before = node->before;
	parent->attr.st_nlink -= S_ISDIR(node->attr.st_mode);
	touch(parent);
	free(node->name);
	node->name = NULL;
	node->parent = NULL;
}

static void free_if_idle(struct node *node)
{
	if (node->parent || node->lookups > 0 || node == &root)
		return;
	free(node->bytes);
	free(node);
}

static void describe(struct node *node, struct fuse_entry_param *entry)
{
	*entry = (struct fuse_entry_param){ .ino = node == &root
							   ? FUSE_ROOT_ID
							   : (uintptr_t)node,
					    .generation = 1,
					    .attr = node->attr,
					    .attr_timeout = FOREVER,
					    .entry_timeout = FOREVER };
	node->lookups++;
}

static int resize(struct node *node, size_t size)
{
	if (size > node->room) {
		size_t room = size + size / 2;
		unsigned char *bytes = realloc(node->bytes, room);

		if (!bytes)
			return ENOMEM;
		memset(bytes + node->room, 0, room - node->room);
		node->bytes = bytes;
		node->room = room;
	}
	node->attr.st_size = (off_t)size;
	node->attr.st_blocks = (blkcnt_t)((size + 511) / 512);
	return 0;
}

void null_files_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .entry_timeout = FOREVER };
	struct node *node;

	pthread_mutex_lock(&lock);
	node = find(node_of(parent), name);
	if (node)
		describe(node, &entry);
	pthread_mutex_unlock(&lock);
	fuse_reply_entry(req, &entry);
}

void null_files_getattr(fuse_req_t req, fuse_ino_t ino)
{
	struct stat attr;

	pthread_mutex_lock(&lock);
	attr = node_of(ino)->attr;
	pthread_mutex_unlock(&lock);
	fuse_reply_attr(req, &attr, FOREVER);
}

static void change_locked(struct node *node, const struct stat *change,
			  int mask)
{
	struct stat *attr = &node->attr;

	clock_gettime(CLOCK_REALTIME_COARSE, &attr->st_ctim);
	if (mask & FUSE_SET_ATTR_MODE)
		attr->st_mode = (attr->st_mode & S_IFMT) |
				(change->st_mode & ~S_IFMT);
	if (mask & FUSE_SET_ATTR_UID)
		attr->st_uid = change->st_uid;
	if (mask & FUSE_SET_ATTR_GID)
		attr->st_gid = change->st_gid;
	if (mask & FUSE_SET_ATTR_ATIME_NOW)
		attr->st_atim = attr->st_ctim;
	else if (mask & FUSE_SET_ATTR_ATIME)
		attr->st_atim = change->st_atim;
	if (mask & FUSE_SET_ATTR_MTIME_NOW)
		attr->st_mtim = attr->st_ctim;
	else if (mask & FUSE_SET_ATTR_MTIME)
		attr->st_mtim = change->st_mtim;
}

void null_files_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *change,
			int mask)
{
	struct node *node = node_of(ino);
	struct stat attr;
	int err = 0;

	pthread_mutex_lock(&lock);
	if (mask & FUSE_SET_ATTR_SIZE)
		err = resize(node, (size_t)change->st_size);
	change_locked(node, change, mask);
	attr = node->attr;
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_attr(req, &attr, FOREVER);
}

void null_files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset)
{
	struct node *node = node_of(ino);
	size_t end = (size_t)node->attr.st_size;

	pthread_mutex_lock(&lock);
	if ((size_t)offset >= end)
		size = 0;
	else if (size > end - (size_t)offset)
		size = end - (size_t)offset;
	fuse_reply_buf(req, (char *)node->bytes + (size ? offset : 0), size);
	pthread_mutex_unlock(&lock);
}

void null_files_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
		      size_t size, off_t offset)
{
	struct node *node = node_of(ino);
	size_t end = (size_t)offset + size;
	int err = 0;

	pthread_mutex_lock(&lock);
	if (end > (size_t)node->attr.st_size)
		err = resize(node, end);
	if (!err) {
		memcpy(node->bytes + offset, bytes, size);
		touch(node);
	}
	pthread_mutex_unlock(&lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_write(req, size);
}

/* The lock is held. */
static struct node *create(fuse_req_t req, fuse_ino_t parent, const char *name,
			   mode_t mode, int *err)
{
	const struct fuse_ctx *caller = fuse_req_ctx(req);
	struct node *node;
	char *copy;

	*err = EEXIST;
	if (find(node_of(parent), name))
		return NULL;
	*err = ENOMEM;
	node = calloc(1, sizeof(*node));
	copy = strdup(name);
	if (!node || !copy) {
		free(node);
		free(copy);
		return NULL;
	}
	*err = 0;
	node->attr = (struct stat){ .st_ino = (uintptr_t)node,
				    .st_mode = mode,
				    .st_nlink = S_ISDIR(mode) ? 2 : 1,
				    .st_uid = caller->uid,
				    .st_gid = caller->gid,
				    .st_blksize = 4096 };
	touch(node);
	node->attr.st_atim = node->attr.st_mtim;
	enter(node, node_of(parent), copy);
	return node;
}

int null_files_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_entry_param *entry)
{
	struct node *node;
	int err;

	pthread_mutex_lock(&lock);
	node = create(req, parent, name, mode, &err);
	if (node)
		describe(node, entry);
	pthread_mutex_unlock(&lock);
	return err;
}

static void reply_created(fuse_req_t req, int err,
			  const struct fuse_entry_param *entry)
{
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, entry);
}

static void files_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
			mode_t mode)
{
	struct fuse_entry_param entry;
	int err = null_files_create(req, parent, name,
				    (mode & ~S_IFMT) | S_IFDIR, &entry);

	reply_created(req, err, &entry);
}

static void files_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
			  const char *name)
{
	struct fuse_entry_param entry;
	size_t length = strlen(target);
	struct node *node;
	int err;

	pthread_mutex_lock(&lock);
	node = create(req, parent, name, S_IFLNK | 0777, &err);
	if (node)
		err = resize(node, length);
	if (!err) {
		memcpy(node->bytes, target, length);
		describe(node, &entry);
	}
	pthread_mutex_unlock(&lock);
	reply_created(req, err, &entry);
}

static void files_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct node *node = node_of(ino);

	fuse_reply_buf(req, (char *)node->bytes, (size_t)node->attr.st_size);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *node;
	int err = ENOENT;

	pthread_mutex_lock(&lock);
	node = find(node_of(parent), name);
	if (node && node->children) {
		err = ENOTEMPTY;
	} else if (node) {
		leave(node);
		node->attr.st_nlink = 0;
		free_if_idle(node);
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	fuse_reply_err(req, err);
}

static int rename_locked(struct node *from, const char *name, struct node *to,
			 const char *to_name)
{
	struct node *node = find(from, name);
	struct node *there = find(to, to_name);
	char *copy;

	if (!node)
		return ENOENT;
	if (node == there)
		return 0;
	copy = strdup(to_name);
	if (!copy)
		return ENOMEM;
	if (there) {
		leave(there);
		free_if_idle(there);
	}
	leave(node);
	enter(node, to, copy);
	clock_gettime(CLOCK_REALTIME_COARSE, &node->attr.st_ctim);
	return 0;
}

static void files_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
			 fuse_ino_t to_parent, const char *to_name,
			 unsigned int flags)
{
	int err = EINVAL;

	pthread_mutex_lock(&lock);
	if (!flags)
		err = rename_locked(node_of(parent), name, node_of(to_parent),
				    to_name);
	pthread_mutex_unlock(&lock);
	fuse_reply_err(req, err);
}

static void forget_one(fuse_ino_t ino, uint64_t count)
{
	struct node *node = node_of(ino);

	node->lookups -= count < node->lookups ? count : node->lookups;
	free_if_idle(node);
}

static void files_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	pthread_mutex_lock(&lock);
	forget_one(ino, count);
	pthread_mutex_unlock(&lock);
	fuse_reply_none(req);
}

static void files_forget_multi(fuse_req_t req, size_t count,
			       struct fuse_forget_data *forgets)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		forget_one(forgets[i].ino, forgets[i].nlookup);
	pthread_mutex_unlock(&lock);
	fuse_reply_none(req);
}

/* The offset is how many came before: enough for who lists, then removes. */
static void files_readdir(fuse_req_t req, fuse_ino_t ino, size_t size,
			  off_t offset, struct fuse_file_info *file)
{
	char *bytes = malloc(size);
	struct node *node;
	size_t used = 0;
	off_t at = 0;

	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_mutex_lock(&lock);
	for (node = node_of(ino)->children; node; node = node->after) {
		size_t length;

		if (at++ < offset)
			continue;
		length = fuse_add_direntry(req, bytes + used, size - used,
					   node->name, &node->attr, at);
		if (length > size - used)
			break;
		used += length;
	}
	pthread_mutex_unlock(&lock);
	fuse_reply_buf(req, bytes, used);
	free(bytes);
}

void null_files_install(struct fuse_lowlevel_ops *ops)
{
	ops->mkdir = files_mkdir;
	ops->symlink = files_symlink;
	ops->readlink = files_readlink;
	ops->unlink = remove_name;
	ops->rmdir = remove_name;
	ops->rename = files_rename;
	ops->forget = files_forget;
	ops->forget_multi = files_forget_multi;
	ops->readdir = files_readdir;
}
