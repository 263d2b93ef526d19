/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list-holders: who keeps a device. Requests come from their registry, leases
 * and pins from core's list; kernel mappings are looked for (holders_kernel.c).
 */
#include "control/holders.h"
#include "core/fs.h"
#include "core/lease.h"
#include "core/request.h"
#include "util/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool holder_wanted(const struct search *search, unsigned device)
{
	return search->only_device == ANY_DEVICE ||
	       search->only_device == device;
}

static void add_or_null(struct json_object *json, const char *key, int64_t n)
{
	json_object_object_add(json, key,
			       n < 0 ? NULL : json_object_new_int64(n));
}

static void add_command(struct json_object *json, const struct holder *holder)
{
	char path[64], comm[64] = "";
	FILE *file;

	if (holder->command)
		snprintf(comm, sizeof(comm), "%s", holder->command);
	snprintf(path, sizeof(path), "/proc/%" PRId64 "/comm", holder->pid);
	file = holder->pid < 0 || comm[0] ? NULL : fopen(path, "re");
	if (file) {
		if (fgets(comm, sizeof(comm), file))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
	}
	json_object_object_add(json, "command",
			       comm[0] ? json_object_new_string(comm) : NULL);
}

void holder_add(struct search *search, const struct holder *holder)
{
	struct fs *fs = search->context->fs;
	struct json_object *json = json_object_new_object();
	char path[CONTROL_PATH_BYTES];

	json_object_object_add(json, "kind",
			       json_object_new_string(holder->kind));
	json_object_object_add(
		json, "device",
		holder->device == ANY_DEVICE
			? NULL
			: json_object_new_string(
				  fs->devices[holder->device].path));
	add_or_null(json, "pid", holder->pid);
	add_command(json, holder);
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

/* --------------------------------------------------------------- requests */

static void add_request(const struct request *request, void *arg)
{
	struct search *search = arg;
	uint64_t gates = atomic_load(&request->gates) |
			 atomic_load(&request->waiting);
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
		if (holder_wanted(search, holder.device))
			holder_add(search, &holder);
	}
}

/* --------------------------------------------------------- leases and pins */

struct leases {
	const struct search *search;
	struct lease_info *all;
	size_t count, room;
};

/* Names are looked up afterwards: that takes locks. */
static void note_lease(const struct lease_info *info, void *arg)
{
	struct leases *leases = arg;
	struct lease_info *more;

	if (!holder_wanted(leases->search, info->device))
		return;
	if (leases->count == leases->room) {
		size_t room = leases->room ? 2 * leases->room : 64;

		more = realloc(leases->all, room * sizeof(*more));
		if (!more)
			return;
		leases->all = more;
		leases->room = room;
	}
	leases->all[leases->count++] = *info;
}

static void find_leases(struct search *search)
{
	struct leases leases = { .search = search };

	lease_for_each(search->context->fs, note_lease, &leases);
	for (size_t i = 0; i < leases.count; i++) {
		const struct lease_info *info = &leases.all[i];
		struct holder holder = {
			.kind = info->pin ? "pin" : "lease",
			.device = info->device == LEASE_NO_DEVICE
					  ? ANY_DEVICE
					  : info->device,
			.pid = info->pid,
			.command = info->command,
			.ino = info->ino,
			.offset = info->offset,
			.length = info->length,
			.age_ms = (clock_monotonic_ns() - info->since_ns) /
				  NS_PER_MS,
		};

		holder_add(search, &holder);
	}
	free(leases.all);
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
	holders_find_kernel_mappings(&search);
	find_leases(&search);
	request_for_each(context->fs, add_request, &search);
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "holders", search.holders);
}
