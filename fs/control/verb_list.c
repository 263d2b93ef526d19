/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs that tell how the mount and its devices stand. */
#include "control/command.h"
#include "core/fs.h"
#include "core/request.h"
#include "core/survey.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define VERIFY_TRIES 100
#define VERIFY_PAUSE_NS 5000000

static void add_count(struct json_object *json, const char *key, int64_t count)
{
	json_object_object_add(json, key,
			       count < 0 ? NULL : json_object_new_int64(count));
}

static void add_text(struct json_object *json, const char *key,
		     const char *text)
{
	json_object_object_add(json, key,
			       text ? json_object_new_string(text) : NULL);
}

static const char *dax_name(const struct fs *fs)
{
	static const char *const names[] = { [DAX_ALWAYS] = "always",
					     [DAX_INODE] = "inode",
					     [DAX_NEVER] = "never" };

	return names[fs->options.dax];
}

void verb_list(struct command_context *context, struct json_object *arguments,
	       struct answer *answer)
{
	struct json_object *mount = json_object_new_object();
	struct json_object *mounts = json_object_new_array();

	add_text(mount, "mount", context->mountpoint);
	add_count(mount, "pid", getpid());
	add_text(mount, "direct_socket",
		 context->fs->direct_socket[0] ? context->fs->direct_socket
					       : NULL);
	add_text(mount, "dax", dax_name(context->fs));
	add_count(mount, "devices", context->fs->device_count);
	add_text(mount, "pgmap", pgmap_policy_name(context->fs->options.pgmap));
	json_object_object_add(
		mount, "read_only",
		json_object_new_boolean(context->fs->options.read_only));
	json_object_object_add(
		mount, "shut_down",
		json_object_new_boolean(atomic_load(&context->fs->shut_down)));
	json_object_array_add(mounts, mount);
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "mounts", mounts);
}

static void add_usage(struct json_object *json, struct fs *fs, unsigned index)
{
	const struct fs_device *device = &fs->devices[index];
	struct removal_report report = { .state = DEVICE_MISSING,
					 .references = -1 };
	bool gone;

	if (device->removal)
		removal_report(device->removal, &report);
	gone = report.state >= DEVICE_DEAD;
	add_text(json, "state", removal_state_name(report.state));
	json_object_object_add(json, "stopped",
			       json_object_new_boolean(report.stopped));
	add_count(json, "size_bytes", (int64_t)device->size_bytes);
	add_count(json, "free_bytes",
		  gone ? -1 : (int64_t)survey_free_bytes(fs, index));
	add_text(json, "granularity", device->granularity_name);
	add_count(json, "references", report.references);
	add_count(json, "entries",
		  device->pgmap ? pgmap_stat(device->pgmap, PGMAP_ENTRIES)
				: -1);
	add_count(json, "kernel_mappings",
		  device->pgmap
			  ? pgmap_stat(device->pgmap, PGMAP_KERNEL_MAPPINGS)
			  : -1);
	add_count(json, "leases",
		  device->pgmap ? pgmap_stat(device->pgmap, PGMAP_LEASES) : -1);
	add_count(json, "pins",
		  device->pgmap ? pgmap_stat(device->pgmap, PGMAP_PINS) : -1);
	add_count(json, "requests",
		  device->pgmap ? request_count(fs, index) : -1);
	add_count(json, "refused", (int64_t)atomic_load(&device->refused));
}

void verb_list_devices(struct command_context *context,
		       struct json_object *arguments, struct answer *answer)
{
	struct json_object *devices = json_object_new_array();
	struct fs *fs = context->fs;
	unsigned i;

	for (i = 0; i < fs->device_count; i++) {
		struct json_object *json = json_object_new_object();
		char uuid[37];

		uuid_unparse_lower(fs->devices[i].uuid, uuid);
		add_count(json, "index", i);
		add_text(json, "path", fs->devices[i].path);
		add_text(json, "uuid", uuid);
		json_object_object_add(
			json, "metadata",
			json_object_new_boolean(i == fs->metadata_device));
		add_usage(json, fs, i);
		json_object_array_add(devices, json);
	}
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	add_text(answer->json, "mount", context->mountpoint);
	json_object_object_add(answer->json, "devices", devices);
}

/* ------------------------------------------------------------ the ledger */

/* R10: the sum over tables and pins against the pages' own counts, and the
 * active folios against the counter. */
static bool device_adds_up(struct fs *fs, unsigned index, int64_t *counter,
			   int64_t *folios)
{
	const struct fs_device *device = &fs->devices[index];
	struct removal_report report;
	uint64_t page_references;
	int64_t associations, gates;

	removal_report(device->removal, &report);
	gates = pgmap_gates(device->pgmap);
	*folios = (int64_t)pgmap_active_folios_walk(device->pgmap,
						    &page_references);
	*counter = report.references < 0 ? -1 : report.references - gates;
	associations = (int64_t)survey_associations(fs, index) +
		       pgmap_stat(device->pgmap, PGMAP_PINNED_PAGES);
	return associations == (int64_t)page_references &&
	       (*counter < 0 || *counter == *folios);
}

void verb_verify(struct command_context *context, struct json_object *arguments,
		 struct answer *answer)
{
	const struct timespec pause = { .tv_nsec = VERIFY_PAUSE_NS };
	struct json_object *devices = json_object_new_array();
	struct fs *fs = context->fs;
	bool ok = true;
	unsigned i;

	for (i = 0; i < fs->device_count; i++) {
		struct json_object *json;
		int64_t counter = 0, folios = 0;
		unsigned tries = 0;
		bool fits;

		if (!fs->devices[i].removal)
			continue;
		/* Requests come and go meanwhile: look again before judging. */
		do {
			if (tries)
				nanosleep(&pause, NULL);
			fits = device_adds_up(fs, i, &counter, &folios);
		} while (!fits && ++tries < VERIFY_TRIES);
		ok = ok && fits;
		json = json_object_new_object();
		add_text(json, "device", fs->devices[i].path);
		add_count(json, "counter", counter);
		add_count(json, "ledger", folios);
		json_object_array_add(devices, json);
	}
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "ok", json_object_new_boolean(ok));
	json_object_object_add(answer->json, "devices", devices);
	if (!ok)
		answer_fail(answer, 1,
			    "the ledger does not add up: a reference leaked");
}
