/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mend_dir.c -- the entries of one directory, as far as they lead somewhere
 *
 * An entry stays if its name may be one and its inode is there; its type is
 * the inode's. Of a damaged node only names are believed that their key, which
 * is their hash, confirms. A directory keeps one entry, in the directory that
 * the checks chose. Keys that are not the name's hash are made anew.
 */
#include "mend.h"

#include "inodes.h"
#include "media/name.h"
#include "report.h"
#include "write.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An entry that is to be there. */
struct name {
	uint64_t base; /* first key of its hash */
	uint64_t key;  /* 0: to be chosen */
	uint64_t old_key;
	const dirent_media *entry;
	unsigned length; /* of the entry */
};

struct names {
	struct fsck *fsck;
	uint64_t dir;
	struct name *at;
	size_t count;
	/* Entries that are not on the media as they are to be. */
	struct changed {
		struct changed *next;
		char bytes[sizeof(dirent_media) + UINT8_MAX];
	} * changed;
};

static void names_fini(struct names *names)
{
	while (names->changed) {
		struct changed *next = names->changed->next;

		free(names->changed);
		names->changed = next;
	}
	free(names->at);
}

static dirent_media *change(struct names *names, const dirent_media *from,
			    unsigned length)
{
	struct changed *changed = malloc(sizeof(*changed));

	if (changed == NULL)
		return NULL;
	changed->next = names->changed;
	names->changed = changed;
	if (from)
		memcpy(changed->bytes, from, length);
	return (dirent_media *)changed->bytes;
}

/* ------------------------------------------------------------ what it had */

static bool is_dots(const dirent_media *entry)
{
	return entry->name[0] == '.' &&
	       (entry->name_length == 1 ||
		(entry->name_length == 2 && entry->name[1] == '.'));
}

static bool stays(struct names *names, const struct leaf_value *value,
		  uint64_t base)
{
	struct fsck *fsck = names->fsck;
	const dirent_media *entry = value->bytes;
	struct fsck_inode *target;

	if (is_dots(entry) || entry->ino == INO_ROOT ||
	    entry->ino >= fsck->inode_file.inodes)
		return false;
	if (value->suspect &&
	    (value->key < base || value->key - base >= NAME_COLLISIONS))
		return false;
	target = &fsck->inodes[entry->ino];
	if (target->type != DT_DIR)
		return target->type != DT_UNKNOWN;
	/* chosen by the checks, which have not seen what is suspect */
	if (target->parent == 0 && value->suspect)
		target->parent = (uint32_t)names->dir;
	if (target->parent != names->dir ||
	    target->mend & (MEND_OUT | MEND_PLACED))
		return false;
	target->mend |= MEND_PLACED;
	return true;
}

static int take(struct names *names, const struct leaf_value *value)
{
	struct fsck *fsck = names->fsck;
	const dirent_media *entry = value->bytes;
	uint64_t base = name_key(fsck->sb->hash_seed, (const char *)entry->name,
				 entry->name_length);
	bool right = value->key >= base && value->key - base < NAME_COLLISIONS;

	if (!stays(names, value, base))
		return 0;
	if (entry->type != fsck->inodes[entry->ino].type) {
		dirent_media *fixed = change(names, entry, value->length);

		if (fixed == NULL)
			return -ENOMEM;
		fixed->type = fsck->inodes[entry->ino].type;
		entry = fixed;
	}
	names->at[names->count++] = (struct name){
		.base = base,
		.key = right ? value->key : 0,
		.old_key = value->key,
		.entry = entry,
		.length = value->length,
	};
	return 0;
}

/* ------------------------------------------------------------ what it gets */

static int by_base(const void *one, const void *other)
{
	const struct name *a = one, *b = other;

	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	/* keys to be chosen come last */
	if ((a->key == 0) != (b->key == 0))
		return a->key == 0 ? 1 : -1;
	return a->key < b->key ? -1 : a->key > b->key;
}

static int by_key(const void *one, const void *other)
{
	const struct name *a = one, *b = other;

	return a->key < b->key ? -1 : a->key > b->key;
}

static bool same_name(const struct name *a, const struct name *b)
{
	return a->entry->name_length == b->entry->name_length &&
	       memcmp(a->entry->name, b->entry->name, a->entry->name_length) ==
		       0;
}

static bool run_has_key(const struct name *run, size_t count, uint64_t key)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (run[i].key == key)
			return true;
	return false;
}

/* One more name of a run of equal hash; false: it is there, or all is full. */
static bool join_run(struct name *run, size_t count, const struct name *name)
{
	struct name added = *name;
	size_t i;

	for (i = 0; i < count; i++)
		if (same_name(&run[i], name))
			return false;
	if (added.key == 0 || run_has_key(run, count, added.key)) {
		added.key = added.base;
		while (run_has_key(run, count, added.key))
			added.key++;
		if (added.key - added.base >= NAME_COLLISIONS)
			return false;
	}
	run[count] = added;
	return true;
}

/* Keys for all, each name once; the number of those that were too many. */
static size_t settle_keys(struct names *names)
{
	size_t i, to = 0, run = 0, all = names->count;

	if (all > 0)
		qsort(names->at, all, sizeof(names->at[0]), by_base);
	for (i = 0; i < all; i++) {
		if (to == 0 || names->at[run].base != names->at[i].base)
			run = to;
		if (join_run(&names->at[run], to - run, &names->at[i]))
			to++;
	}
	names->count = to;
	if (to > 0)
		qsort(names->at, to, sizeof(names->at[0]), by_key);
	return all - to;
}

static int build(struct names *names, inode_media *out)
{
	struct values values = { .at = NULL };
	uint64_t nodes;
	int err = 0;
	size_t i;

	for (i = 0; i < names->count && err == 0; i++)
		err = values_add(&values, names->at[i].key, names->at[i].entry,
				 names->at[i].length);
	if (err == 0)
		err = build_tree(names->fsck, names->dir, TREE_ENTRIES, &values,
				 (node_media *)out->area, INODE_AREA_BYTES,
				 &nodes);
	values_fini(&values);
	return err;
}

static int collect(struct names *names, const inode_media *dir, size_t more,
		   struct values *values)
{
	size_t i;
	int err = collect_inode(names->fsck, dir, TREE_ENTRIES, values);

	if (err)
		return err;
	names->at = calloc(values->count + more + 1, sizeof(names->at[0]));
	if (names->at == NULL)
		return -ENOMEM;
	for (i = 0; i < values->count && err == 0; i++)
		err = take(names, &values->at[i]);
	return err;
}

/* Whoever knows its entry by the old key is told the new one. */
static int tell_keys(struct names *names)
{
	struct fsck *fsck = names->fsck;
	int err = 0;
	size_t i;

	for (i = 0; i < names->count && err == 0; i++) {
		const struct name *name = &names->at[i];
		uint64_t ino = name->entry->ino;
		const inode_media *inode = inodes_slot(fsck, ino);
		struct txn *txn;

		if (name->key == name->old_key ||
		    fsck->inodes[ino].mend & MEND_STEPS ||
		    inode->parent_ino != names->dir ||
		    inode->parent_key != name->old_key)
			continue;
		txn = txn_begin(fsck->journal);
		write_slot(fsck, txn, ino, NULL)->parent_key = name->key;
		err = txn_commit(txn);
	}
	return err;
}

int mend_entries(struct fsck *fsck, const inode_media *inode, inode_media *out)
{
	struct names names = { .fsck = fsck, .dir = inode->ino };
	struct values values = { .at = NULL };
	size_t dropped;
	int err = collect(&names, inode, 0, &values);

	if (err == 0) {
		dropped = values.count - names.count;
		dropped += settle_keys(&names);
		err = build(&names, out);
		if (err == 0)
			note(fsck, "inode %ju: %zu entries kept, %zu dropped",
			     (uintmax_t)inode->ino, names.count, dropped);
	}
	if (err == 0)
		err = tell_keys(&names);
	names_fini(&names);
	values_fini(&values);
	return err;
}

/* -------------------------------------------------------------- new names */

static int add(struct names *names, const struct new_entry *new)
{
	size_t length = strlen(new->name);
	dirent_media *entry = change(names, NULL, 0);

	if (entry == NULL)
		return -ENOMEM;
	entry->ino = new->ino;
	entry->type = new->type;
	entry->name_length = (uint8_t)length;
	memcpy(entry->name, new->name, length);
	names->at[names->count++] = (struct name){
		.base = name_key(names->fsck->sb->hash_seed, new->name, length),
		.entry = entry,
		.length = (unsigned)(sizeof(*entry) + length),
	};
	return 0;
}

static int by_entry(const void *one, const void *other)
{
	const struct name *a = one, *b = other;

	return a->entry->ino < b->entry->ino ? -1
					     : a->entry->ino > b->entry->ino;
}

/* entries are in the order of their inodes. */
static void give_keys(struct names *names, struct new_entry *entries,
		      size_t count)
{
	size_t i, at = 0;

	qsort(names->at, names->count, sizeof(names->at[0]), by_entry);
	for (i = 0; i < count; i++) {
		while (at < names->count &&
		       (names->at[at].entry->ino < entries[i].ino ||
			(names->at[at].entry->ino == entries[i].ino &&
			 names->at[at].old_key != 0)))
			at++;
		if (at < names->count &&
		    names->at[at].entry->ino == entries[i].ino)
			entries[i].key = names->at[at].key;
	}
}

int mend_add_entries(struct fsck *fsck, const inode_media *dir,
		     struct new_entry *entries, size_t count, inode_media *out)
{
	struct names names = { .fsck = fsck, .dir = dir->ino };
	struct values values = { .at = NULL };
	size_t i;
	int err = collect(&names, dir, count, &values);

	for (i = 0; i < count && err == 0; i++)
		err = add(&names, &entries[i]);
	if (err == 0) {
		settle_keys(&names);
		err = build(&names, out);
		out->size = names.count;
		give_keys(&names, entries, count);
	}
	names_fini(&names);
	values_fini(&values);
	return err;
}

void mend_unplace(struct fsck *fsck, uint64_t dir)
{
	uint64_t ino;

	for (ino = INO_ROOT; ino < fsck->inode_file.inodes; ino++)
		if (fsck->inodes[ino].parent == dir)
			fsck->inodes[ino].mend &= (uint16_t)~MEND_PLACED;
}

uint64_t mend_find_entry(struct fsck *fsck, uint64_t dir, uint64_t ino)
{
	struct values values = { .at = NULL };
	uint64_t key = 0;
	size_t i;

	if (collect_inode(fsck, inodes_slot(fsck, dir), TREE_ENTRIES,
			  &values) != 0)
		values.count = 0;
	for (i = 0; i < values.count && key == 0; i++) {
		const dirent_media *entry = values.at[i].bytes;

		if (entry->ino == ino)
			key = values.at[i].key;
	}
	values_fini(&values);
	return key;
}
