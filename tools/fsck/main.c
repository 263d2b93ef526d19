/* SPDX-License-Identifier: BSD-3-Clause */
#include "fsck.h"

#include "util/log.h"

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: fsck.udaxfs [-n | -p | -y] [OPTION]... DEVICE...\n"
	"Check a udaxfs filesystem; give all its devices, in any order.\n"
	"\n"
	"  -n           change nothing (the default, but on a terminal)\n"
	"  -p, -a       replay the journal, mend what loses nothing; a\n"
	"               filesystem that is marked clean is not checked\n"
	"  -y           check in full, mend everything that can be\n"
	"  -f, --force  with -p: check in full\n"
	"  -v           print counts\n"
	"  -C FD        progress to that file descriptor\n"
	"      --json   report as one JSON object\n"
	"  -h, --help   this text\n"
	"  -V, --version\n"
	"\n"
	"With none of -n, -p, -y and --json, on a terminal: as -n, then, if "
	"there\n"
	"is something to mend, it asks how.\n";

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
static int parse(struct fsck_options *options, bool *asks, int argc,
		 char **argv)
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
	*asks = !mode_given && !options->json && isatty(STDIN_FILENO) &&
		isatty(STDOUT_FILENO);
	return -1;
}

/* True: the user wants it mended, in *mode. */
static bool ask(enum fsck_mode *mode)
{
	char line[16];

	for (;;) {
		fputs("Mend nothing (n), what loses nothing (p), all that can "
		      "be (y)? [n] ",
		      stdout);
		(void)fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL)
			return false;
		if (strcmp(line, "\n") == 0 || strcmp(line, "n\n") == 0)
			return false;
		if (strcmp(line, "p\n") == 0 || strcmp(line, "y\n") == 0) {
			*mode = line[0] == 'p' ? MODE_PREEN : MODE_YES;
			return true;
		}
	}
}

/* At any moment: as after a crash, another run finishes. */
static void cancel(int signal)
{
	static const char said[] = "\nfsck.udaxfs: interrupted\n";

	(void)signal;
	if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0)
		_exit(EXIT_CANCELED | EXIT_OPERATIONAL);
	_exit(EXIT_CANCELED);
}

int main(int argc, char **argv)
{
	static const struct sigaction canceling = { .sa_handler = cancel };
	struct fsck_options options = { .mode = MODE_CHECK };
	bool asks;
	int status;

	log_set_program("fsck.udaxfs");
	setvbuf(stdout, NULL, _IOLBF, 0); /* what is told, is */
	status = parse(&options, &asks, argc, argv);
	if (status >= 0)
		return status;
	if (sigaction(SIGINT, &canceling, NULL) != 0 ||
	    sigaction(SIGTERM, &canceling, NULL) != 0)
		return EXIT_OPERATIONAL;
	status = fsck_run(&options, (const char *const *)argv + optind,
			  (unsigned)(argc - optind));
	if (asks && status == EXIT_LEFT && ask(&options.mode)) {
		options.force = true;
		status = fsck_run(&options, (const char *const *)argv + optind,
				  (unsigned)(argc - optind));
	}
	return status;
}
