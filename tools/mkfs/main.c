/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkfs.h"

#include "util/log.h"
#include "util/size.h"

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
	"Usage: mkfs.udaxfs [OPTION]... DEVICE...\n"
	"Make a udaxfs filesystem; the first DEVICE holds its metadata.\n"
	"\n"
	"  -f, --force       overwrite what is there\n"
	"  -n, --dry-run     say what would be done, write nothing\n"
	"  -q, --quiet       print errors only\n"
	"  -L, --label=TEXT  label, at most 63 bytes\n"
	"  -U, --uuid=UUID   UUID of the filesystem (default: random)\n"
	"  -s, --size=SIZE   make each DEVICE as a file of SIZE bytes; SIZE\n"
	"                    takes K, M, G, T (powers of 1024)\n"
	"      --json        report as one JSON object\n"
	"  -h, --help        this text\n"
	"  -V, --version     version of the program\n";

static const struct option long_options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "label", required_argument, NULL, 'L' },
	{ "uuid", required_argument, NULL, 'U' },
	{ "size", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int parse_label(struct mkfs_options *options, const char *text)
{
	size_t i, length = strlen(text);

	if (length >= sizeof(options->label)) {
		log_error("-L %s: longer than %zu bytes", text,
			  sizeof(options->label) - 1);
		return -EINVAL;
	}
	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			log_error("-L: control character in the label");
			return -EINVAL;
		}
	memset(options->label, 0, sizeof(options->label));
	memcpy(options->label, text, length);
	return 0;
}

static int parse_uuid(struct mkfs_options *options, const char *text)
{
	if (uuid_parse(text, options->uuid) != 0 ||
	    uuid_is_null(options->uuid)) {
		log_error("-U %s: not a UUID", text);
		return -EINVAL;
	}
	options->uuid_given = true;
	return 0;
}

static int parse_size(struct mkfs_options *options, const char *text)
{
	int err = size_parse(text, &options->size_bytes);

	if (err == 0 && options->size_bytes % BLOCK_BYTES != 0)
		err = -EDOM;
	options->create = true;
	if (err != 0)
		log_error("-s %s: %s", text,
			  err == -EINVAL   ? "not a size"
			  : err == -ERANGE ? "too large"
					   : "not a multiple of 4K");
	return err;
}

static int parse_one(struct mkfs_options *options, int option)
{
	switch (option) {
	case 'f':
		options->force = true;
		return 0;
	case 'n':
		options->dry_run = true;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'L':
		return parse_label(options, optarg);
	case 'U':
		return parse_uuid(options, optarg);
	case 's':
		return parse_size(options, optarg);
	default:
		return -EINVAL; /* getopt_long() has said why */
	}
}

/* Exit status to end with now, or -1 to go on. */
static int parse(struct mkfs *mkfs, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "fnqL:U:s:hV", long_options,
				     NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return EXIT_DONE;
		}
		if (option == 'V') {
			puts("mkfs.udaxfs " PACKAGE_VERSION);
			return EXIT_DONE;
		}
		if (parse_one(&mkfs->options, option) != 0)
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
	while (optind < argc)
		mkfs->device[mkfs->count++].path = argv[optind++];
	return -1;
}

/* So that an interrupted run ends where it can clean up: write.c, settle(). */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int run(struct mkfs *mkfs)
{
	int err;

	err = prepare_check(mkfs);
	if (err == 0)
		err = prepare_create(mkfs);
	if (err == 0)
		err = prepare_open(mkfs);
	if (err == 0)
		err = signature_check(mkfs);
	if (err == 0)
		err = format_plan(mkfs);
	if (err == 0 && !mkfs->options.dry_run)
		err = format_write(mkfs);
	if (err != 0) {
		prepare_undo(mkfs);
		return EXIT_FAILED;
	}
	err = report_done(mkfs);
	members_close(&mkfs->members);
	return err == 0 ? EXIT_DONE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct mkfs *mkfs = calloc(1, sizeof(*mkfs));
	int status;

	log_set_program("mkfs.udaxfs");
	if (mkfs == NULL) {
		log_error("out of memory");
		return EXIT_FAILED;
	}
	status = parse(mkfs, argc, argv);
	if (status < 0) {
		block_signals();
		status = run(mkfs);
	}
	free(mkfs);
	return status;
}
