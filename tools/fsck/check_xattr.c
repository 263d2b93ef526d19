/* SPDX-License-Identifier: BSD-3-Clause */
#include "blocks.h"
#include "check_dir.h"
#include "names.h"
#include "path.h"
#include "report.h"
#include "tree_scan.h"
#include "util/crc32c.h"

struct xattr_scan {
	struct fsck *fsck;
	uint64_t ino;
	uint64_t value_blocks;
	bool damaged;
	struct name_run run;
};

static void check_name(struct xattr_scan *scan, uint64_t key,
		       const xattr_media *xattr, const char *name)
{
	switch (name_run_add(&scan->run, scan->fsck->sb->hash_seed, key,
			     xattr->bytes, xattr->name_length)) {
	case NAME_RIGHT:
		break;
	case NAME_WRONG_KEY:
		problem_inode(scan->fsck, "xattr", scan->ino, MEND_XATTRS,
			      "attribute \"%s\" has key %#jx, which is not its "
			      "hash",
			      name, (uintmax_t)key);
		break;
	case NAME_TWICE:
		problem_inode(scan->fsck, "xattr", scan->ino, MEND_XATTRS,
			      "attribute \"%s\" is there twice", name);
		break;
	}
}

/* A value in blocks of its own. */
static void check_value(struct xattr_scan *scan, const xattr_media *xattr,
			const char *name)
{
	uint64_t blocks = ((uint64_t)xattr->value_length + BLOCK_BYTES - 1) >>
			  BLOCK_SHIFT;
	const void *value = blocks_see_metadata(scan->fsck, xattr->addr, blocks,
						scan->ino, OWNER_XATTR);

	scan->value_blocks += blocks;
	if (value != NULL && scan->fsck->look == LOOK_CLAIM &&
	    crc32c(0, value, xattr->value_length) != xattr->value_crc) {
		problem_inode(scan->fsck, "xattr", scan->ino, MEND_XATTRS,
			      "the value of attribute \"%s\" in block %ju is "
			      "damaged",
			      name, (uintmax_t)addr_block(xattr->addr));
		value = NULL;
	}
	if (value == NULL ||
	    !blocks_claim_metadata(scan->fsck, xattr->addr, blocks, scan->ino,
				   OWNER_XATTR)) {
		fsck_mend(scan->fsck, scan->ino, MEND_XATTRS);
		scan->damaged = true;
	}
}

static void take_xattr(void *arg, uint64_t key, const void *bytes,
		       unsigned length_bytes)
{
	struct xattr_scan *scan = arg;
	const xattr_media *xattr = bytes;
	char name[256];

	path_printable(name, sizeof(name), xattr->bytes, xattr->name_length);
	if (scan->fsck->look == LOOK_CLAIM) {
		scan->fsck->counts.xattrs++;
		check_name(scan, key, xattr, name);
	}
	if (xattr->addr != ADDR_NONE)
		check_value(scan, xattr, name);
}

void check_xattrs(struct fsck *fsck, const inode_media *inode,
		  struct inode_found *found)
{
	struct xattr_scan xattrs = { .fsck = fsck, .ino = inode->ino };
	struct tree_scan scan = {
		.fsck = fsck,
		.ino = inode->ino,
		.kind = TREE_XATTRS,
		.value = take_xattr,
		.arg = &xattrs,
	};

	if (inode->xattr_root == ADDR_NONE)
		return;
	tree_scan_block(&scan, inode->xattr_root);
	found->damaged = found->damaged || scan.damaged || xattrs.damaged;
	found->blocks += scan.nodes + xattrs.value_blocks;
}
