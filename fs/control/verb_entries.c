/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs about files: their entries, their places on the devices. */
#include "control/command.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/request.h"
#include "core/survey.h"
#include "media/addr.h"

#include <string.h>
#include <unistd.h>

struct listing {
	struct fs *fs;
	struct json_object *files;
	struct json_object *entries;
	int64_t only_ino; /* < 0: all */
};

static void add_number(struct json_object *json, const char *key,
		       uint64_t number)
{
	json_object_object_add(json, key, json_object_new_uint64(number));
}

static const char *kind_name(const struct entry_info *info)
{
	if (info->kind == ENTRY_ZERO)
		return "zero";
	if (info->kind == ENTRY_EMPTY)
		return "empty";
	return info->order == 0 ? "pte" : "pmd";
}

static int add_entry(const struct entry_info *info, void *arg)
{
	struct listing *listing = arg;
	struct json_object *json = json_object_new_object();
	bool real = info->kind == ENTRY_REAL;

	add_number(json, "offset", info->index << BLOCK_SHIFT);
	add_number(json, "length", UINT64_C(1) << (BLOCK_SHIFT + info->order));
	json_object_object_add(json, "kind",
			       json_object_new_string(kind_name(info)));
	json_object_object_add(json, "device",
			       real ? json_object_new_int64(info->device)
				    : NULL);
	json_object_object_add(
		json, "device_offset",
		real ? json_object_new_uint64(info->device_page << BLOCK_SHIFT)
		     : NULL);
	/* What the kernel has dirtied in its cache, nobody tells us (R4). */
	json_object_object_add(json, "dirty",
			       info->holder == ENTRY_LEASE
				       ? json_object_new_boolean(info->dirty)
				       : NULL);
	add_number(json, "mapped", info->associations);
	json_object_object_add(
		json, "holder",
		info->holder == ENTRY_UNHELD
			? NULL
			: json_object_new_string(info->holder == ENTRY_LEASE
							 ? "lease"
							 : "kernel_mapping"));
	json_object_array_add(listing->entries, json);
	return 0;
}

static void add_file(struct inode *inode, struct entry_table *table, void *arg)
{
	struct listing *listing = arg;
	struct json_object *file;

	if (listing->only_ino >= 0 && inode->ino != (uint64_t)listing->only_ino)
		return;
	file = json_object_new_object();
	listing->entries = json_object_new_array();
	entry_table_walk(table, 0, UINT64_MAX, add_entry, listing);
	add_number(file, "inode", inode->ino);
	json_object_object_add(file, "entries", listing->entries);
	json_object_array_add(listing->files, file);
}

/* Names afterwards: looking one up takes the directories' locks. */
static void add_paths(struct command_context *context,
		      struct json_object *files)
{
	size_t i, count = json_object_array_length(files);
	char path[CONTROL_PATH_BYTES];

	for (i = 0; i < count; i++) {
		struct json_object *file = json_object_array_get_idx(files, i);
		struct json_object *number;
		uint64_t ino;

		json_object_object_get_ex(file, "inode", &number);
		ino = json_object_get_uint64(number);
		file_name(context, ino, path);
		json_object_object_add(file, "path",
				       json_object_new_string(path));
	}
}

void verb_list_entries(struct command_context *context,
		       struct json_object *arguments, struct answer *answer)
{
	struct listing listing = {
		.fs = context->fs,
		.files = json_object_new_array(),
		.only_ino = argument_integer(arguments, "inode", -1),
	};

	survey_tables(context->fs, add_file, &listing);
	add_paths(context, listing.files);
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "files", listing.files);
}

static int add_extent(uint64_t offset, uint64_t length, unsigned device,
		      uint64_t device_offset, unsigned flags, void *arg)
{
	struct json_object *json = json_object_new_object();

	add_number(json, "offset", offset);
	add_number(json, "length", length);
	add_number(json, "device", device);
	add_number(json, "device_offset", device_offset);
	json_object_object_add(
		json, "unwritten",
		json_object_new_boolean((flags & ~FILE_MAP_SHARED) != 0));
	json_object_object_add(
		json, "shared",
		json_object_new_boolean((flags & FILE_MAP_SHARED) != 0));
	json_object_array_add(arg, json);
	return 0;
}

static int map_inode(struct fs *fs, uint64_t ino, struct json_object *extents)
{
	struct request request = { 0 };
	struct inode *inode;
	int err;

	err = request_thread_init(fs, &request);
	if (err)
		return err;
	err = request_begin(&request, "filemap", ino, getpid(), false);
	if (err)
		goto out_thread;
	err = inode_look(fs, ino, &inode);
	if (!err) {
		err = file_map(&request, inode, add_extent, extents);
		inode_forget(fs, inode, 1);
	}
	request_end(&request);
out_thread:
	request_thread_fini(&request);
	return err;
}

/* Which way programs reach the file's pages at the moment. */
struct ways {
	uint64_t ino;
	bool kernel, lease;
};

static int note_way(const struct entry_info *info, void *arg)
{
	struct ways *ways = arg;

	ways->kernel = ways->kernel || info->holder == ENTRY_KERNEL;
	ways->lease = ways->lease || info->holder == ENTRY_LEASE;
	return 0;
}

static void note_ways(struct inode *inode, struct entry_table *table, void *arg)
{
	struct ways *ways = arg;

	if (inode->ino == ways->ino)
		entry_table_walk(table, 0, UINT64_MAX, note_way, ways);
}

static const char *mapped_by(struct fs *fs, uint64_t ino)
{
	struct ways ways = { .ino = ino };

	survey_tables(fs, note_ways, &ways);
	if (ways.kernel && ways.lease)
		return "lease+kernel_mapping";
	if (ways.lease)
		return "lease";
	return ways.kernel ? "kernel_mapping" : "none";
}

void verb_filemap(struct command_context *context,
		  struct json_object *arguments, struct answer *answer)
{
	int64_t ino = argument_integer(arguments, "inode", -1);
	struct json_object *extents = json_object_new_array();
	char path[CONTROL_PATH_BYTES];
	int err;

	err = map_inode(context->fs, (uint64_t)ino, extents);
	if (err) {
		json_object_put(extents);
		answer_fail(answer, 1, "inode %lld: %s", (long long)ino,
			    strerror(-err));
		return;
	}
	file_name(context, (uint64_t)ino, path);
	answer->json = json_object_new_object();
	json_object_object_add(answer->json, "version", json_object_new_int(1));
	json_object_object_add(answer->json, "path",
			       json_object_new_string(path));
	add_number(answer->json, "inode", (uint64_t)ino);
	json_object_object_add(
		answer->json, "mapped_by",
		json_object_new_string(mapped_by(context->fs, (uint64_t)ino)));
	json_object_object_add(answer->json, "extents", extents);
}
