/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl.h -- udaxctl: find the daemon of a mount, ask it, print what it says
 *
 * The daemon is found by its socket, never by a call on the mount: a mount
 * that is going may not answer.
 */
#ifndef UDAX_CTL_H
#define UDAX_CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_DEADLINE, EXIT_BUSY };

struct options {
	const char *verb;
	const char *mount; /* canonical; NULL: any */
	char *mount_buffer;
	struct json_object *request; /* what is sent */
	bool json;
	bool human;	/* sizes with units */
	char given[32]; /* letters of the verb's own options */
};

/* Reads the command line; on an error it has been told. 0 or an exit status. */
int options_read(struct options *options, int argc, char **argv)
	__attribute__((warn_unused_result));
void usage(void);

/*
 * Ask the daemon of options->mount. 0: *reply is its line (json_object_put);
 * -ENOENT nothing is mounted there, -EACCES not allowed to ask, -EPROTO.
 */
int ask_mount(const struct options *options, struct json_object **reply)
	__attribute__((warn_unused_result));

/* Ask every daemon there is: an array of their replies. */
int ask_all(struct json_object *request, struct json_object **replies)
	__attribute__((warn_unused_result));

/* As text, one kind of table a verb. */
void print_answer(const struct options *options, struct json_object *answer);

/* The mount that holds path, and path's inode there. */
int locate(const char *path, char *mount, size_t mount_bytes,
	   unsigned long long *ino) __attribute__((warn_unused_result));

#endif
