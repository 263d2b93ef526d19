/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * data.h -- two files, everything that can be done to their bytes, and a model
 *
 * The model is two arrays in a file that outlives the program: what has been
 * acknowledged. Descriptors and mappings are the program's own. Several
 * programs may work on the same two files and the same model, each on stripes
 * of its own; then nobody changes a size.
 */
#ifndef UDAX_RANDOM_DATA_H
#define UDAX_RANDOM_DATA_H

#include "chance.h"

#include <stddef.h>
#include <sys/types.h>

#define FILE_MOST (5u << 20) /* no file is longer */
#define FILES 2
#define PROGRAMS_MOST 4
#define STRIPE_BYTES 40000u /* no multiple of a block */
#define MAPS 3		    /* a file */

struct kept {
	struct chance chance[PROGRAMS_MOST];
	uint64_t size[FILES];
	unsigned char bytes[FILES][FILE_MOST];
};

/* Ways to have a file open. */
enum way { PLAIN, DIRECT, APPEND, READER, DSYNC, CLIENT, WAYS };

struct map {
	unsigned char *at; /* NULL: none */
	size_t offset;
	size_t length;
	bool lease; /* libudax's */
	bool writable;
};

struct file {
	const char *path;
	int number;
	int fd[WAYS]; /* -1: closed */
	struct map maps[MAPS];
	/* The model. */
	uint64_t *size;
	unsigned char *bytes;
};

struct world {
	struct kept *kept;
	struct file files[FILES];
	unsigned int program, programs; /* one of how many */
	bool leases;			/* libudax is to be used, too */
	bool aligned;			/* O_DIRECT wants that: do without */
	bool behind;			/* kernel mappings, behind the end */
	/* A kernel mapping has been stored to, and that is in caches alone. */
	bool unsynced;
};

extern struct world world;

struct range {
	uint64_t offset, length; /* at least 1 */
};

static inline bool alone(void)
{
	return world.programs == 1;
}

static inline char letter(const struct file *file)
{
	return (char)('A' + file->number);
}

/* data_model.c */
struct file *any_file(void);
/* Ours; not beyond FILE_MOST. */
struct range any_range(void);
/* Ours, and before the end: false if there is none. */
bool any_range_within(const struct file *file, struct range *range);
/* New bytes for a range, in a buffer of FILE_MOST. */
unsigned char *any_bytes(uint64_t length);
unsigned char *buffer(void);
/* The model's turn. */
void model_write(struct file *file, struct range range,
		 const unsigned char *bytes);
void model_zero(struct file *file, struct range range);
void model_resize(struct file *file, uint64_t size);
/* What was read there is in the model. */
void compare(const struct file *file, uint64_t offset,
	     const unsigned char *bytes, uint64_t length, const char *how);

/* data_open.c */
int descriptor(struct file *file, enum way way);
void close_way(struct file *file, enum way way);
void close_everything(void);
void step_reopen(void);
void step_flag_dax(void);

/* data_io.c: steps */
void step_read(void);
void step_write(void);
void step_append(void);
void step_sync(void);

/* data_map.c: steps */
void step_map(void);
void step_unmap(void);
void step_load(void);
void step_store(void);
void step_msync(void);
void step_evict(void);
/* What mappings alone know is in the file. */
void sync_maps(void);

/* data_change.c: steps */
void step_truncate(void);
void step_fallocate(void);
void step_copy(void);
void step_sendfile(void);

/* data_check.c */
void check_size(struct file *file);
void check_whole(struct file *file);
void check_holes(struct file *file);
void check_all(void);
void step_check(void);

#endif
