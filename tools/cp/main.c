/* SPDX-License-Identifier: BSD-3-Clause */
#include "cp.h"

#include "udax/udax.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/size.h"

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

volatile sig_atomic_t cp_signal;
atomic_bool cp_revoked;

static const char usage_text[] =
	"Usage: udax-cp [OPTION]... SOURCE DESTINATION\n"
	"Copy a file between a udaxfs mount and any other filesystem, or "
	"within\n"
	"udaxfs, straight from and into device memory.\n"
	"\n"
	"  -q, --quiet        errors only\n"
	"  -v, --verbose      say how it is done\n"
	"      --depth=N      transfers under way at a time, 1 to 1024 (32)\n"
	"      --block=SIZE   bytes of one, a multiple of 4K up to 64M (1M)\n"
	"      --resume       go on where an earlier run was interrupted\n"
	"      --progress     bytes done / total, also when no terminal sees "
	"it\n"
	"      --json         report as one JSON object\n"
	"  -h, --help         this text\n"
	"  -V, --version      version of the program\n";

static const struct option long_options[] = {
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "depth", required_argument, NULL, 'd' },
	{ "block", required_argument, NULL, 'b' },
	{ "resume", no_argument, NULL, 'r' },
	{ "progress", no_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int parse_depth(struct cp_options *options, const char *text)
{
	char *end;
	unsigned long depth = strtoul(text, &end, 10);

	if (*end || end == text || depth < 1 || depth > DEPTH_MAX) {
		log_error("--depth=%s: not a number from 1 to %d", text,
			  DEPTH_MAX);
		return -EINVAL;
	}
	options->depth = (unsigned int)depth;
	return 0;
}

static int parse_block(struct cp_options *options, const char *text)
{
	if (size_parse(text, &options->block_bytes) ||
	    options->block_bytes == 0 || options->block_bytes % PAGE_BYTES ||
	    options->block_bytes > BLOCK_MAX) {
		log_error("--block=%s: not a multiple of 4K up to 64M", text);
		return -EINVAL;
	}
	return 0;
}

static int parse_one(struct cp_options *options, int option)
{
	switch (option) {
	case 'q':
		options->quiet = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'd':
		return parse_depth(options, optarg);
	case 'b':
		return parse_block(options, optarg);
	case 'r':
		options->resume = true;
		return 0;
	case 'p':
		options->progress = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return -EINVAL; /* getopt_long() has said why */
	}
}

/* Exit status to end with now, or -1 to go on. */
static int parse(struct cp *cp, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "qvhV", long_options, NULL)) !=
	       -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return EXIT_DONE;
		}
		if (option == 'V') {
			puts("udax-cp " PACKAGE_VERSION);
			return EXIT_DONE;
		}
		if (parse_one(&cp->options, option) != 0)
			return EXIT_USAGE;
	}
	if (argc - optind != 2) {
		log_error("a source and a destination are wanted; -h tells "
			  "more");
		return EXIT_USAGE;
	}
	cp->source.path = argv[optind];
	cp->destination.path = argv[optind + 1];
	return -1;
}

static void on_signal(int number)
{
	cp_signal = number;
}

/* Without SA_RESTART: who waits for the ring looks at cp_signal. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

static void on_revoke(void *addr, size_t length, void *arg)
{
	atomic_store(&cp_revoked, true);
}

static int run(struct cp *cp)
{
	int err, said;

	cp->started_ns = clock_monotonic_ns();
	if (udax_on_revoke(on_revoke, NULL) < 0) {
		log_error("on_revoke: %s", strerror(errno));
		return EXIT_FAILED;
	}
	err = side_open(cp);
	if (!err)
		err = transfer_init(cp);
	if (!err)
		err = copy_all(cp);
	report_progress(cp, true);
	if (err == -ECANCELED)
		report_stopped(cp);
	said = cp->options.json ? report_done(cp, !err) : 0;
	transfer_fini(cp);
	side_close(&cp->source);
	side_close(&cp->destination);
	return err || said ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	static struct cp cp = {
		.options = { .depth = DEPTH_DEFAULT,
			     .block_bytes = BLOCK_DEFAULT },
		.source = { .fd = -1, .direct_fd = -1 },
		.destination = { .fd = -1, .direct_fd = -1 },
	};
	int status;

	log_set_program("udax-cp");
	status = parse(&cp, argc, argv);
	if (status >= 0)
		return status;
	if (isatty(STDERR_FILENO))
		cp.options.progress = true;
	if (cp.options.quiet)
		cp.options.progress = cp.options.verbose = false;
	catch_signals();
	return run(&cp);
}
