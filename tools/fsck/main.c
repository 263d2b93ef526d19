/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"

#include "blocks.h"
#include "device/guard.h"
#include "inodes.h"
#include "report.h"
#include "util/log.h"

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
	"Usage: fsck.udaxfs [-n | -p | -y] [OPTION]... DEVICE...\n"
	"Check a udaxfs filesystem; give all its devices, in any order.\n"
	"\n"
	"  -n           change nothing (the default)\n"
	"  -p, -a       replay the journal, mend what is safe to mend; a\n"
	"               filesystem that is marked clean is not checked\n"
	"  -y           as -p, and check in full\n"
	"  -f, --force  with -p: check in full\n"
	"  -v           print counts\n"
	"  -C FD        progress to that file descriptor\n"
	"      --json   report as one JSON object\n"
	"  -h, --help   this text\n"
	"  -V, --version\n";

static const struct option long_options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int parse_fd(struct fsck_options *options, const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno || fd < 0 || fd > INT32_MAX) {
		log_error("-C %s: not a file descriptor", text);
		return -EINVAL;
	}
	options->progress_fd = (int)fd;
	return 0;
}

static int parse_mode(struct fsck_options *options, int option, bool *given)
{
	static const char letters[] = "npy"; /* in the order of fsck_mode */
	enum fsck_mode mode =
		(enum fsck_mode)(strchr(letters, option) - letters);

	if (*given && mode != options->mode) {
		log_error("only one of -n, -p and -y goes");
		return -EINVAL;
	}
	*given = true;
	options->mode = mode;
	return 0;
}

static int parse_one(struct fsck_options *options, int option, bool *mode_given)
{
	switch (option) {
	case 'a':
		return parse_mode(options, 'p', mode_given);
	case 'n':
	case 'p':
	case 'y':
		return parse_mode(options, option, mode_given);
	case 'f':
		options->force = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'C':
		return parse_fd(options, optarg);
	default:
		return -EINVAL;
	}
}

/* Exit status to end with now, or -1 to go on. */
static int parse(struct fsck_options *options, int argc, char **argv)
{
	bool mode_given = false;
	int option;

	options->progress_fd = -1;
	while ((option = getopt_long(argc, argv, "anpyfvC:hV", long_options,
				     NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return EXIT_CLEAN;
		}
		if (option == 'V') {
			puts("fsck.udaxfs " PACKAGE_VERSION);
			return EXIT_CLEAN;
		}
		if (parse_one(options, option, &mode_given) != 0)
			return EXIT_USAGE;
	}
	if (optind == argc) {
		log_error("no device given; -h tells more");
		return EXIT_USAGE;
	}
	if (argc - optind > ROLL_MAX) {
		log_error("more than %d devices", ROLL_MAX);
		return EXIT_USAGE;
	}
	return -1;
}

/* In the order of fsck.h; an early return leaves `checked` unset. */
static void check(struct fsck *fsck, const char *const *paths, unsigned count)
{
	if (check_super(fsck, paths, count) != 0 || check_roll(fsck) != 0)
		return;
	if (fsck->options.mode == MODE_PREEN && !fsck->options.force &&
	    fsck->clean && problems_left(fsck) == 0)
		return;
	if (check_journal(fsck) != 0 || check_inodes(fsck) != 0)
		return;
	check_links(fsck);
	check_free(fsck);
	fsck->checked = true;
	if (fsck->counts.orphans > 0 && !fsck->clean)
		note(fsck,
		     "%ju inodes without a name: the next mount frees "
		     "them",
		     (uintmax_t)fsck->counts.orphans);
	repair_mark_clean(fsck);
}

static void check_devices_last(struct fsck *fsck)
{
	unsigned i;

	for (i = 0; i < ROLL_MAX; i++) {
		const struct device *device = fsck->members.device[i];

		if (device && device_failed(device))
			operational(fsck,
				    "%s: vanished or cannot be read at byte "
				    "%ju: what was found is not to be relied "
				    "on",
				    device->path,
				    (uintmax_t)device->failed_offset);
	}
}

static int run(struct fsck *fsck, const char *const *paths, unsigned count)
{
	int status;

	if (report_init(fsck) != 0 || device_guard_install() != 0) {
		log_error("out of memory");
		return EXIT_OPERATIONAL;
	}
	check(fsck, paths, count);
	check_devices_last(fsck);
	status = report_summary(fsck);
	report_fini(fsck);
	inodes_close(fsck);
	blocks_fini(fsck);
	members_close(&fsck->members);
	members_close(&fsck->aside);
	return status;
}

int main(int argc, char **argv)
{
	struct fsck *fsck = calloc(1, sizeof(*fsck));
	int status;

	log_set_program("fsck.udaxfs");
	if (fsck == NULL) {
		log_error("out of memory");
		return EXIT_OPERATIONAL;
	}
	status = parse(&fsck->options, argc, argv);
	if (status < 0)
		status = run(fsck, (const char *const *)argv + optind,
			     (unsigned)(argc - optind));
	free(fsck);
	return status;
}
