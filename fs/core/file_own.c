/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_own.c -- copy-on-write
 *
 * The copy is stored to new blocks and drained before the commit that shows it,
 * as any data; the old blocks are read and no more. What the kernel has cached
 * of the old ones is the same bytes: its entries go over to the new place, so
 * that a file has entries only on blocks that it owns. Then, whoever drops a
 * block as the last owner need not look at other files' entries.
 */
#include "core/file_own.h"

#include "core/lease.h"
#include "dax/entry_table.h"
#include "trace/trace.h"
#include "util/log.h"

#include <errno.h>

/* ----------------------------------------------------------- kernel entries */

static int is_kernels(const struct entry_info *info, void *arg)
{
	return info->holder == ENTRY_KERNEL;
}

static int put_entries(struct entry_table *table, const struct extent *run)
{
	const struct entry_new new = { .kind = ENTRY_REAL,
				       .holder = ENTRY_KERNEL,
				       .device = addr_device(run->addr),
				       .device_page = addr_block(run->addr) };

	return entry_table_fill_run(table, run->start, run->blocks, &new, NULL);
}

static int move_entries(struct file_change *change, const struct extent *run)
{
	struct inode_active *active = atomic_load(&change->inode->active);
	struct entry_table *table = active ? &active->entries : NULL;
	int error;

	if (!table || entry_table_kernel(table) == 0 ||
	    !entry_table_walk(table, run->start, extent_end(run) - 1,
			      is_kernels, NULL))
		return 0;
	if (!change->moved_end || run->start < change->moved_start)
		change->moved_start = run->start;
	if (extent_end(run) > change->moved_end)
		change->moved_end = extent_end(run);
	error = put_entries(table, run);
	return error == -ENXIO ? -EIO : error;
}

void file_own_entries_back(struct file_change *change)
{
	uint64_t at = change->moved_start, end = change->moved_end;
	struct inode *inode = change->inode;
	struct entry_table *table;
	struct extent run;
	struct tree map;
	int error = 0;

	if (!end)
		return;
	table = &atomic_load(&inode->active)->entries;
	extent_map_init(&map, change->fs, NULL, inode->ino, inode->media);
	while (!error && !extent_first(change->fs, &map, at, end, &run)) {
		at = extent_end(&run);
		/* What is leased in between has not moved. */
		if (extent_is_written(&run) &&
		    !entry_table_has_leases(table, run.start, at - 1))
			error = put_entries(table, &run);
	}
	/* A device that is going: the kernel is asked for all its pages. */
	if (error && entry_table_delete_range(table, change->moved_start,
					      end - 1, ENTRY_OF_KERNEL) < 0)
		log_warn("inode %llu: entries of blocks that it lost",
			 (unsigned long long)inode->ino);
	change->moved_end = 0;
}

/* ------------------------------------------------------------------- blocks */

/* Cut to what has the same number of owners. */
static int look(struct file_change *change, struct extent *piece,
		struct shared_run *run)
{
	int error;

	shared_begin(&change->shared, change->fs, change->txn);
	error = shared_look(&change->shared.tree, piece->addr, piece->blocks,
			    run);
	if (!error)
		piece->blocks = run->blocks;
	return error;
}

static bool is_shared(const struct file_change *change,
		      const struct extent *piece)
{
	return piece->flags & EXTENT_SHARED && change->fs->shared.media;
}

int file_own_part(struct file_change *change, struct extent *piece, bool *last)
{
	struct shared_run run;
	int error;

	*last = true;
	if (!is_shared(change, piece))
		return 0;
	error = look(change, piece, &run);
	if (error || run.owners == 1)
		return error;
	*last = false;
	return shared_drop(&change->shared, &run);
}

/* A lease or a pin would go on showing what the file has no longer. */
static bool is_held(const struct file_change *change,
		    const struct extent *piece)
{
	struct inode_active *active = atomic_load(&change->inode->active);

	return active && (entry_table_has_leases(&active->entries, piece->start,
						 extent_end(piece) - 1) ||
			  lease_pinned(change->fs, change->inode->ino,
				       piece->start, extent_end(piece) - 1));
}

/* Bytes [start, end) of the file, from the old run to the new one. */
static void copy_bytes(struct file_change *change, const struct extent *old,
		       const struct extent *new, uint64_t start, uint64_t end)
{
	const struct device *device =
		change->fs->members.device[addr_device(old->addr)];
	uint64_t skip = start - (old->start << BLOCK_SHIFT);

	if (start < end)
		file_change_copy(
			change, new->addr + skip,
			device_at(device, addr_offset(old->addr) + skip),
			end - start);
}

/* All of them but [from, to). */
static int copy_rest(struct file_change *change, const struct extent *old,
		     const struct extent *new, uint64_t from, uint64_t to)
{
	uint64_t start = new->start << BLOCK_SHIFT;
	uint64_t end = extent_end(new) << BLOCK_SHIFT;

	if (from >= end || to <= start || from >= to) {
		copy_bytes(change, old, new, start, end);
	} else {
		copy_bytes(change, old, new, start, from);
		copy_bytes(change, old, new, to, end);
	}
	/* What has been read of it may be zeros. */
	return device_failed(change->fs->members.device[addr_device(old->addr)])
		       ? -EIO
		       : 0;
}

/* The blocks of `new` take the place of the first ones of `old`. */
static int exchange(struct file_change *change, struct extent old,
		    const struct extent *new, struct shared_run shared)
{
	int error;

	old.blocks = shared.blocks = new->blocks;
	error = extent_remove(change->fs, &change->map, &old);
	if (!error)
		error = shared_drop(&change->shared, &shared);
	if (!error)
		error = extent_insert(change->fs, &change->map, *new);
	return error;
}

int file_change_own(struct file_change *change, struct extent *run,
		    uint64_t from, uint64_t to)
{
	struct shared_run shared = { .owners = 1 };
	struct extent new;
	int error = 0;

	if (!(run->flags & EXTENT_SHARED))
		return 0;
	if (is_shared(change, run))
		error = look(change, run, &shared);
	if (error)
		return error;
	if (shared.owners == 1) {
		/* The others have gone: it is the flag that lags. */
		error = extent_set_flags(change->fs, &change->map, *run, 0);
		run->flags = 0;
		change->broken |= error != 0;
		return error;
	}
	if (is_held(change, run))
		return -EBUSY;
	error = file_change_gate(change, addr_device(run->addr));
	if (!error)
		error = file_space_take(change, run, &new);
	if (error)
		return error;
	error = copy_rest(change, run, &new, from, to);
	if (!error)
		error = move_entries(change, &new);
	if (!error)
		error = exchange(change, *run, &new, shared);
	change->broken |= error != 0;
	if (error)
		return error;
	TRACE4(cow, change->inode->ino, new.start, new.blocks, run->addr);
	*run = new;
	return 0;
}
