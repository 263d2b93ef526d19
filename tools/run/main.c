/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udax-run -- an unmodified program with direct mappings: execute it with
 *             libudax_preload.so in front of libc
 *
 * Writes nothing to stdout. Exit status: the program's; 125 when udax-run
 * itself fails, 126 when the program cannot be executed, 127 when there is
 * none (as env(1)).
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libudax_preload.so"
#define IN_TREE "fs/client/.libs/" LIBRARY
#define EXIT_OWN 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

static const char usage[] =
	"usage: udax-run [-v] [--lazy] COMMAND [ARGUMENT...]\n"
	"  -v, --verbose  say on stderr at the end what went directly\n"
	"      --lazy     take leases when memory is first touched\n"
	"  -h, --help     this\n"
	"  -V, --version\n";

struct choice {
	bool verbose;
	bool lazy;
};

static int fail(const char *operation, const char *object, int err)
{
	fprintf(stderr, "udax-run: %s %s: %s\n", operation, object,
		strerror(err));
	return EXIT_OWN;
}

/* Where it was installed, or, next to a udax-run in a build tree, there. */
static int find_library(char path[PATH_MAX])
{
	static const char installed[] = PKGLIBDIR "/" LIBRARY;
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			slash[1] = '\0';
		n = snprintf(path, PATH_MAX, "%s%s", self, IN_TREE);
		if (n < PATH_MAX && access(path, R_OK) == 0)
			return 0;
	}
	memcpy(path, installed, sizeof(installed));
	return access(path, R_OK) ? -errno : 0;
}

/*
 * Behind what is there already: a sanitizer's or an allocator's library wants
 * to be the first.
 */
static int set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	int err;

	if (!old || !*old)
		return setenv("LD_PRELOAD", library, 1) ? -errno : 0;
	if (strstr(old, library))
		return 0;
	if (asprintf(&value, "%s:%s", old, library) < 0)
		return -ENOMEM;
	err = setenv("LD_PRELOAD", value, 1) ? -errno : 0;
	free(value);
	return err;
}

static int set_environment(const struct choice *choice)
{
	char path[PATH_MAX], pid[16];
	int err = find_library(path);

	if (err)
		return fail("load", path, -err);
	if (strpbrk(path, " :"))
		return fail("preload (a name with a space or colon)", path,
			    EINVAL);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	err = set_preload(path);
	if (!err && choice->verbose && setenv("UDAX_RUN_VERBOSE", pid, 1))
		err = -errno;
	if (!err && choice->lazy && setenv("UDAX_RUN_LAZY", "1", 1))
		err = -errno;
	return err ? fail("set", "LD_PRELOAD", -err) : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "verbose", no_argument, NULL, 'v' },
		{ "lazy", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct choice choice = { false, false };
	int option, err;

	while ((option = getopt_long(argc, argv, "+vhV", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'v':
			choice.verbose = true;
			break;
		case 'l':
			choice.lazy = true;
			break;
		case 'h':
			fputs(usage, stderr);
			return 0;
		case 'V':
			fprintf(stderr, "udax-run %s\n", PACKAGE_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_OWN;
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_OWN;
	}
	err = set_environment(&choice);
	if (err)
		return err;
	execvp(argv[optind], argv + optind);
	err = errno;
	(void)fail("execute", argv[optind], err);
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
