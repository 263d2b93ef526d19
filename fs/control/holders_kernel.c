/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel mappings for list-holders: inodes from their tables, processes from
 * /proc/PID/maps, for FUSE does not tell.
 */
#include "control/holders.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/survey.h"
#include "media/addr.h"
#include "util/proc_maps.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An inode with kernel entries on the devices asked for. */
struct mapped {
	uint64_t ino;
	uint64_t devices;    /* bit each */
	uint64_t first, end; /* bytes that the entries span */
	bool found;	     /* some process maps it */
};

static struct mapped *new_mapped(struct search *search)
{
	struct mapped *more;

	if (search->count == search->room) {
		size_t room = search->room ? 2 * search->room : 64;

		more = realloc(search->mapped, room * sizeof(*more));
		if (!more)
			return NULL;
		search->mapped = more;
		search->room = room;
	}
	return memset(&search->mapped[search->count], 0, sizeof(*more));
}

static int add_span(const struct entry_info *info, void *arg)
{
	struct mapped *mapped = arg;
	uint64_t offset = info->index << BLOCK_SHIFT;
	uint64_t end = offset + (UINT64_C(1) << (BLOCK_SHIFT + info->order));

	if (info->kind != ENTRY_REAL || info->holder != ENTRY_KERNEL)
		return 0;
	if (!mapped->devices || offset < mapped->first)
		mapped->first = offset;
	if (end > mapped->end)
		mapped->end = end;
	mapped->devices |= UINT64_C(1) << info->device;
	return 0;
}

static void add_table(struct inode *inode, struct entry_table *table, void *arg)
{
	struct search *search = arg;
	struct mapped *mapped = new_mapped(search);

	if (!mapped)
		return;
	mapped->ino = inode->ino;
	entry_table_walk(table, 0, UINT64_MAX, add_span, mapped);
	if (search->only_device != ANY_DEVICE)
		mapped->devices &= UINT64_C(1) << search->only_device;
	if (mapped->devices)
		search->count++;
}

static struct mapped *find_mapped(struct search *search, uint64_t ino)
{
	size_t i;

	for (i = 0; i < search->count; i++) {
		if (search->mapped[i].ino == ino)
			return &search->mapped[i];
	}
	return NULL;
}

static void add_mapping(struct search *search, struct mapped *mapped,
			int64_t pid, uint64_t offset, uint64_t length)
{
	struct holder holder = {
		.kind = "kernel_mapping",
		.device = (unsigned)__builtin_ctzll(mapped->devices),
		.pid = pid,
		.ino = mapped->ino,
		.offset = offset,
		.length = length,
		.age_ms = -1,
	};

	mapped->found = true;
	holder_add(search, &holder);
}

static void search_process(struct search *search, int64_t pid)
{
	char path[64], *line = NULL;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return; /* gone meanwhile */
	while (getline(&line, &room, maps) > 0) {
		struct mapped *mapped;
		struct proc_map map;

		if (!proc_map_parse(line, &map) ||
		    map.dev != search->context->device)
			continue;
		mapped = find_mapped(search, map.ino);
		if (mapped)
			add_mapping(search, mapped, pid, map.offset,
				    map.end - map.start);
	}
	free(line);
	fclose(maps);
}

static void search_processes(struct search *search)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			search_process(search,
				       strtoll(entry->d_name, NULL, 10));
	}
	if (proc)
		closedir(proc);
}

void holders_find_kernel_mappings(struct search *search)
{
	size_t i;

	survey_tables(search->context->fs, add_table, search);
	if (search->count > 0)
		search_processes(search);
	/* Cached for an open file that nobody maps (any more). */
	for (i = 0; i < search->count; i++) {
		struct mapped *mapped = &search->mapped[i];

		if (!mapped->found)
			add_mapping(search, mapped, -1, mapped->first,
				    mapped->end - mapped->first);
	}
	free(search->mapped);
	search->mapped = NULL;
	search->count = search->room = 0;
}
