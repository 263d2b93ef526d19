/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * holders.h -- what the parts of list-holders share
 */
#ifndef UDAX_CONTROL_HOLDERS_H
#define UDAX_CONTROL_HOLDERS_H

#include "control/command.h"
#include "media/superblock.h"

#define ANY_DEVICE ROLL_MAX

struct mapped;

struct search {
	struct command_context *context;
	struct json_object *holders;
	unsigned only_device;
	struct mapped *mapped; /* of holders_kernel.c */
	size_t count, room;
};

struct holder {
	const char *kind;
	unsigned device;     /* ANY_DEVICE: none, a hole */
	int64_t pid;	     /* < 0: not known */
	const char *command; /* NULL: look it up */
	uint64_t ino, offset, length;
	int64_t age_ms; /* < 0: not known */
};

bool holder_wanted(const struct search *search, unsigned device);
void holder_add(struct search *search, const struct holder *holder);

/* Mappings behind mmap(2) of the mount: which processes have them. */
void holders_find_kernel_mappings(struct search *search);

#endif
