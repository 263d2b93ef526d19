/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/command.h"

#include "core/fs.h"
#include "core/inode.h"
#include "util/mount_table.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uuid/uuid.h>

static const struct {
	const char *name;
	verb_fn *run;
} verbs[] = {
	{ "list", verb_list },
	{ "list-devices", verb_list_devices },
	{ "remove-device", verb_remove_device },
	{ "cancel-remove", verb_cancel_remove },
	{ "continue", verb_continue },
	{ "wait-device", verb_wait_device },
	{ "list-holders", verb_list_holders },
	{ "list-entries", verb_list_entries },
	{ "filemap", verb_filemap },
	{ "verify", verb_verify },
};

int command_context_init(struct command_context *context, struct fs *fs,
			 const char *mountpoint)
{
	struct mount_entry mount;

	context->fs = fs;
	context->mountpoint = strdup(mountpoint);
	if (!context->mountpoint)
		return -ENOMEM;
	/* Not in the table: then nobody can have mapped anything either. */
	if (mount_table_at(mountpoint, &mount) == 0)
		context->device = mount.device;
	return 0;
}

void command_context_fini(struct command_context *context)
{
	free(context->mountpoint);
}

void answer_fail(struct answer *answer, int status, const char *format, ...)
{
	va_list args;

	answer->status = status;
	answer->wait = WAIT_NOTHING;
	va_start(args, format);
	vsnprintf(answer->error, sizeof(answer->error), format, args);
	va_end(args);
}

void file_name(const struct command_context *context, uint64_t ino, char *path)
{
	char inside[PATH_MAX];

	if (inode_path(context->fs, ino, inside, sizeof(inside)) == 0)
		snprintf(path, CONTROL_PATH_BYTES, "%s%s", context->mountpoint,
			 inside);
	else
		strcpy(path, "(deleted)");
}

const char *argument_string(struct json_object *arguments, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(arguments, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

int64_t argument_integer(struct json_object *arguments, const char *key,
			 int64_t otherwise)
{
	struct json_object *value;

	if (!json_object_object_get_ex(arguments, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return otherwise;
	return json_object_get_int64(value);
}

bool argument_flag(struct json_object *arguments, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(arguments, key, &value) &&
	       json_object_get_boolean(value);
}

static bool same_file(const char *one, const char *two)
{
	struct stat a, b;

	if (strcmp(one, two) == 0)
		return true;
	return stat(one, &a) == 0 && stat(two, &b) == 0 &&
	       (S_ISCHR(a.st_mode)
			? a.st_rdev == b.st_rdev
			: a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static bool names_device(const struct fs_device *device, unsigned index,
			 const char *name)
{
	char text[40];

	snprintf(text, sizeof(text), "%u", index);
	if (strcmp(name, text) == 0)
		return true;
	uuid_unparse_lower(device->uuid, text);
	if (strcasecmp(name, text) == 0)
		return true;
	return device->path && same_file(device->path, name);
}

int argument_device(struct command_context *context,
		    struct json_object *arguments, struct answer *answer,
		    unsigned *device)
{
	const char *name = argument_string(arguments, "device");
	struct fs *fs = context->fs;
	unsigned i;

	if (!name) {
		answer_fail(answer, 2, "no device named");
		return -EINVAL;
	}
	for (i = 0; i < fs->device_count; i++) {
		if (names_device(&fs->devices[i], i, name)) {
			*device = i;
			return 0;
		}
	}
	answer_fail(answer, 1, "%s: not a device of %s", name,
		    context->mountpoint);
	return -ENODEV;
}

void command_run(struct command_context *context, const char *request,
		 size_t request_bytes, struct answer *answer)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *arguments = NULL;
	const char *verb = NULL;
	unsigned i;

	if (tokener)
		arguments = json_tokener_parse_ex(tokener, request,
						  (int)request_bytes);
	if (arguments && json_object_is_type(arguments, json_type_object))
		verb = argument_string(arguments, "verb");
	for (i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) == 0) {
			verbs[i].run(context, arguments, answer);
			break;
		}
	}
	if (!verb)
		answer_fail(answer, 2,
			    "request is not a JSON object with a verb");
	else if (i == sizeof(verbs) / sizeof(verbs[0]))
		answer_fail(answer, 2, "unknown verb \"%.40s\"", verb);
	json_object_put(arguments);
	if (tokener)
		json_tokener_free(tokener);
}

char *answer_line(struct answer *answer, size_t *bytes)
{
	struct json_object *line = json_object_new_object();
	char *copy = NULL;
	const char *text;
	size_t length;

	if (!line)
		return NULL;
	json_object_object_add(line, "version", json_object_new_int(1));
	json_object_object_add(line, "status",
			       json_object_new_int(answer->status));
	json_object_object_add(line, "error",
			       answer->error[0]
				       ? json_object_new_string(answer->error)
				       : NULL);
	json_object_object_add(line, "answer", json_object_get(answer->json));
	text = json_object_to_json_string_length(
		line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&length);
	if (text)
		copy = malloc(length + 1);
	if (copy) {
		memcpy(copy, text, length);
		copy[length] = '\n';
		*bytes = length + 1;
	}
	json_object_put(line);
	return copy;
}
