/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/options.h"
#include "fuse/session.h"
#include "util/log.h"

#include <errno.h>
#include <fuse3/fuse_opt.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An option's handler; value is what follows '=', else NULL. */
typedef int option_fn(struct daemon_options *options, const char *whole,
		      const char *value);

struct option_known {
	const char *name; /* "name" exactly, "name=" with a value,
			     "name*" that beginning */
	option_fn *fn;
};

static int bad_value(const char *whole)
{
	log_error("option %s: no such value", whole);
	return -EINVAL;
}

static int for_fuse(struct daemon_options *options, const char *whole,
		    const char *value)
{
	return fuse_opt_add_opt(&options->fuse, whole) ? -ENOMEM : 0;
}

static int ignored(struct daemon_options *options, const char *whole,
		   const char *value)
{
	return 0;
}

static int read_only(struct daemon_options *options, const char *whole,
		     const char *value)
{
	options->fs.read_only = strcmp(whole, "ro") == 0;
	return for_fuse(options, whole, value);
}

static int degraded(struct daemon_options *options, const char *whole,
		    const char *value)
{
	options->fs.degraded = true;
	return 0;
}

static int nonempty(struct daemon_options *options, const char *whole,
		    const char *value)
{
	options->nonempty = true;
	return 0;
}

static int allow_root(struct daemon_options *options, const char *whole,
		      const char *value)
{
	options->allow_root = true;
	return for_fuse(options, whole, value);
}

static int debug(struct daemon_options *options, const char *whole,
		 const char *value)
{
	options->debug = true;
	options->foreground = true;
	return 0;
}

static int subtype(struct daemon_options *options, const char *whole,
		   const char *value)
{
	return strcmp(value, "udaxfs") == 0 ? 0 : bad_value(whole);
}

static int fsname(struct daemon_options *options, const char *whole,
		  const char *value)
{
	free(options->fsname);
	options->fsname = strdup(value);
	return options->fsname ? 0 : -ENOMEM;
}

static int dax(struct daemon_options *options, const char *whole,
	       const char *value)
{
	if (strcmp(value, "always") == 0)
		options->fs.dax = DAX_ALWAYS;
	else if (strcmp(value, "inode") == 0)
		options->fs.dax = DAX_INODE;
	else if (strcmp(value, "never") == 0)
		options->fs.dax = DAX_NEVER;
	else
		return bad_value(whole);
	return 0;
}

static int pgmap(struct daemon_options *options, const char *whole,
		 const char *value)
{
	return pgmap_policy_of_name(value, &options->fs.pgmap)
		       ? bad_value(whole)
		       : 0;
}

static int group_of(const char *name, gid_t *out)
{
	const struct group *group = getgrnam(name);
	unsigned long number;
	char *end;

	if (group) {
		*out = group->gr_gid;
		return 0;
	}
	errno = 0;
	number = strtoul(name, &end, 10);
	if (errno || *end || end == name || number >= (gid_t)-1)
		return -EINVAL;
	*out = (gid_t)number;
	return 0;
}

static int direct(struct daemon_options *options, const char *whole,
		  const char *value)
{
	static const char group[] = "group:";

	if (strcmp(value, "owner") == 0)
		options->direct = DIRECT_OWNER;
	else if (strcmp(value, "any") == 0)
		options->direct = DIRECT_ANY;
	else if (strcmp(value, "off") == 0)
		options->direct = DIRECT_OFF;
	else if (strncmp(value, group, sizeof(group) - 1) == 0 &&
		 group_of(value + sizeof(group) - 1, &options->direct_group) ==
			 0)
		options->direct = DIRECT_GROUP;
	else
		return bad_value(whole);
	return 0;
}

static int threads(struct daemon_options *options, const char *whole,
		   const char *value)
{
	char *end;
	long count = strtol(value, &end, 10);

	if (*end || end == value || count < 1 || count > SESSION_THREADS_MAX)
		return bad_value(whole);
	options->threads = (unsigned int)count;
	return 0;
}

/* Absolute, since the daemon leaves its directory; a link stays a link. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX];
	char *out;

	if (path[0] == '/')
		return strdup(path);
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&out, "%s/%s", cwd, path) < 0)
		return NULL;
	return out;
}

static int device(struct daemon_options *options, const char *whole,
		  const char *value)
{
	char *path;

	if (!value[0])
		return bad_value(whole);
	if (options->device_count == ROLL_MAX) {
		log_error("%s: more than %d devices", value, ROLL_MAX);
		return -EINVAL;
	}
	path = absolute(value);
	if (!path)
		return -ENOMEM;
	options->devices[options->device_count++] = path;
	return 0;
}

/* The first that fits. What mount(8) and fstab(5) say to one another comes to
 * us as well and means nothing here. */
static const struct option_known known[] = {
	{ "ro", read_only },
	{ "rw", read_only },
	{ "degraded", degraded },
	{ "dax=", dax },
	{ "device=", device },
	{ "direct=", direct },
	{ "pgmap=", pgmap },
	{ "threads=", threads },
	{ "nonempty", nonempty },
	{ "debug", debug },
	{ "fsname=", fsname },
	{ "subtype=", subtype },
	{ "allow_root", allow_root },
	{ "allow_other", for_fuse },
	{ "default_permissions", ignored }, /* always */
	{ "auto_unmount", for_fuse },
	{ "context=", for_fuse },
	{ "fscontext=", for_fuse },
	{ "defcontext=", for_fuse },
	{ "rootcontext=", for_fuse },
	{ "suid", for_fuse },
	{ "nosuid", for_fuse },
	{ "dev", for_fuse },
	{ "nodev", for_fuse },
	{ "exec", for_fuse },
	{ "noexec", for_fuse },
	{ "sync", for_fuse },
	{ "async", for_fuse },
	{ "dirsync", for_fuse },
	{ "atime", for_fuse },
	{ "noatime", for_fuse },
	{ "relatime", ignored }, /* always */
	{ "defaults", ignored },
	{ "auto", ignored },
	{ "noauto", ignored },
	{ "nofail", ignored },
	{ "_netdev", ignored },
	{ "user", ignored },
	{ "user=", ignored },
	{ "users", ignored },
	{ "nouser", ignored },
	{ "owner", ignored },
	{ "group", ignored },
	{ "comment=", ignored },
	{ "x-*", ignored },
	{ "X-*", ignored },
};

static bool fits(const struct option_known *option, const char *whole)
{
	size_t length = strlen(option->name);
	char last = option->name[length - 1];

	if (last == '*')
		return strncmp(option->name, whole, length - 1) == 0;
	if (last == '=')
		return strncmp(option->name, whole, length) == 0;
	return strcmp(option->name, whole) == 0;
}

static int parse_one(struct daemon_options *options, const char *whole)
{
	const char *value = strchr(whole, '=');

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (fits(&known[i], whole))
			return known[i].fn(options, whole,
					   value ? value + 1 : NULL);
	log_error("unknown option: %s", whole);
	return -EINVAL;
}

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
			err = parse_one(options, one);
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

static int parse_words(struct daemon_options *options, int argc, char **argv)
{
	int err = 0;

	if (argc < 1) {
		log_error("no mountpoint: see udaxfs --help");
		return -EINVAL;
	}
	for (int i = 0; i < argc - 1 && !err; i++)
		err = device(options, argv[i], argv[i]);
	if (err)
		return err;
	if (options->device_count == 0) {
		log_error("no device: see udaxfs --help");
		return -EINVAL;
	}
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
			err = debug(options, NULL, NULL);
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
