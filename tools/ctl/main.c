/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"
#include "tools/ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static void print(const struct options *options, struct json_object *answer)
{
	if (!answer)
		return;
	if (options->json)
		printf("%s\n",
		       json_object_to_json_string_ext(
			       answer, JSON_C_TO_STRING_PLAIN |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_answer(options, answer);
}

/* All mounts' answers to "list" as one. */
static int list_all(const struct options *options)
{
	struct json_object *replies, *all = json_object_new_object();
	struct json_object *mounts = json_object_new_array();
	size_t i;
	int err = ask_all(options->request, &replies);

	if (err)
		return EXIT_FAILED;
	for (i = 0; i < json_object_array_length(replies); i++) {
		struct json_object *some = field(
			field(json_object_array_get_idx(replies, i), "answer"),
			"mounts");

		if (some && json_object_array_length(some) > 0)
			json_object_array_add(
				mounts,
				json_object_get(
					json_object_array_get_idx(some, 0)));
	}
	json_object_object_add(all, "version", json_object_new_int(1));
	json_object_object_add(all, "mounts", mounts);
	print(options, all);
	json_object_put(all);
	json_object_put(replies);
	return EXIT_DONE;
}

static int ask_one(const struct options *options)
{
	struct json_object *reply;
	int err = ask_mount(options, &reply);
	int status;

	if (err == -ENOENT) {
		fprintf(stderr,
			"udaxctl: %s: %s: no udaxfs of yours is mounted there "
			"(udaxctl list shows what is)\n",
			options->verb, options->mount);
		return EXIT_FAILED;
	}
	if (err) {
		fprintf(stderr,
			"udaxctl: %s: %s: the daemon does not answer: %s\n",
			options->verb, options->mount, strerror(-err));
		return EXIT_FAILED;
	}
	status = json_object_get_int(field(reply, "status"));
	print(options, field(reply, "answer"));
	if (field(reply, "error"))
		fprintf(stderr, "udaxctl: %s: %s\n", options->verb,
			json_object_get_string(field(reply, "error")));
	json_object_put(reply);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int status = options_read(&options, argc, argv);

	if (status == 0 && strcmp(options.verb, "help") == 0)
		usage();
	else if (status == 0 && strcmp(options.verb, "version") == 0)
		puts("udaxctl " PACKAGE_VERSION);
	else if (status == 0 && !options.mount)
		status = list_all(&options);
	else if (status == 0)
		status = ask_one(&options);
	json_object_put(options.request);
	free(options.mount_buffer);
	if (fflush(stdout) != 0 && status == 0)
		status = EXIT_FAILED;
	return status;
}
