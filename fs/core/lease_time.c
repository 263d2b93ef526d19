/* SPDX-License-Identifier: BSD-3-Clause */
/* When clients stored, by what they say, is the file's mtime. */
#include "core/lease_private.h"

#include "core/attr.h"
#include "util/clock.h"

#include <stdlib.h>

struct lease_word *lease_word_get_locked(struct lease_file *file,
					 _Atomic uint64_t *stored_ns)
{
	struct lease_word *word;

	for (word = LIST_FIRST(&file->words); word;
	     word = LIST_NEXT(word, of_file))
		if (word->stored_ns == stored_ns)
			break;
	if (!word) {
		word = calloc(1, sizeof(*word));
		if (!word)
			return NULL;
		word->stored_ns = stored_ns;
		word->seen_ns = atomic_load(stored_ns);
		LIST_INSERT_HEAD(&file->words, word, of_file);
	}
	word->users++;
	return word;
}

/* Once: a time that was set by hand afterwards stays. */
static uint64_t news_of(struct lease_word *word)
{
	uint64_t stored_ns = atomic_load(word->stored_ns);

	if (stored_ns == word->seen_ns)
		return 0;
	word->seen_ns = stored_ns;
	return stored_ns;
}

uint64_t lease_word_put_locked(struct lease_word *word)
{
	uint64_t stored_ns = news_of(word);

	if (--word->users == 0) {
		LIST_REMOVE(word, of_file);
		free(word);
	}
	return stored_ns;
}

static void move_mtime(struct inode *inode, uint64_t stored_ns)
{
	struct timespec stored = { .tv_sec = (time_t)(stored_ns / NS_PER_S),
				   .tv_nsec = (long)(stored_ns % NS_PER_S) };

	if (stored_ns)
		attr_move_mtime(inode, &stored);
}

void lease_gather_mtime(struct fs *fs, struct inode *inode)
{
	struct lease_word *word;
	struct lease_file *file;
	uint64_t latest = 0;

	if (!lease_writable_on(inode))
		return;
	pthread_mutex_lock(&fs->lease_lock);
	file = lease_file_find_locked(fs, inode->ino);
	if (file)
		for (word = LIST_FIRST(&file->words); word;
		     word = LIST_NEXT(word, of_file))
			latest = lease_max(latest, news_of(word));
	pthread_mutex_unlock(&fs->lease_lock);
	move_mtime(inode, latest);
}

void lease_store_mtime(struct fs *fs, struct inode *inode, uint64_t stored_ns)
{
	if (!fs_metadata_enter(fs))
		return;
	pthread_rwlock_rdlock(&inode->lock);
	move_mtime(inode, stored_ns);
	pthread_rwlock_unlock(&inode->lock);
	fs_metadata_exit(fs);
}
