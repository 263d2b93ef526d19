/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/fs.h"

#include "core/attr.h"
#include "core/fs_private.h"
#include "core/inode_table.h"
#include "core/lease.h"
#include "core/sizes.h"
#include "core/token.h"
#include "alloc/alloc.h"
#include "journal/journal.h"
#include "trace/mutate.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fs *fs_create(const struct fs_options *options)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	unsigned i;

	if (!fs)
		return NULL;
	fs->options = *options;
	fs->sizes_fd = -1;
	for (i = 0; i < ROLL_MAX; i++)
		fs->devices[i].missing = true;
	pthread_mutex_init(&fs->namespace_lock, NULL);
	pthread_mutex_init(&fs->super_lock, NULL);
	pthread_mutex_init(&fs->requests_lock, NULL);
	pthread_mutex_init(&fs->lease_lock, NULL);
	pthread_mutex_init(&fs->shared.lock, NULL);
	return fs;
}

static void fs_destroy(struct fs *fs)
{
	unsigned i;

	token_fini(fs);
	lease_fini(fs);
	inode_table_destroy(fs);
	sizes_fini(fs);
	journal_close(fs->journal);
	tree_env_fini(&fs->tree_env);
	for (i = 0; i < ROLL_MAX; i++) {
		struct pgmap *pgmap = fs->pgmaps[i];

		fs->pgmaps[i] = NULL;
		pgmap_destroy(pgmap);
		alloc_destroy(fs->allocs[i]);
		if (fs->members.device[i])
			device_close(fs->members.device[i]);
		free(fs->devices[i].path);
	}
	pthread_mutex_destroy(&fs->namespace_lock);
	pthread_mutex_destroy(&fs->super_lock);
	pthread_mutex_destroy(&fs->requests_lock);
	pthread_mutex_destroy(&fs->lease_lock);
	pthread_mutex_destroy(&fs->shared.lock);
	free(fs);
}

/* ------------------------------------------------------------------ mount */

static int create_pgmaps(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++) {
		if (!fs->members.device[i])
			continue;
		err = pgmap_create(&fs->pgmaps[i],
				   fs->devices[i].sb.size_blocks,
				   fs->options.pgmap, NULL, NULL);
		fs->devices[i].pgmap = fs->pgmaps[i];
	}
	return err;
}

/* The metadata as of the last commit; *next: the log's next record. */
static int replay(struct fs *fs, uint64_t *next, const struct why *why)
{
	const superblock_media *sb = &fs_metadata(fs)->sb;
	struct journal_replay_report report;
	int err;

	*next = sb->journal_sequence;
	if (sb->flags & SUPERBLOCK_CLEAN)
		return 0;
	err = journal_replay(&fs->members, sb, &report);
	if (err) {
		why_is(why,
		       "%s: the journal cannot be replayed (%s); run "
		       "fsck.udaxfs",
		       fs_metadata(fs)->path, strerror(-err));
		return err;
	}
	if (report.records > 0)
		log_info("%s: %llu transactions recovered",
			 fs_metadata(fs)->path,
			 (unsigned long long)report.records);
	*next = report.next_sequence;
	return 0;
}

static int load_inodes(struct fs *fs, const struct why *why)
{
	int err;

	err = tree_env_init(&fs->tree_env, &fs->members, fs->metadata_device);
	if (err)
		return err;
	err = inode_table_create(fs);
	if (!err)
		err = shared_init(fs);
	if (err == -EUCLEAN)
		why_is(why, "%s: the inode file is damaged; run fsck.udaxfs",
		       fs_metadata(fs)->path);
	return err;
}

static int look_root(struct fs *fs, const struct why *why)
{
	const inode_media *media = inode_slot(fs->inodes, INO_ROOT);
	struct inode *root;

	if (media->mode != 0 && inode_media_check(media, INO_ROOT) == 0)
		return inode_look(fs, INO_ROOT, &root);
	why_is(why, "%s: the root directory is damaged; run fsck.udaxfs",
	       fs_metadata(fs)->path);
	return -EUCLEAN;
}

static int bring_up(struct fs *fs, const struct fs_join *join,
		    const struct why *why)
{
	bool clean = fs_metadata(fs)->sb.flags & SUPERBLOCK_CLEAN;
	uint64_t next;
	bool loaded;
	int err;

	err = replay(fs, &next, why);
	if (!err)
		err = create_pgmaps(fs);
	if (!err)
		err = load_inodes(fs, why);
	if (!err)
		err = fs_allocs_create(fs);
	if (err)
		return err;
	/* While the superblock still has the generation they were saved in. */
	loaded = clean && !join->rebuild && inode_table_used_fits(fs) &&
		 fs_freemaps_load(fs);
	if (!fs->options.read_only) {
		err = fs_super_begin(fs, join);
		if (!err)
			err = journal_open(&fs->journal, &fs->members,
					   &fs_metadata(fs)->sb, next,
					   fs->allocs);
		if (err)
			return err;
	}
	if (!loaded)
		err = fs_recover(fs, why);
	return err ? err : look_root(fs, why);
}

int fs_mount(struct fs **out, char *const *paths, unsigned path_count,
	     const struct fs_options *options, char *why_text, size_t why_bytes)
{
	const struct why why = { why_text, why_bytes };
	struct fs *fs = fs_create(options);
	struct fs_join join;
	int err;

	why_is(&why, "%s", "");
	if (!fs)
		return -ENOMEM;
	err = fs_members_open(fs, paths, path_count, &join, &why);
	if (!err)
		err = bring_up(fs, &join, &why);
	if (!err)
		err = sizes_init(fs);
	if (!err)
		err = token_init(fs);
	if (!err)
		err = lease_init(fs);
	if (err) {
		if (why_bytes > 0 && why_text && !why_text[0])
			why_is(&why, "mount: %s", strerror(-err));
		fs_destroy(fs);
		return err;
	}
	*out = fs;
	return 0;
}

/* ---------------------------------------------------------------- unmount */

static int save_freemaps(struct fs *fs)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < fs->device_count && !err; i++)
		if (fs->members.device[i] &&
		    !device_failed(fs->members.device[i]))
			err = fs_freemap_save(fs, i);
	return err;
}

/* If not, CLEAN would keep the next mount from finding out what is wrong. */
static bool free_space_is_sound(const struct fs *fs)
{
	unsigned i;

	for (i = 0; i < fs->device_count; i++)
		if (fs->allocs[i] && !alloc_sound(fs->allocs[i]))
			return false;
	return true;
}

int fs_leave_clean(struct fs *fs)
{
	uint64_t next;
	int err;

	err = journal_checkpoint(fs->journal);
	if (err)
		return err;
	if (!free_space_is_sound(fs))
		return -EUCLEAN;
	journal_stop(fs->journal);
	next = journal_next_sequence(fs->journal);
	if (mutated(MUTATE_FREEMAP_AFTER)) {
		err = fs_super_finish(fs, next);
		return err ? err : save_freemaps(fs);
	}
	err = save_freemaps(fs);
	return err ? err : fs_super_finish(fs, next);
}

void fs_unmount(struct fs *fs)
{
	int err = 0;

	lease_fini(fs);
	if (!atomic_load(&fs->shut_down)) {
		inode_table_evict(fs);
		if (fs->journal) {
			if (atomic_load(&fs->orphans_left))
				err = fs_free_orphans(fs);
			if (!err)
				err = fs_leave_clean(fs);
		}
	}
	if (err)
		log_error("unmount: %s: not left clean: %s",
			  fs_metadata(fs)->path, strerror(-err));
	fs_destroy(fs);
}

/* -------------------------------------------------------------- meanwhile */

bool fs_metadata_enter(struct fs *fs)
{
	struct fs_device *member = fs_metadata(fs);

	if (atomic_load_explicit(&fs->shut_down, memory_order_acquire))
		return false;
	return pgmap_gate_enter_draining(member->pgmap) == 0;
}

void fs_metadata_exit(struct fs *fs)
{
	pgmap_gate_exit(fs_metadata(fs)->pgmap);
}

struct sync {
	struct fs *fs;
	int err;
};

static void sync_one(struct inode *inode, void *arg)
{
	struct sync *sync = arg;
	int err = -EIO;

	if (fs_metadata_enter(sync->fs)) {
		pthread_rwlock_rdlock(&inode->lock);
		lease_store_settle_locked(sync->fs, inode, LEASE_NO_DEVICE);
		pthread_rwlock_unlock(&inode->lock);
		err = attr_sync(sync->fs, inode);
		fs_metadata_exit(sync->fs);
	}
	if (!sync->err)
		sync->err = err;
}

int fs_sync(struct fs *fs)
{
	struct sync sync = { .fs = fs };

	if (fs->options.read_only)
		return 0;
	inode_for_each(fs, sync_one, &sync);
	return sync.err;
}

int fs_statvfs(struct fs *fs, struct statvfs *out)
{
	const uint64_t inodes_a_block = BLOCK_BYTES / INODE_BYTES;
	/* the next checkpoint's, which comes when space is short */
	uint64_t pending = fs->journal ? journal_pending_blocks(fs->journal)
				       : 0;
	uint64_t free_blocks = pending;
	uint64_t total = 0;
	uint64_t metadata;
	uint64_t reserve;
	unsigned i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < fs->device_count; i++) {
		if (!fs->allocs[i] || fs->devices[i].missing)
			continue;
		total += fs->devices[i].sb.size_blocks;
		free_blocks += alloc_free_blocks(fs->allocs[i]);
	}
	metadata = pending + alloc_free_blocks(fs->allocs[fs->metadata_device]);
	reserve = alloc_reserve_blocks(fs->allocs[fs->metadata_device]);
	if (reserve > metadata)
		reserve = metadata;
	out->f_bsize = out->f_frsize = BLOCK_BYTES;
	out->f_blocks = total;
	out->f_bfree = free_blocks;
	out->f_bavail = free_blocks - reserve;
	out->f_ffree = out->f_favail = inodes_free(fs) +
				       (metadata - reserve) * inodes_a_block;
	out->f_files = inodes_used(fs) + out->f_ffree;
	memcpy(&out->f_fsid, fs_metadata(fs)->sb.fs_uuid, sizeof(out->f_fsid));
	out->f_namemax = 255;
	return 0;
}
