/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "media/addr.h"
#include "util/log.h"
#include "util/size.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

static void add_number(struct json_object *to, const char *key, uint64_t number)
{
	json_object_object_add(to, key, json_object_new_uint64(number));
}

static void add_string(struct json_object *to, const char *key,
		       const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_uuid(struct json_object *to, const char *key,
		     const uint8_t uuid[16])
{
	char text[UUID_STR_LEN];

	uuid_unparse_lower(uuid, text);
	add_string(to, key, text);
}

static struct json_object *device_json(const struct mkfs *mkfs, unsigned index)
{
	const struct mkfs_device *device = &mkfs->device[index];
	const superblock_media *sb = &device->sb;
	struct json_object *out = json_object_new_object();

	add_number(out, "index", index);
	add_string(out, "path", device->path);
	add_uuid(out, "uuid", sb->device_uuid);
	add_number(out, "size_bytes", sb->size_blocks << BLOCK_SHIFT);
	add_number(out, "free_bytes",
		   format_free_blocks(mkfs, index) << BLOCK_SHIFT);
	add_number(out, "journal_bytes", sb->journal_blocks << BLOCK_SHIFT);
	json_object_object_add(out, "created",
			       json_object_new_boolean(mkfs->options.create &&
						       !device->exists));
	json_object_object_add(out, "overwritten",
			       device->found[0] == '\0'
				       ? NULL
				       : json_object_new_string(device->found));
	return out;
}

static int report_json(const struct mkfs *mkfs)
{
	const superblock_media *sb = &mkfs->device[0].sb;
	struct json_object *out = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	unsigned i;

	add_number(out, "version", 1);
	add_uuid(out, "uuid", sb->fs_uuid);
	add_string(out, "label", (const char *)sb->label);
	json_object_object_add(out, "dry_run",
			       json_object_new_boolean(mkfs->options.dry_run));
	add_number(out, "block_bytes", BLOCK_BYTES);
	for (i = 0; i < mkfs->count; i++)
		json_object_array_add(devices, device_json(mkfs, i));
	json_object_object_add(out, "devices", devices);
	puts(json_object_to_json_string_ext(
		out, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(out);
	return 0;
}

static void report_text(const struct mkfs *mkfs)
{
	const superblock_media *sb = &mkfs->device[0].sb;
	char uuid[UUID_STR_LEN], size[SIZE_TEXT_BYTES], left[SIZE_TEXT_BYTES];
	unsigned i;

	uuid_unparse_lower(sb->fs_uuid, uuid);
	printf("%sudaxfs, uuid %s, label \"%s\"\n",
	       mkfs->options.dry_run ? "would make: " : "", uuid,
	       (const char *)sb->label);
	for (i = 0; i < mkfs->count; i++) {
		const struct mkfs_device *device = &mkfs->device[i];

		printf("device %u: %s, %s, %s free%s", i, device->path,
		       size_text(device->sb.size_blocks << BLOCK_SHIFT, size),
		       size_text(format_free_blocks(mkfs, i) << BLOCK_SHIFT,
				 left),
		       i == sb->metadata_device ? ", metadata" : "");
		if (device->sb.journal_blocks > 0)
			printf(", journal %s",
			       size_text(device->sb.journal_blocks
						 << BLOCK_SHIFT,
					 size));
		if (device->found[0] != '\0')
			printf(", was %s", device->found);
		putchar('\n');
	}
}

int report_done(const struct mkfs *mkfs)
{
	if (mkfs->options.json)
		report_json(mkfs);
	else if (!mkfs->options.quiet || mkfs->options.dry_run)
		report_text(mkfs);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	log_error("standard output: %s", strerror(errno));
	return -EIO;
}
