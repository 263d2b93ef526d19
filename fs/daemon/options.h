/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h -- the command line of udaxfs
 *
 * udaxfs DEVICE... MOUNTPOINT [-f] [-d] [-o OPTIONS], and the same as
 * mount(8)'s helper for fuse.udaxfs calls it, where OPTIONS come with what
 * mount added. argv itself is left as it is: ps(1) shows it.
 *
 * Owns:   copies of all strings.
 * Errors: options_parse() prints one line; -EINVAL is wrong usage.
 */
#ifndef UDAX_DAEMON_OPTIONS_H
#define UDAX_DAEMON_OPTIONS_H

#include "core/fs.h"

#include <stdbool.h>
#include <sys/types.h>

struct daemon_options {
	char *devices[ROLL_MAX]; /* absolute, links not followed */
	unsigned int device_count;
	char *mountpoint; /* as given */
	struct fs_options fs;
	unsigned int threads; /* 0: the session's choice */
	bool foreground;
	bool debug;    /* every request to stderr */
	bool nonempty; /* cover what is in the mountpoint */
	bool allow_root;
	bool show_help;
	bool show_version;
	char *fsname; /* NULL: the first device */
	char *fuse;   /* for libfuse: "a,b=c", its escapes */
};

int options_parse(struct daemon_options *options, int argc, char **argv)
	__attribute__((warn_unused_result));
void options_fini(struct daemon_options *options);
/* The whole of -o for libfuse, ours for it included; to be freed. */
char *options_for_fuse(const struct daemon_options *options);
void options_usage(void);

#endif
