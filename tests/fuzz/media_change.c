/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_visit.h"

#include "core/attr.h"
#include "core/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHANGES 24
#define BYTES_MAX (96u << 10)

struct change {
	struct visit *visit;
	unsigned seed;
	struct inode *dir;
	const char *name;
	struct inode *inode; /* of that name */
	struct inode *other_dir;
};

static char bytes[BYTES_MAX];

static unsigned draw(struct change *change, unsigned below)
{
	return (unsigned)rand_r(&change->seed) % below;
}

/* Near the begin, the end, or nowhere near. */
static off_t draw_offset(struct change *change)
{
	struct stat stat;

	attr_get(change->visit->fs, change->inode, &stat);
	switch (draw(change, 4)) {
	case 0:
		return draw(change, 20000);
	case 1:
		return stat.st_size;
	case 2:
		return stat.st_size / 2;
	default:
		return (off_t)draw(change, 1u << 22);
	}
}

static void change_write(struct change *change)
{
	struct visit *visit = change->visit;
	off_t offset = draw_offset(change);
	size_t length = 1 + draw(change, BYTES_MAX);

	if (visit_begin(visit, "write", change->inode))
		visit_end(visit, file_write(&visit->request, change->inode,
					    bytes, length, offset, true));
}

static void change_size(struct change *change)
{
	struct visit *visit = change->visit;
	struct stat attr = { .st_size = draw_offset(change) };

	if (visit_begin(visit, "truncate", change->inode))
		visit_end(visit, attr_set(&visit->request, change->inode, &attr,
					  ATTR_SIZE, &attr));
}

static void change_allocation(struct change *change)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
	};
	struct visit *visit = change->visit;
	off_t offset = draw_offset(change);

	if (visit_begin(visit, "fallocate", change->inode))
		visit_end(visit,
			  file_fallocate(&visit->request, change->inode,
					 modes[draw(change, 5)], offset,
					 1 + (off_t)draw(change, 1 << 20)));
}

static void change_fill(struct change *change)
{
	struct visit *visit = change->visit;
	struct iovec iov[FILE_READ_IOVS];
	unsigned count;
	off_t offset = draw_offset(change) & ~(off_t)(BLOCK_BYTES - 1);

	if (visit_begin(visit, "fill", change->inode))
		visit_end(visit, file_fill(&visit->request, change->inode,
					   READ_BYTES, offset, iov, &count));
}

static void change_data(struct change *change)
{
	static void (*const changes[])(struct change *) = {
		change_write,	   change_write,      change_size,
		change_allocation, change_allocation, change_fill,
	};
	struct visit *visit = change->visit;

	if (!S_ISREG(change->inode->media->mode) ||
	    inode_open(visit->fs, change->inode, true))
		return;
	for (unsigned i = 0; i < 2; i++)
		changes[draw(change, 6)](change);
	inode_close(visit->fs, change->inode, true);
}

static void change_xattr(struct change *change)
{
	static const char *const names[] = { "user.small", "user.large",
					     "user.attribute3", "user.new" };
	static const size_t lengths[] = { 0, 10, 900, 30000 };
	struct visit *visit = change->visit;
	const char *name = names[draw(change, 4)];

	if (!visit_begin(visit, "setxattr", change->inode))
		return;
	visit_end(visit,
		  draw(change, 3) == 0
			  ? xattr_remove(&visit->request, change->inode, name)
			  : xattr_set(&visit->request, change->inode, name,
				      bytes, lengths[draw(change, 4)], 0));
}

static void change_attributes(struct change *change)
{
	struct visit *visit = change->visit;
	struct stat attr = { .st_mode = 0640, .st_uid = 5 };

	if (visit_begin(visit, "setattr", change->inode))
		visit_end(visit, attr_set(&visit->request, change->inode, &attr,
					  ATTR_MODE | ATTR_UID | ATTR_MTIME_NOW,
					  &attr));
}

static void change_create(struct change *change)
{
	static const mode_t modes[] = { S_IFREG | 0644, S_IFDIR | 0755,
					S_IFIFO | 0600, S_IFLNK | 0777 };
	struct visit *visit = change->visit;
	struct dir_new attr = { .mode = modes[draw(change, 4)],
				.symlink = "target" };
	struct inode *inode;
	char name[256];
	int err;

	snprintf(name, sizeof(name), "%0*u", draw(change, 2) ? 180 : 3,
		 draw(change, 1000));
	if (!visit_begin(visit, "create", change->dir))
		return;
	err = visit_end(visit, dir_create(&visit->request, change->dir, name,
					  &attr, &inode));
	if (!err)
		visit_forget(visit, inode);
}

static void change_link(struct change *change)
{
	struct visit *visit = change->visit;

	if (visit_begin(visit, "link", change->dir))
		visit_end(visit, dir_link(&visit->request, change->inode,
					  change->other_dir, "linked-again"));
}

/* Shares blocks, or copies them. */
static void change_copy(struct change *change)
{
	struct visit *visit = change->visit;
	const struct visit_name *at =
		&visit->found[draw(change, visit->found_count)];
	off_t from = draw_offset(change), to = draw_offset(change);
	struct inode *target;

	if (draw(change, 2)) {
		from &= ~(off_t)(BLOCK_BYTES - 1);
		to &= ~(off_t)(BLOCK_BYTES - 1);
	}
	if (!S_ISREG(change->inode->media->mode) ||
	    !visit_begin(visit, "lookup", change->other_dir))
		return;
	if (visit_end(visit, dir_lookup(&visit->request, change->other_dir,
					at->name, &target)))
		return;
	if (S_ISREG(target->media->mode) && visit_begin(visit, "copy", target))
		visit_end(visit,
			  file_copy(&visit->request, change->inode, from,
				    target, to, draw(change, 1 << 19), true));
	visit_forget(visit, target);
}

static void change_unlink(struct change *change)
{
	struct visit *visit = change->visit;

	if (!visit_begin(visit, "unlink", change->dir))
		return;
	if (S_ISDIR(change->inode->media->mode))
		visit_end(visit, dir_rmdir(&visit->request, change->dir,
					   change->name));
	else
		visit_end(visit, dir_unlink(&visit->request, change->dir,
					    change->name));
}

static void change_name(struct change *change)
{
	static const unsigned flags[] = { 0, RENAME_NOREPLACE,
					  RENAME_EXCHANGE };
	struct visit *visit = change->visit;
	const struct visit_name *to =
		&visit->found[draw(change, visit->found_count)];
	const char *name = draw(change, 2) ? to->name : "renamed";

	if (visit_begin(visit, "rename", change->dir))
		visit_end(visit, dir_rename(&visit->request, change->dir,
					    change->name, change->other_dir,
					    name, flags[draw(change, 3)]));
}

static void change_one(struct change *change)
{
	static void (*const changes[])(struct change *) = {
		change_data,  change_data,   change_data,	change_xattr,
		change_xattr, change_name,   change_attributes, change_create,
		change_link,  change_unlink, change_unlink,	change_copy,
		change_copy,
	};

	changes[draw(change, sizeof(changes) / sizeof(changes[0]))](change);
}

/* The kernel asks for names in directories only. */
static int find(struct change *change)
{
	struct visit *visit = change->visit;

	if (!S_ISDIR(change->dir->media->mode) ||
	    !S_ISDIR(change->other_dir->media->mode))
		return -ENOTDIR;
	if (!visit_begin(visit, "lookup", change->dir))
		return -EIO;
	return visit_end(visit, dir_lookup(&visit->request, change->dir,
					   change->name, &change->inode));
}

void visit_change(struct visit *visit, unsigned seed)
{
	struct change change = { .visit = visit, .seed = seed };
	struct fs *fs = visit->fs;

	memset(bytes, 'n', sizeof(bytes));
	for (unsigned i = 0; i < CHANGES && visit->found_count > 0; i++) {
		const struct visit_name *at =
			&visit->found[draw(&change, visit->found_count)];
		const struct visit_name *other =
			&visit->found[draw(&change, visit->found_count)];

		change.name = at->name;
		if (inode_look(fs, at->dir, &change.dir))
			continue;
		if (inode_look(fs, other->dir, &change.other_dir) == 0) {
			if (find(&change) == 0) {
				change_one(&change);
				visit_forget(visit, change.inode);
			}
			visit_forget(visit, change.other_dir);
		}
		visit_forget(visit, change.dir);
	}
}
