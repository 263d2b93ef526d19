/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/file_share.h"

#include "core/attr_flags.h"
#include "core/file_change.h"
#include "core/file_hole.h"
#include "core/lease.h"
#include "core/request.h"
#include "core/space.h"
#include "dax/entry_table.h"
#include "journal/journal.h"
#include "trace/trace.h"

#include <errno.h>

/* What one step may add to the record: changes of two maps, and two places of
 * inode 2's tree; see file_change.c. */
#define STEP_ROOM (176u << 10)
/* Under one hold of the locks: 128 MiB. */
#define WINDOW_BLOCKS 32768

struct chain {
	const struct share *share;
	struct fs *fs;
	uint64_t done;
	bool full; /* a block has all the owners that can be counted */
};

/* ------------------------------------------------------------------ source */

struct look {
	bool writers;
	uint64_t found;
};

static int may_be_stored_to(const struct entry_info *info, void *arg)
{
	struct look *look = arg;

	if (info->holder != ENTRY_LEASE &&
	    !(look->writers && info->kind == ENTRY_REAL))
		return 0;
	look->found = info->index;
	return 1;
}

/* Blocks of the source before the first that may be stored to unseen. */
static uint64_t clear_blocks(const struct share *share, uint64_t blocks)
{
	struct inode *inode = share->source;
	struct inode_active *active = atomic_load(&inode->active);
	uint64_t first = share->source_block;
	uint64_t last = first + blocks - 1;
	struct look look;

	if (!active)
		return blocks;
	if (lease_pinned(share->request->fs, inode->ino, first, last))
		return 0;
	look.writers = active->writers > 0;
	if (entry_table_count(&active->entries) > 0 &&
	    entry_table_walk(&active->entries, first, last, may_be_stored_to,
			     &look))
		blocks = look.found > first ? look.found - first : 0;
	if (blocks && entry_table_kernel(&active->entries) > 0)
		atomic_store(&active->shows_shared, true);
	return blocks;
}

/* ------------------------------------------------------------------- steps */

/* The source has no bytes there, and so has the target. */
static int step_hole(struct chain *chain, struct file_change *change,
		     uint64_t blocks)
{
	uint64_t at = chain->share->target_block + chain->done;
	struct extent old;
	int error = extent_first(chain->fs, &change->map, at, at + blocks,
				 &old);

	if (error == -ENOENT) {
		chain->done += blocks;
		return 0;
	}
	if (!error)
		error = file_change_drop(change, &old);
	if (!error)
		chain->done += extent_end(&old) - at;
	return error;
}

/* What stands in the target goes, as far as it is of one kind. */
static int make_room(struct chain *chain, struct file_change *change,
		     struct extent *new)
{
	struct extent old;
	int error = extent_at(chain->fs, &change->map, new->start, &old);

	if (error)
		return error;
	old = extent_clip(old, 0, extent_end(new));
	if (!extent_is_hole(&old))
		error = file_change_drop(change, &old);
	new->blocks = old.blocks;
	return error;
}

/* An owner more for each: mostly all have the same number. */
static int count_owner(struct file_change *change, const struct extent *run)
{
	uint64_t addr = run->addr, left = run->blocks;
	struct shared_run part;
	int error = 0;

	shared_begin(&change->shared, change->fs, change->txn);
	for (; left > 0 && !error; left -= part.blocks) {
		error = shared_look(&change->shared.tree, addr, left, &part);
		if (error)
			break;
		error = shared_add(&change->shared, &part);
		addr += part.blocks << BLOCK_SHIFT;
	}
	return error;
}

/* Cut to blocks that may get an owner more and have as many as each other. */
static int cut_alike(struct chain *chain, struct file_change *change,
		     struct extent *run)
{
	struct shared_run alike;
	int error;

	shared_begin(&change->shared, change->fs, change->txn);
	error = shared_look(&change->shared.tree, run->addr, run->blocks,
			    &alike);
	if (error)
		return error;
	run->blocks = alike.blocks;
	chain->full = alike.owners == SHARED_OWNERS_MAX;
	return 0;
}

static int step_blocks(struct chain *chain, struct file_change *change,
		       struct tree *source, struct extent run)
{
	struct extent new;
	int error = file_change_gate(change, addr_device(run.addr));

	if (!error)
		error = cut_alike(chain, change, &run);
	if (error || chain->full)
		return error;
	new = run;
	new.start = chain->share->target_block + chain->done;
	new.flags = EXTENT_SHARED;
	error = make_room(chain, change, &new);
	run.blocks = new.blocks;
	if (!error)
		error = count_owner(change, &new);
	if (!error)
		error = extent_set_flags(chain->fs, source, run, EXTENT_SHARED);
	if (!error)
		error = extent_insert(chain->fs, &change->map, new);
	change->broken |= error != 0;
	if (error)
		return error;
	TRACE4(share, chain->share->source->ino, run.start, run.blocks,
	       new.addr);
	change->copy->blocks += new.blocks;
	chain->done += new.blocks;
	return 0;
}

static int step(struct chain *chain, struct file_change *change,
		struct tree *source)
{
	const struct share *share = chain->share;
	uint64_t end = share->source_block + share->blocks;
	struct extent run;
	int error = extent_at(chain->fs, source,
			      share->source_block + chain->done, &run);

	if (error)
		return error;
	run = extent_clip(run, 0, end);
	if (extent_is_written(&run))
		return step_blocks(chain, change, source, run);
	return step_hole(chain, change, run.blocks);
}

/* -------------------------------------------------------------------- links */

static int steps(struct chain *chain, struct file_change *change,
		 struct tree *source)
{
	const struct share *share = chain->share;
	uint64_t start = share->target_block << BLOCK_SHIFT;
	uint64_t end;
	int error = file_change_leave_inline(change);

	if (!error)
		error = file_change_extend(change, start);
	/* The first has room. */
	while (!error && chain->done < share->blocks && !chain->full) {
		error = step(chain, change, source);
		if (!file_change_has_room_for(change, STEP_ROOM))
			break;
	}
	if (error)
		return error;
	end = start + (chain->done << BLOCK_SHIFT);
	if (end > share->end)
		end = share->end;
	if (chain->done && end > change->copy->size)
		change->copy->size = end;
	return 0;
}

static int link_one(struct chain *chain)
{
	const struct share *share = chain->share;
	struct file_change change;
	struct tree map, *source = &change.map;
	inode_media *copy = NULL;
	int error = file_change_begin(&change, chain->fs, share->request,
				      share->target);

	if (error)
		return error;
	if (share->source != share->target) {
		copy = inode_edit(change.txn, share->source);
		extent_map_init(&map, chain->fs, change.txn, share->source->ino,
				copy);
		source = &map;
	}
	error = steps(chain, &change, source);
	if (copy)
		copy->blocks += (uint64_t)map.blocks_delta;
	if (share->kill_suidgid)
		file_change_kill_suidgid(&change);
	file_change_stamp(&change);
	return file_change_end(&change, error);
}

int64_t file_share_locked(const struct share *share)
{
	uint64_t blocks = share->blocks < WINDOW_BLOCKS ? share->blocks
							: WINDOW_BLOCKS;
	struct share window = *share;
	struct chain chain = { .share = &window, .fs = share->request->fs };
	uint64_t before = 0;
	int error = attr_flags_may_write(
		share->target, share->target_block << BLOCK_SHIFT, false);

	if (error)
		return error;
	if (!chain.fs->shared.media ||
	    share->source->media->format != INODE_EXTENTS)
		return 0;
	window.blocks = clear_blocks(share, blocks);
	if (!window.blocks)
		return 0;
	/* What ended leases have stored, and is not flushed yet, would be the
	 * target's, too. */
	lease_store_settle_locked(chain.fs, share->source, LEASE_NO_DEVICE);
	error = file_hole_settle(share->request, share->target);
	if (!error)
		error = file_break(chain.fs, share->target, share->target_block,
				   share->target_block + window.blocks);
	while (!error && chain.done < window.blocks && !chain.full) {
		before = chain.done;
		/* Nodes alone: they would take all that is in reserve. */
		error = space_left(chain.fs);
		if (!error)
			error = link_one(&chain);
	}
	if (error)
		chain.done = before;
	/* What stands in the target may have room for a copy. */
	if (error == -ENOSPC)
		error = 0;
	return chain.done ? (int64_t)chain.done : error;
}
