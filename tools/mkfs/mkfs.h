/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mkfs.h -- one run of mkfs.udaxfs
 *
 * In the order they run: prepare_check() looks, prepare_create() makes the
 * emulated files, members_open() locks and maps, signature_check() refuses
 * what is not ours to overwrite, format_plan() decides everything that will
 * stand on the media, format_write() writes it. A dry run stops before the
 * first change. On failure prepare_undo() takes back what was created.
 *
 * Errors: negative errno, already told on stderr ("DEVICE: reason").
 */
#ifndef UDAX_MKFS_MKFS_H
#define UDAX_MKFS_MKFS_H

#include "device/members.h"
#include "media/superblock.h"

#include <stdbool.h>
#include <stdint.h>

struct mkfs_options {
	bool force;
	bool dry_run;
	bool quiet;
	bool json;
	bool create; /* -s */
	uint64_t size_bytes;
	bool uuid_given;
	uint8_t uuid[16];
	char label[SUPERBLOCK_LABEL_BYTES];
};

#define SIGNATURES_MAX 8

/* Where something on the device says whose it is. */
struct signature {
	uint64_t offset_bytes;
	uint64_t length_bytes;
};

struct mkfs_device {
	const char *path;
	bool exists;  /* before this run */
	bool created; /* by this run */
	bool resized; /* from old_bytes, by this run */
	uint64_t old_bytes;
	char found[64]; /* name of the old contents, or "" */
	struct signature signatures[SIGNATURES_MAX]; /* foreign ones */
	unsigned signature_count;
	superblock_media sb;
};

struct mkfs {
	struct mkfs_options options;
	struct mkfs_device device[ROLL_MAX];
	unsigned count;
	struct members members; /* slots NULL: would be created */
	uint64_t chunk_block;	/* first chunk of the inode file */
};

/* prepare.c */
int prepare_check(struct mkfs *mkfs) __attribute__((warn_unused_result));
int prepare_create(struct mkfs *mkfs) __attribute__((warn_unused_result));
int prepare_open(struct mkfs *mkfs) __attribute__((warn_unused_result));
void prepare_undo(struct mkfs *mkfs);

/* signature.c: fills found and signatures; -EEXIST without -f. */
int signature_check(struct mkfs *mkfs) __attribute__((warn_unused_result));

/* format.c */
int format_plan(struct mkfs *mkfs) __attribute__((warn_unused_result));
/* Blocks of a device that the allocator may give out. */
uint64_t format_free_blocks(const struct mkfs *mkfs, unsigned index);

/*
 * write.c: every area, then second superblocks, then primary ones, the
 * metadata device's last. Until then the old signature of a foreign content
 * stands; an old udaxfs loses its magic first, so that it is never mounted
 * half overwritten.
 */
int format_write(struct mkfs *mkfs) __attribute__((warn_unused_result));

/* report.c */
int report_done(const struct mkfs *mkfs) __attribute__((warn_unused_result));

#endif
