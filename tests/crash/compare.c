/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/compare.h"

#include "core/attr.h"
#include "core/dir.h"
#include "core/file.h"
#include "core/inode.h"
#include "core/xattr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 8
#define DEPTH_MAX 16

struct comparison {
	struct fs *fs;
	struct request *request;
	const struct shadow *shadow;
	char *text;
	size_t text_bytes;
	const char *path; /* of what is looked at */
};

#define differ(comparison, ...)                                                \
	(snprintf((comparison)->text, (comparison)->text_bytes, __VA_ARGS__),  \
	 false)

static void begin(struct comparison *c)
{
	if (request_begin(c->request, "compare", INO_ROOT, 0, false) != 0)
		abort();
}

/* ------------------------------------------------------------------ bytes */

static bool has_alternate_size(const struct shadow_node *node, uint64_t size)
{
	unsigned i;

	for (i = 0; i < node->alternates; i++)
		if (node->alternate[i].size == size)
			return true;
	return false;
}

/* A chain of links grows a file by whole blocks. */
static bool is_link_size(const struct shadow_node *node, uint64_t size)
{
	unsigned i;

	for (i = 0; i < node->alternates; i++)
		if (size > node->alternate[i].size && size < node->size &&
		    size % 4096 == 0)
			return true;
	return false;
}

static bool word_is(const unsigned char *data, uint64_t size, uint64_t at,
		    const unsigned char *bytes, size_t length)
{
	return at + length <= size && memcmp(data + at, bytes, length) == 0;
}

/* Zero range makes the file longer before it zeroes what was there. */
static bool word_is_grown(const struct shadow_node *node, unsigned alternate,
			  uint64_t at, const unsigned char *bytes,
			  size_t length)
{
	uint64_t old_size = node->alternate[alternate].size;
	unsigned char word[WORD_BYTES] = { 0 };

	if (!node->loose || at >= old_size || at + length > node->size)
		return false;
	memcpy(word, node->alternate[alternate].data + at,
	       old_size - at < length ? old_size - at : length);
	return memcmp(word, bytes, length) == 0;
}

static bool word_is_legal(const struct shadow_node *node, uint64_t at,
			  const unsigned char *bytes, size_t length)
{
	unsigned i;

	if (word_is(node->data, node->size, at, bytes, length))
		return true;
	for (i = 0; i < node->alternates; i++)
		if (word_is(node->alternate[i].data, node->alternate[i].size,
			    at, bytes, length) ||
		    word_is_grown(node, i, at, bytes, length))
			return true;
	return false;
}

static bool word_differs(struct comparison *c, const struct shadow_node *node,
			 uint64_t at, const unsigned char *bytes, size_t length)
{
	uint64_t is = 0, want = 0;
	char is_text[96], want_text[96];

	memcpy(&is, bytes, length);
	if (at + length <= node->size)
		memcpy(&want, node->data + at, length);
	pattern_say(is, is_text, sizeof(is_text));
	pattern_say(want, want_text, sizeof(want_text));
	return differ(c, "%s: byte %llu of %llu: %s, not %s%s", c->path,
		      (unsigned long long)at, (unsigned long long)node->size,
		      is_text, want_text,
		      node->alternates ? " nor what was there before" : "");
}

/* strict: the last bytes alone, none of the alternates. */
static bool compare_bytes(struct comparison *c, const struct shadow_node *node,
			  uint64_t at, const unsigned char *bytes,
			  size_t length, bool strict)
{
	while (length > 0) {
		size_t n = WORD_BYTES - at % WORD_BYTES;

		if (n > length)
			n = length;
		if (strict ? !word_is(node->data, node->size, at, bytes, n)
			   : !word_is_legal(node, at, bytes, n))
			return word_differs(c, node, at, bytes, n);
		at += n;
		bytes += n;
		length -= n;
	}
	return true;
}

static bool compare_piece(struct comparison *c, const struct shadow_node *node,
			  uint64_t at, const struct iovec *iov, bool strict)
{
	if (word_is(node->data, node->size, at, iov->iov_base, iov->iov_len))
		return true;
	return compare_bytes(c, node, at, iov->iov_base, iov->iov_len, strict);
}

static bool compare_data(struct comparison *c, const struct shadow_node *node,
			 struct inode *inode, uint64_t size, bool strict)
{
	struct iovec iov[FILE_READ_IOVS];
	uint64_t at = 0;
	bool same = true;

	while (same && at < size) {
		unsigned count = 0, i;
		ssize_t done;

		begin(c);
		done = file_read(c->request, inode, size - at, (off_t)at, iov,
				 &count);
		for (i = 0; same && done > 0 && i < count; i++) {
			same = compare_piece(c, node, at, &iov[i], strict);
			at += iov[i].iov_len;
		}
		request_end(c->request);
		if (done <= 0)
			return differ(c, "%s: read at %llu: %zd", c->path,
				      (unsigned long long)at, done);
	}
	return same;
}

static bool compare_file(struct comparison *c, const struct shadow_node *node,
			 struct inode *inode, uint64_t size)
{
	bool grown = size == node->size && !has_alternate_size(node, size);

	if (size != node->size && !has_alternate_size(node, size) &&
	    !is_link_size(node, size))
		return differ(c, "%s: %llu bytes, not %llu", c->path,
			      (unsigned long long)size,
			      (unsigned long long)node->size);
	grown |= is_link_size(node, size);
	return compare_data(c, node, inode, size,
			    !node->alternates || (grown && !node->loose));
}

/* ------------------------------------------------------------- attributes */

static bool compare_stat(struct comparison *c, const struct shadow_node *node,
			 const struct stat *stat)
{
	if (stat->st_mode != node->mode)
		return differ(c, "%s: mode %o, not %o", c->path, stat->st_mode,
			      node->mode);
	if (node->ino && stat->st_ino != node->ino)
		return differ(c, "%s: inode %llu, not %llu", c->path,
			      (unsigned long long)stat->st_ino,
			      (unsigned long long)node->ino);
	if (stat->st_nlink != node->nlink)
		return differ(c, "%s: %u links, not %u", c->path,
			      (unsigned)stat->st_nlink, node->nlink);
	if (node->ino != INO_ROOT &&
	    (stat->st_uid != node->uid || stat->st_gid != node->gid))
		return differ(c, "%s: owner %u:%u, not %u:%u", c->path,
			      stat->st_uid, stat->st_gid, node->uid, node->gid);
	if ((S_ISCHR(node->mode) || S_ISBLK(node->mode)) &&
	    stat->st_rdev != node->rdev)
		return differ(c, "%s: another device node", c->path);
	if (node->mtime_known && (stat->st_mtim.tv_sec != node->mtime.tv_sec ||
				  stat->st_mtim.tv_nsec != node->mtime.tv_nsec))
		return differ(
			c, "%s: mtime %lld.%09ld, not %lld.%09ld", c->path,
			(long long)stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec,
			(long long)node->mtime.tv_sec, node->mtime.tv_nsec);
	return true;
}

static bool compare_xattr(struct comparison *c, struct inode *inode,
			  const struct shadow_xattr *xattr)
{
	static char value[65536], want[65536];
	ssize_t length;

	length = xattr_get(c->request, inode, xattr->name, value,
			   sizeof(value));
	if (length < 0 || (uint32_t)length != xattr->length)
		return differ(c, "%s: %s has %zd bytes, not %u", c->path,
			      xattr->name, length, xattr->length);
	if (strncmp(xattr->name, "system.", 7) == 0)
		memcpy(want, xattr->acl, xattr->length);
	else
		pattern_fill(want, 0, xattr->version, 0, xattr->length);
	if (memcmp(value, want, xattr->length) != 0)
		return differ(c, "%s: another value of %s", c->path,
			      xattr->name);
	return true;
}

static bool compare_xattrs(struct comparison *c, const struct shadow_node *node,
			   struct inode *inode)
{
	size_t list_bytes = 0;
	ssize_t listed;
	unsigned i;

	for (i = 0; i < SHADOW_XATTRS; i++) {
		if (!node->xattr[i].name[0])
			continue;
		list_bytes += strlen(node->xattr[i].name) + 1;
		if (!compare_xattr(c, inode, &node->xattr[i]))
			return false;
	}
	listed = xattr_list(c->request, inode, true, NULL, 0);
	if (listed < 0 || (size_t)listed != list_bytes)
		return differ(c, "%s: %zd bytes of xattr names, not %zu",
			      c->path, listed, list_bytes);
	return true;
}

/* ------------------------------------------------------------------- names */

static bool compare_inode(struct comparison *c, struct inode *inode, int at,
			  unsigned depth);

static bool compare_child(struct comparison *c, struct inode *dir,
			  const struct shadow_entry *entry, unsigned depth)
{
	const char *outer = c->path;
	char path[256];
	struct inode *inode;
	bool same;
	int err;

	snprintf(path, sizeof(path), "%s/%s", outer, entry->name);
	c->path = path;
	begin(c);
	err = dir_lookup(c->request, dir, entry->name, &inode);
	request_end(c->request);
	if (err) {
		same = differ(c, "%s: %s", path, strerror(-err));
	} else {
		same = compare_inode(c, inode, entry->node, depth + 1);
		inode_forget(c->fs, inode, 1);
	}
	c->path = outer;
	return same;
}

struct listing {
	const struct shadow *shadow;
	int dir;
	unsigned count;
	char stranger[SHADOW_NAME];
};

static int list_one(const char *name, size_t name_length, uint64_t ino,
		    unsigned type, uint64_t cookie, void *arg)
{
	struct listing *listing = arg;
	char text[256];

	(void)ino, (void)type, (void)cookie;
	snprintf(text, sizeof(text), "%.*s", (int)name_length, name);
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return 0;
	listing->count++;
	/* Who is too many is looked for where somebody is. */
	if (listing->count > listing->shadow->node[listing->dir]->count ||
	    listing->count < 64) {
		if (shadow_entry(listing->shadow, listing->dir, text) ==
		    NODE_NONE)
			snprintf(listing->stranger, sizeof(listing->stranger),
				 "%.31s", text);
	}
	return 0;
}

static bool compare_dir(struct comparison *c, const struct shadow_node *node,
			struct inode *dir, int at, unsigned depth)
{
	struct listing listing = { .shadow = c->shadow, .dir = at };
	unsigned i;
	int err;

	begin(c);
	err = dir_read(c->request, dir, 0, list_one, &listing);
	request_end(c->request);
	if (err || listing.count != node->count || listing.stranger[0])
		return differ(c, "%s: %u names, not %u (%s)", c->path,
			      listing.count, node->count,
			      err ? strerror(-err) : listing.stranger);
	for (i = 0; i < node->count; i++)
		if (!compare_child(c, dir, &node->entries[i], depth))
			return false;
	return true;
}

static bool compare_symlink(struct comparison *c,
			    const struct shadow_node *node, struct inode *inode)
{
	char text[4097] = "";

	if (dir_readlink(c->request, inode, text, sizeof(text)) != 0 ||
	    strlen(text) != node->size ||
	    memcmp(text, node->data, node->size) != 0)
		return differ(c, "%s: another target", c->path);
	return true;
}

static bool compare_inode(struct comparison *c, struct inode *inode, int at,
			  unsigned depth)
{
	const struct shadow_node *node = c->shadow->node[at];
	struct stat stat;
	bool same;

	if (depth > DEPTH_MAX)
		return differ(c, "%s: too deep", c->path);
	begin(c);
	attr_get(c->fs, inode, &stat);
	same = compare_stat(c, node, &stat) && compare_xattrs(c, node, inode);
	if (same && S_ISLNK(node->mode))
		same = compare_symlink(c, node, inode);
	request_end(c->request);
	if (same && S_ISREG(node->mode))
		same = compare_file(c, node, inode, (uint64_t)stat.st_size);
	else if (same && S_ISDIR(node->mode))
		same = compare_dir(c, node, inode, at, depth);
	return same;
}

bool compare_tree(struct fs *fs, struct request *request,
		  const struct shadow *shadow, char *text, size_t text_bytes)
{
	struct comparison comparison = { .fs = fs,
					 .request = request,
					 .shadow = shadow,
					 .text = text,
					 .text_bytes = text_bytes,
					 .path = "" };

	text[0] = '\0';
	return compare_inode(&comparison, inode_of(fs, INO_ROOT), 0, 0);
}
