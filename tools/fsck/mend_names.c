/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mend_names.c -- link counts, orphans, lost+found
 *
 * All directories are sound here, so what has no name has none. First
 * lost+found gets the names, then the inodes are told.
 */
#include "mend.h"

#include "chunks.h"
#include "inodes.h"
#include "report.h"
#include "shared.h"
#include "write.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST_FOUND "lost+found"
#define NAME_TRIES 8
#define SLOT_ROOM (2 * INODE_BYTES)

/* Many slots a transaction. */
struct batch {
	struct fsck *fsck;
	struct txn *txn;
};

static int batch_end(struct batch *batch)
{
	struct txn *txn = batch->txn;

	batch->txn = NULL;
	return txn ? txn_commit(txn) : 0;
}

static int batch_slot(struct batch *batch, uint64_t ino, inode_media **copy)
{
	int err = 0;

	if (batch->txn && txn_room(batch->txn) < SLOT_ROOM)
		err = batch_end(batch);
	if (err)
		return err;
	if (!batch->txn)
		batch->txn = txn_begin(batch->fsck->journal);
	*copy = write_slot(batch->fsck, batch->txn, ino, NULL);
	return 0;
}

/* ------------------------------------------------------------- lost+found */

static bool has_name(const dirent_media *entry, const char *name)
{
	return entry->name_length == strlen(name) &&
	       memcmp(entry->name, name, entry->name_length) == 0;
}

/* What the root has under that name: its inode, or 0. */
static int look_up(struct fsck *fsck, const char *name, uint64_t *ino)
{
	struct values values = { .at = NULL };
	int err = collect_inode(fsck, inodes_slot(fsck, INO_ROOT), TREE_ENTRIES,
				&values);
	size_t i;

	*ino = 0;
	for (i = 0; i < values.count && err == 0; i++) {
		const dirent_media *entry = values.at[i].bytes;

		if (has_name(entry, name))
			*ino = entry->ino;
	}
	values_fini(&values);
	return err;
}

static uint64_t free_slot(struct fsck *fsck)
{
	uint64_t ino;

	for (ino = INO_FIRST; ino < fsck->inode_file.inodes; ino++)
		if (!(ino == INO_SHARED && shares(fsck)) &&
		    fsck->inodes[ino].type == DT_UNKNOWN &&
		    !(fsck->inodes[ino].mend & MEND_STEPS) &&
		    inodes_slot(fsck, ino)->mode == 0 &&
		    inodes_addr(fsck, ino) != ADDR_NONE)
			return ino;
	return 0;
}

/* For the next round, which knows of the slots. */
static int more_slots(struct fsck *fsck)
{
	const struct chunk chunk = { chunks_end(&fsck->inode_file), ADDR_NONE,
				     CHUNK_BLOCKS };
	int err = chunks_add(&fsck->inode_file, chunk);

	if (err == 0)
		err = mend_inode_file(fsck);
	return err ? err : -EAGAIN;
}

static int make_directory(struct fsck *fsck, const char *name, uint64_t *ino)
{
	struct new_entry entry = { .type = DT_DIR };
	inode_media root = *inodes_slot(fsck, INO_ROOT), dir;
	struct txn *txn;
	int err;

	*ino = free_slot(fsck);
	if (*ino == 0)
		return more_slots(fsck);
	entry.ino = *ino;
	snprintf(entry.name, sizeof(entry.name), "%s", name);
	err = mend_add_entries(fsck, inodes_slot(fsck, INO_ROOT), &entry, 1,
			       &root);
	if (err)
		return err;
	fsck->inodes[INO_ROOT].subdirs++;
	root.nlink = 2 + fsck->inodes[INO_ROOT].subdirs;
	mend_empty_directory(fsck, *ino, 0700, &dir);
	dir.parent_key = entry.key;
	txn = txn_begin(fsck->journal);
	write_slot(fsck, txn, INO_ROOT, &root);
	write_slot(fsck, txn, *ino, &dir);
	err = txn_commit(txn);
	fsck->inodes[*ino].type = DT_DIR;
	fsck->inodes[*ino].parent = INO_ROOT;
	fsck->inodes[*ino].links = 1;
	return err;
}

/* lost+found, or the like if somebody has that name for something else. */
static int find_directory(struct fsck *fsck, uint64_t *ino)
{
	char name[sizeof(LOST_FOUND) + 8] = LOST_FOUND;
	unsigned i;
	int err;

	for (i = 1; i <= NAME_TRIES; i++) {
		err = look_up(fsck, name, ino);
		if (err)
			return err;
		if (*ino == 0)
			return make_directory(fsck, name, ino);
		if (fsck->inodes[*ino].type == DT_DIR &&
		    !(fsck->inodes[*ino].mend & MEND_LOST))
			return 0;
		snprintf(name, sizeof(name), LOST_FOUND "-%u", i);
	}
	return -ENOSPC;
}

/* ---------------------------------------------------------------- the lost */

struct lost {
	struct new_entry *at; /* by inode */
	size_t count;
};

static int find_lost(struct fsck *fsck, struct lost *lost)
{
	uint64_t ino, count = 0;

	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++)
		count += (fsck->inodes[ino].mend & MEND_LOST) != 0;
	lost->at = calloc(count + 1, sizeof(lost->at[0]));
	if (lost->at == NULL)
		return -ENOMEM;
	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++) {
		if (!(fsck->inodes[ino].mend & MEND_LOST))
			continue;
		lost->at[lost->count].ino = ino;
		lost->at[lost->count++].type = fsck->inodes[ino].type;
	}
	return 0;
}

static void name_them(struct lost *lost, unsigned try)
{
	size_t i;

	for (i = 0; i < lost->count; i++) {
		struct new_entry *entry = &lost->at[i];

		if (entry->key != 0 && try > 0)
			continue;
		if (try == 0)
			snprintf(entry->name, sizeof(entry->name), "#%ju",
				 (uintmax_t)entry->ino);
		else
			snprintf(entry->name, sizeof(entry->name), "#%ju.%u",
				 (uintmax_t)entry->ino, try);
	}
}

static bool all_named(const struct lost *lost)
{
	size_t i;

	for (i = 0; i < lost->count; i++)
		if (lost->at[i].key == 0)
			return false;
	return true;
}

static int add_names(struct fsck *fsck, uint64_t dir, struct lost *lost)
{
	inode_media copy = *inodes_slot(fsck, dir);
	unsigned try;
	struct txn *txn;
	size_t i;
	int err = 0;

	for (try = 0; try < NAME_TRIES && err == 0; try++) {
		name_them(lost, try);
		for (i = 0; i < lost->count; i++)
			lost->at[i].key = 0;
		mend_unplace(fsck, dir);
		err = mend_add_entries(fsck, inodes_slot(fsck, dir), lost->at,
				       lost->count, &copy);
		if (all_named(lost))
			break;
	}
	if (err)
		return err;
	for (i = 0; i < lost->count; i++)
		if (lost->at[i].type == DT_DIR)
			fsck->inodes[dir].subdirs++;
	copy.nlink = 2 + fsck->inodes[dir].subdirs;
	mend_recount(fsck, &copy);
	txn = txn_begin(fsck->journal);
	write_slot(fsck, txn, dir, &copy);
	return txn_commit(txn);
}

static int tell_lost(struct batch *batch, uint64_t dir, const struct lost *lost)
{
	struct fsck *fsck = batch->fsck;
	inode_media *copy;
	int err = 0;
	size_t i;

	for (i = 0; i < lost->count && err == 0; i++) {
		err = batch_slot(batch, lost->at[i].ino, &copy);
		if (err)
			break;
		copy->nlink = 1;
		if (lost->at[i].type == DT_DIR)
			copy->nlink = 2 + fsck->inodes[lost->at[i].ino].subdirs;
		copy->parent_ino = dir;
		copy->parent_key = lost->at[i].key;
	}
	return err;
}

static int mend_lost(struct batch *batch)
{
	struct fsck *fsck = batch->fsck;
	struct lost lost = { .count = 0 };
	uint64_t dir = 0;
	int err = find_lost(fsck, &lost);

	if (err == 0 && lost.count > 0) {
		err = find_directory(fsck, &dir);
		if (err == 0)
			err = add_names(fsck, dir, &lost);
		if (err == 0)
			err = tell_lost(batch, dir, &lost);
		if (err == 0)
			note(fsck, "%zu put into lost+found, inode %ju",
			     lost.count, (uintmax_t)dir);
	}
	free(lost.at);
	return err;
}

/* ------------------------------------------------------------------ counts */

static int mend_links(struct batch *batch, uint64_t ino)
{
	struct fsck *fsck = batch->fsck;
	const struct fsck_inode *known = &fsck->inodes[ino];
	uint64_t parent = ino == INO_ROOT ? INO_ROOT : known->parent;
	inode_media *copy;
	int err = batch_slot(batch, ino, &copy);

	if (err)
		return err;
	if (known->type != DT_DIR) {
		copy->nlink = known->links;
		return 0;
	}
	copy->nlink = 2 + known->subdirs;
	if (copy->parent_ino != parent) {
		copy->parent_ino = parent;
		copy->parent_key = ino == INO_ROOT
					   ? 0
					   : mend_find_entry(fsck, parent, ino);
	}
	return 0;
}

static int free_orphan(struct batch *batch, uint64_t ino)
{
	inode_media empty, *copy;
	int err = batch_slot(batch, ino, &copy);

	if (err)
		return err;
	mend_empty(batch->fsck, ino, &empty);
	*copy = empty;
	return 0;
}

int mend_names(struct fsck *fsck)
{
	struct batch batch = { .fsck = fsck };
	uint64_t ino, freed = 0;
	int err, end;

	err = mend_lost(&batch);
	for (ino = INO_ROOT; ino < fsck->inode_file.inodes && err == 0; ino++) {
		unsigned mend = fsck->inodes[ino].mend;

		if (mend & MEND_LOST)
			continue;
		if (mend & MEND_FREE) {
			err = free_orphan(&batch, ino);
			freed++;
		} else if (mend & MEND_LINKS) {
			err = mend_links(&batch, ino);
		}
	}
	end = batch_end(&batch);
	err = err ? err : end;
	if (err == 0 && (fsck->inodes[INO_SHARED].mend & MEND_SHARED))
		err = shared_mend(fsck);
	if (err == 0 && freed > 0)
		corrected(fsck, "%ju inodes without a name freed",
			  (uintmax_t)freed);
	return err;
}
