/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/options.h"
#include "daemon/option_table.h"
#include "util/log.h"

#include <errno.h>
#include <fuse3/fuse_opt.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At commas that no backslash stands before; the backslash goes. */
static int parse_list(struct daemon_options *options, const char *list)
{
	char *one = malloc(strlen(list) + 1);
	size_t length = 0;
	int err = 0;

	if (!one)
		return -ENOMEM;
	for (; !err; list++) {
		if (*list == '\\' && list[1]) {
			one[length++] = *++list;
			continue;
		}
		if (*list && *list != ',') {
			one[length++] = *list;
			continue;
		}
		one[length] = '\0';
		if (length > 0)
			err = option_parse(options, one);
		length = 0;
		if (!*list)
			break;
	}
	free(one);
	return err;
}

void options_usage(void)
{
	printf("usage: udaxfs DEVICE... MOUNTPOINT [-f] [-d] [-o OPTIONS]\n"
	       "  -f  stay in the foreground\n"
	       "  -d  as -f, and show every request\n"
	       "  -h, --help   -V, --version\n"
	       "OPTIONS: ro, dax=always|inode|never, device=DEVICE,\n"
	       "  direct=owner|group:GID|any|off, pgmap=counter|flag|mount,\n"
	       "  degraded, threads=N, nonempty, fsname=NAME, allow_other,\n"
	       "  allow_root, auto_unmount and mount(8)'s own: see "
	       "udaxfs(8)\n");
}

/* The first device is the one that was named first on the command line, not
 * the first device= of -o, which was parsed before. */
static void put_last_first(struct daemon_options *options, unsigned int count)
{
	unsigned int before = options->device_count - count;
	char *last[ROLL_MAX];

	memcpy(last, options->devices + before, count * sizeof(last[0]));
	memmove(options->devices + count, options->devices,
		before * sizeof(last[0]));
	memcpy(options->devices, last, count * sizeof(last[0]));
}

static int parse_words(struct daemon_options *options, int argc, char **argv)
{
	unsigned int before = options->device_count;
	int err = 0;

	if (argc < 1) {
		log_error("no mountpoint: see udaxfs --help");
		return -EINVAL;
	}
	for (int i = 0; i < argc - 1 && !err; i++)
		err = option_device(options, argv[i]);
	if (err)
		return err;
	if (options->device_count == 0) {
		log_error("no device: see udaxfs --help");
		return -EINVAL;
	}
	put_last_first(options, options->device_count - before);
	options->mountpoint = strdup(argv[argc - 1]);
	return options->mountpoint ? 0 : -ENOMEM;
}

int options_parse(struct daemon_options *options, int argc, char **argv)
{
	static const struct option longer[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' },
		{ "options", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;
	int err = 0;

	*options = (struct daemon_options){ .fs = { .dax = DAX_ALWAYS } };
	while (!err && (letter = getopt_long(argc, argv, "fdho:V", longer,
					     NULL)) != -1) {
		switch (letter) {
		case 'f':
			options->foreground = true;
			break;
		case 'd':
			options->debug = true;
			options->foreground = true;
			break;
		case 'h':
			options->show_help = true;
			return 0;
		case 'V':
			options->show_version = true;
			return 0;
		case 'o':
			err = parse_list(options, optarg);
			break;
		default:
			return -EINVAL; /* getopt has said what */
		}
	}
	if (!err)
		err = parse_words(options, argc - optind, argv + optind);
	if (err == -ENOMEM)
		log_error("options: out of memory");
	return err;
}

char *options_for_fuse(const struct daemon_options *options)
{
	const char *name = options->fsname ? options->fsname
					   : options->devices[0];
	char *all = NULL;
	int err = fuse_opt_add_opt(&all, "default_permissions,subtype=udaxfs");
	char *named = NULL;

	if (asprintf(&named, "fsname=%s", name) < 0)
		err = -1;
	else
		err |= fuse_opt_add_opt_escaped(&all, named);
	free(named);
	/* A filesystem that root mounts is for its users, as any other is. */
	if (geteuid() == 0 && !options->allow_root)
		err |= fuse_opt_add_opt(&all, "allow_other");
	if (options->debug)
		err |= fuse_opt_add_opt(&all, "debug");
	if (options->fuse)
		err |= fuse_opt_add_opt(&all, options->fuse);
	if (!err)
		return all;
	free(all);
	return NULL;
}

void options_fini(struct daemon_options *options)
{
	for (unsigned int i = 0; i < options->device_count; i++)
		free(options->devices[i]);
	free(options->mountpoint);
	free(options->fsname);
	free(options->fuse);
}
