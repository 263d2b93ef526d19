/* SPDX-License-Identifier: BSD-3-Clause */
/* option_table.c -- each option of -o, and what it means */
#include "daemon/options.h"
#include "daemon/option_table.h"
#include "fuse/session.h"
#include "util/log.h"

#include <errno.h>
#include <fuse3/fuse_opt.h>
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

static int no_atime(struct daemon_options *options, const char *whole,
		    const char *value)
{
	options->fs.no_atime = strcmp(whole, "noatime") == 0;
	return for_fuse(options, whole, value);
}

/* Ours alone: the kernel knows nothing of atime here. The last one counts. */
static int relative_atime(struct daemon_options *options, const char *whole,
			  const char *value)
{
	options->fs.strict_atime = strcmp(whole, "strictatime") == 0;
	return 0;
}

static int dir_atime(struct daemon_options *options, const char *whole,
		     const char *value)
{
	options->fs.no_diratime = strcmp(whole, "nodiratime") == 0;
	return 0;
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
		options->fs.direct = DIRECT_OWNER;
	else if (strcmp(value, "any") == 0)
		options->fs.direct = DIRECT_ANY;
	else if (strcmp(value, "off") == 0)
		options->fs.direct = DIRECT_OFF;
	else if (strncmp(value, group, sizeof(group) - 1) == 0 &&
		 group_of(value + sizeof(group) - 1,
			  &options->fs.direct_group) == 0)
		options->fs.direct = DIRECT_GROUP;
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

int option_device(struct daemon_options *options, const char *value)
{
	char *path;

	if (!value[0])
		return bad_value("device=");
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

static int device(struct daemon_options *options, const char *whole,
		  const char *value)
{
	return option_device(options, value);
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
	{ "atime", no_atime },
	{ "noatime", no_atime },
	{ "relatime", relative_atime },
	{ "strictatime", relative_atime },
	{ "nostrictatime", relative_atime },
	{ "diratime", dir_atime },
	{ "nodiratime", dir_atime },
	{ "lazytime", ignored }, /* always */
	{ "nolazytime", ignored },
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

int option_parse(struct daemon_options *options, const char *whole)
{
	const char *value = strchr(whole, '=');

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (fits(&known[i], whole))
			return known[i].fn(options, whole,
					   value ? value + 1 : NULL);
	log_error("unknown option: %s", whole);
	return -EINVAL;
}
