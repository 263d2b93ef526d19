/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command.h -- what the control socket's verbs do
 *
 * command_run() is the helper thread's: it may walk inodes and read /proc.
 * answer_ready() and answer_line() are the loop's: they do not block.
 */
#ifndef UDAX_CONTROL_COMMAND_H
#define UDAX_CONTROL_COMMAND_H

#include "control/conn.h"

#include <stdint.h>
#include <sys/types.h>

struct fs;

struct command_context {
	struct fs *fs;
	char *mountpoint; /* canonical, as the mount table has it */
	dev_t device;	  /* of the mount, for /proc/PID/maps */
};

int command_context_init(struct command_context *context, struct fs *fs,
			 const char *mountpoint)
	__attribute__((warn_unused_result));
void command_context_fini(struct command_context *context);

/* Run one request line; answer->wait says whether it is complete. */
void command_run(struct command_context *context, const char *request,
		 size_t request_bytes, struct answer *answer);

/* A waiting answer: complete it if what it waits for has come, or will not. */
bool answer_ready(struct command_context *context, struct answer *answer);

/* The line to send; malloc'ed. NULL: no memory. */
char *answer_line(struct answer *answer, size_t *bytes);

/* For the verbs. */
void answer_fail(struct answer *answer, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One function a verb: reads its arguments, fills the answer. */
typedef void verb_fn(struct command_context *context,
		     struct json_object *arguments, struct answer *answer);
verb_fn verb_list, verb_list_devices, verb_remove_device, verb_cancel_remove,
	verb_continue, verb_wait_device, verb_list_holders, verb_list_entries,
	verb_filemap, verb_verify;

/* One of the file's names, from the root of the mount's namespace, or
 * "(deleted)". Takes directories' locks shared: hold none. */
#define CONTROL_PATH_BYTES 8192
void file_name(const struct command_context *context, uint64_t ino, char *path);

/* Arguments, with a default where it is missing. */
const char *argument_string(struct json_object *arguments, const char *key);
int64_t argument_integer(struct json_object *arguments, const char *key,
			 int64_t otherwise);
bool argument_flag(struct json_object *arguments, const char *key);
/* The device that "device" names (path, index or UUID), or fails the answer. */
int argument_device(struct command_context *context,
		    struct json_object *arguments, struct answer *answer,
		    unsigned *device);

#endif
