/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/ctl.h"

#include "util/mount_table.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MAX_S (INT64_MAX / 1000000)
#define STEP_MAX_MS (24 * 60 * 60 * 1000)

enum {
	NEEDS_MOUNT = 1,
	MAY_MOUNT = 2,
	NEEDS_DEVICE = 4,
	MAY_DEVICE = 8,
	NEEDS_PATH = 16,
	MAY_PATH = 32
};

static const struct {
	const char *name;
	unsigned operands;
	const char *options; /* letters of long_options, beside j and u */
} verbs[] = {
	{ "list", MAY_MOUNT, "" },
	{ "list-devices", NEEDS_MOUNT, "" },
	{ "remove-device", NEEDS_MOUNT | NEEDS_DEVICE, "mtesndrzk" },
	{ "cancel-remove", NEEDS_MOUNT | NEEDS_DEVICE, "t" },
	{ "continue", NEEDS_MOUNT | NEEDS_DEVICE, "t" },
	{ "wait-device", NEEDS_MOUNT | NEEDS_DEVICE, "St" },
	{ "list-holders", NEEDS_MOUNT | MAY_DEVICE, "" },
	{ "list-entries", NEEDS_MOUNT | MAY_PATH, "" },
	{ "filemap", NEEDS_PATH, "" },
	{ "verify", NEEDS_MOUNT, "" },
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "human", no_argument, NULL, 'u' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "mode", required_argument, NULL, 'm' },
	{ "timeout", required_argument, NULL, 't' },
	{ "evacuate", no_argument, NULL, 'e' },
	{ "step", no_argument, NULL, 's' },
	{ "no-wait", no_argument, NULL, 'n' },
	{ "dry-run", no_argument, NULL, 'd' },
	{ "state", required_argument, NULL, 'S' },
	{ "recall-ms", required_argument, NULL, 'r' },
	{ "zap-ms", required_argument, NULL, 'z' },
	{ "kill-ms", required_argument, NULL, 'k' },
	{ NULL, 0, NULL, 0 },
};

void usage(void)
{
	fputs("usage: udaxctl list [MOUNT]\n"
	      "       udaxctl list-devices MOUNT\n"
	      "       udaxctl remove-device MOUNT DEV "
	      "[--mode=drain|revoke|kill]\n"
	      "               [--timeout=SEC] [--step] [--no-wait] "
	      "[--dry-run]\n"
	      "               [--recall-ms=N] [--zap-ms=N] [--kill-ms=N]\n"
	      "       udaxctl cancel-remove MOUNT DEV\n"
	      "       udaxctl continue MOUNT DEV\n"
	      "       udaxctl wait-device MOUNT DEV --state=STATE "
	      "[--timeout=SEC]\n"
	      "       udaxctl list-holders MOUNT [DEV]\n"
	      "       udaxctl list-entries MOUNT [PATH]\n"
	      "       udaxctl filemap PATH\n"
	      "       udaxctl verify MOUNT\n"
	      "Every verb takes --json and -u/--human. DEV is a path, an index "
	      "or a UUID.\n",
	      stderr);
}

static int find_verb(const char *name)
{
	unsigned i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(name, verbs[i].name) == 0)
			return (int)i;
	}
	return -1;
}

static int wrong(const char *format, const char *what)
{
	fputs("udaxctl: ", stderr);
	fprintf(stderr, format, what);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* Seconds, also with a fraction, to milliseconds. */
static int add_timeout(struct options *options, const char *text)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (end == text || *end || errno || !(seconds >= 0) ||
	    seconds > (double)TIMEOUT_MAX_S)
		return wrong("--timeout: not a number of seconds: %s", text);
	json_object_object_add(
		options->request, "timeout_ms",
		json_object_new_int64((int64_t)(seconds * 1000)));
	return 0;
}

static int add_milliseconds(struct options *options, const char *key,
			    const char *text)
{
	char *end;
	long ms;

	errno = 0;
	ms = strtol(text, &end, 10);
	if (end == text || *end || errno || ms < 0 || ms > STEP_MAX_MS)
		return wrong("not a number of milliseconds: %s", text);
	json_object_object_add(options->request, key,
			       json_object_new_int64(ms));
	return 0;
}

static void add_string(struct options *options, const char *key,
		       const char *text)
{
	json_object_object_add(options->request, key,
			       json_object_new_string(text));
}

static void add_flag(struct options *options, const char *key)
{
	json_object_object_add(options->request, key,
			       json_object_new_boolean(true));
}

static int take_option(struct options *options, int letter)
{
	size_t n = strlen(options->given);

	if (letter != 'j' && letter != 'u' && n < sizeof(options->given) - 1)
		options->given[n] = (char)letter;
	switch (letter) {
	case 'j':
		options->json = true;
		return 0;
	case 'u':
		options->human = true;
		return 0;
	case 'm':
		if (strcmp(optarg, "drain") != 0 &&
		    strcmp(optarg, "revoke") != 0 &&
		    strcmp(optarg, "kill") != 0)
			return wrong("--mode: drain, revoke or kill, not %s",
				     optarg);
		add_string(options, "mode", optarg);
		return 0;
	case 't':
		return add_timeout(options, optarg);
	case 'S':
		add_string(options, "state", optarg);
		return 0;
	case 'r':
		return add_milliseconds(options, "recall_ms", optarg);
	case 'z':
		return add_milliseconds(options, "zap_ms", optarg);
	case 'k':
		return add_milliseconds(options, "kill_ms", optarg);
	case 'e':
		add_flag(options, "evacuate");
		return 0;
	case 's':
		add_flag(options, "step");
		return 0;
	case 'n':
		add_flag(options, "no_wait");
		return 0;
	case 'd':
		add_flag(options, "dry_run");
		return 0;
	default:
		usage();
		return EXIT_USAGE;
	}
}

static int take_mount(struct options *options, const char *text)
{
	options->mount_buffer = mount_path(text);
	options->mount = options->mount_buffer;
	if (options->mount)
		return 0;
	fprintf(stderr, "udaxctl: %s: %s: no such directory\n", options->verb,
		text);
	return EXIT_FAILED;
}

static int add_device(struct options *options, const char *text)
{
	char *real = strchr(text, '/') ? realpath(text, NULL) : NULL;

	add_string(options, "device", real ? real : text);
	free(real);
	return 0;
}

static int add_path(struct options *options, const char *path)
{
	char mount[PATH_MAX];
	unsigned long long ino;
	int err = locate(path, mount, sizeof(mount), &ino);

	if (err) {
		fprintf(stderr, "udaxctl: %s: %s: %s\n", options->verb, path,
			err == -ENOTSUP ? "not on a udaxfs mount"
					: strerror(-err));
		return EXIT_FAILED;
	}
	json_object_object_add(options->request, "inode",
			       json_object_new_uint64(ino));
	if (!options->mount) {
		options->mount_buffer = strdup(mount);
		options->mount = options->mount_buffer;
	}
	return options->mount ? 0 : EXIT_FAILED;
}

/* The operands a verb may take, in their order on the command line. */
static const struct operand {
	unsigned needed, allowed;
	const char *name;
	int (*take)(struct options *options, const char *word);
} operand_kinds[] = {
	{ NEEDS_MOUNT, NEEDS_MOUNT | MAY_MOUNT, "MOUNT", take_mount },
	{ NEEDS_DEVICE, NEEDS_DEVICE | MAY_DEVICE, "DEV", add_device },
	{ NEEDS_PATH, NEEDS_PATH | MAY_PATH, "PATH", add_path },
};

static int take_operands(struct options *options, unsigned operands, int count,
			 char **words)
{
	unsigned i;
	int status;

	for (i = 0; i < sizeof(operand_kinds) / sizeof(operand_kinds[0]); i++) {
		const struct operand *kind = &operand_kinds[i];

		if (!(operands & kind->allowed))
			continue;
		if (count == 0 && (operands & kind->needed)) {
			fprintf(stderr, "udaxctl: %s: which %s?\n",
				options->verb, kind->name);
			return EXIT_USAGE;
		}
		if (count == 0)
			break;
		status = kind->take(options, words[0]);
		if (status)
			return status;
		count--, words++;
	}
	return count > 0 ? wrong("one operand too many: %s", words[0]) : 0;
}

int options_read(struct options *options, int argc, char **argv)
{
	int letter, verb, status = 0;

	options->request = json_object_new_object();
	while (!status && (letter = getopt_long(argc, argv, "uh", long_options,
						NULL)) != -1) {
		if (letter == 'h' || letter == 'V') {
			options->verb = letter == 'h' ? "help" : "version";
			return 0;
		}
		status = take_option(options, letter);
	}
	if (status)
		return status;
	if (optind == argc) {
		usage();
		return EXIT_USAGE;
	}
	options->verb = argv[optind];
	verb = find_verb(options->verb);
	if (verb < 0)
		return wrong("unknown verb %s (udaxctl --help lists them)",
			     options->verb);
	if (options->given[strspn(options->given, verbs[verb].options)])
		return wrong("%s: an option that this verb does not take",
			     options->verb);
	add_string(options, "verb", options->verb);
	json_object_object_add(options->request, "version",
			       json_object_new_int(1));
	status = take_operands(options, verbs[verb].operands, argc - optind - 1,
			       argv + optind + 1);
	if (!status && strcmp(options->verb, "wait-device") == 0 &&
	    !json_object_object_get_ex(options->request, "state", NULL))
		return wrong("%s: --state=STATE is needed", options->verb);
	return status;
}
