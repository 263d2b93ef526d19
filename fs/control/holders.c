/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list-holders: who keeps a device. Requests come from their registry, pins
 * and kernel mappings from the tables; which processes have a file mapped is
 * looked up in /proc/PID/maps when asked, for FUSE does not tell.
 */
#include "control/command.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/survey.h"
#include "media/addr.h"
#include "util/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define ANY_DEVICE ROLL_MAX

/* An inode with kernel entries on the devices asked for. */
struct mapped {
	uint64_t ino;
	uint64_t devices;    /* bit each */
	uint64_t first, end; /* bytes that the entries span */
	bool found;	     /* some process maps it */
};

struct search {
	struct command_context *context;
	struct json_object *holders;
	unsigned only_device;
	struct mapped *mapped;
	size_t count, room;
};

struct holder {
	const char *kind;
	unsigned device;
	int64_t pid; /* < 0: not known */
	uint64_t ino, offset, length;
	int64_t age_ms; /* < 0: not known */
};

static bool wanted(const struct search *search, unsigned device)
{
	return search->only_device == ANY_DEVICE ||
	       search->only_device == device;
}

static void add_or_null(struct json_object *json, const char *key, int64_t n)
{
	json_object_object_add(json, key,
			       n < 0 ? NULL : json_object_new_int64(n));
}

static void add_command(struct json_object *json, int64_t pid)
{
	char path[64], comm[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/comm", pid);
	file = pid < 0 ? NULL : fopen(path, "re");
	if (file) {
		if (fgets(comm, sizeof(comm), file))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
	}
	json_object_object_add(json, "command",
			       comm[0] ? json_object_new_string(comm) : NULL);
}

static void add_holder(struct search *search, const struct holder *holder)
{
	struct fs *fs = search->context->fs;
	struct json_object *json = json_object_new_object();
	char path[CONTROL_PATH_BYTES];

	json_object_object_add(json, "kind",
			       json_object_new_string(holder->kind));
	json_object_object_add(
		json, "device",
		json_object_new_string(fs->devices[holder->device].path));
	add_or_null(json, "pid", holder->pid);
	add_command(json, holder->pid);
	file_name(search->context, holder->ino, path);
	json_object_object_add(json, "path", json_object_new_string(path));
	json_object_object_add(json, "inode",
			       json_object_new_uint64(holder->ino));
	json_object_object_add(json, "offset",
			       json_object_new_uint64(holder->offset));
	json_object_object_add(json, "length",
			       json_object_new_uint64(holder->length));
	add_or_null(json, "age_ms", holder->age_ms);
	json_object_array_add(search->holders, json);
}

/* -------------------------------------------------------- kernel mappings */

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
	add_holder(search, &holder);
}

/* A line of /proc/PID/maps: "start-end perms offset major:minor inode path". */
struct maps_line {
	uint64_t start, end, offset, ino;
	dev_t device;
};

static bool read_maps_line(const char *line, struct maps_line *out)
{
	unsigned long major, minor;
	char *at;

	out->start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	out->end = strtoull(at + 1, &at, 16);
	if (*at != ' ' || !(at = strchr(at + 1, ' ')))
		return false;
	out->offset = strtoull(at + 1, &at, 16);
	major = strtoul(at, &at, 16);
	if (*at != ':')
		return false;
	minor = strtoul(at + 1, &at, 16);
	out->device = makedev((unsigned)major, (unsigned)minor);
	out->ino = strtoull(at, &at, 10);
	return true;
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
		struct maps_line map;

		if (!read_maps_line(line, &map) ||
		    map.device != search->context->device)
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

static void find_kernel_mappings(struct search *search)
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
}

/* --------------------------------------------------------------- requests */

static void add_request(const struct request *request, void *arg)
{
	struct search *search = arg;
	uint64_t gates = atomic_load(&request->gates);
	struct holder holder = {
		.kind = "request",
		.pid = atomic_load(&request->pid),
		.ino = atomic_load(&request->ino),
		.offset = atomic_load(&request->offset),
		.length = atomic_load(&request->length),
		.age_ms = (clock_monotonic_ns() -
			   atomic_load(&request->since_ns)) /
			  NS_PER_MS,
	};

	for (; gates; gates &= gates - 1) {
		holder.device = (unsigned)__builtin_ctzll(gates);
		if (wanted(search, holder.device))
			add_holder(search, &holder);
	}
}

void verb_list_holders(struct command_context *context,
		       struct json_object *arguments, struct answer *answer)
{
	struct search search = { .context = context,
				 .only_device = ANY_DEVICE };

	if (argument_string(arguments, "device") &&
	    argument_device(context, arguments, answer, &search.only_device))
		return;
	search.holders = json_object_new_array();
	find_kernel_mappings(&search);
	request_for_each(context->fs, add_request, &search);
	free(search.mapped);
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "holders", search.holders);
}
