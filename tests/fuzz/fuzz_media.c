/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_media.c -- mount and fsck of damaged media
 *
 * An input is a short program of damage done to a small filesystem that has
 * some of everything (media_mutate.h): fields of structures set to values of
 * every sort, structures copied over one another, with checksums that hold, so
 * that what stands behind them is met. The real code then checks, mounts,
 * walks and changes it, all in this process. Whatever is on the media:
 *
 *   nothing crashes, asserts, hangs, leaks, reads out of bounds; a refusal is
 *   one line, and a log is no flood
 *   what fsck calls clean mounts, is walked whole without EUCLEAN or EIO, and
 *   is still clean after changes
 *   fsck -y leaves what fsck then calls clean, or says that it did not
 *
 * `make fuzz-media` runs it with libFuzzer; without, main() below runs the
 * files that it is given (the corpus, in `make check`), and with -r N mutations
 * of each. FUZZ_VERBOSE=1 tells what became of an input.
 */
#include "media_base.h"
#include "media_map.h"
#include "media_mutate.h"
#include "media_walk.h"
#include "fsck.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINES_MAX 64 /* of one run of anything */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
			       unsigned int seed);

static bool verbose;
static unsigned log_lines, log_errors;

/* Instead of log.c's: see the link line. */
void __wrap_log_line(enum log_level level, const char *format, ...);

void __wrap_log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > LOG_LEVEL_INFO)
		return;
	log_lines++;
	log_errors += level == LOG_LEVEL_ERROR;
	if (!verbose && log_lines <= LOG_LINES_MAX)
		return;
	va_start(args, format);
	fputs("  log: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	if (log_lines > LOG_LINES_MAX)
		fuzz_fail("a flood of log lines, this is the last");
}

/* ------------------------------------------------------------------- oracle */

static int check_devices(struct base *base, enum fsck_mode mode, unsigned count)
{
	static const char *const names[] = { "-n", "-p", "-y" };
	const struct fsck_options options = { .mode = mode,
					      .force = true,
					      .progress_fd = -1 };
	const char *paths[BASE_DEVICES];
	int status;

	log_lines = log_errors = 0;
	for (unsigned i = 0; i < count; i++)
		paths[i] = base->path[i];
	if (verbose)
		fprintf(stderr, "fsck %s, %u devices\n", names[mode], count);
	status = fsck_run(&options, paths, count);
	if (verbose)
		fprintf(stderr, "  exit %d\n", status);
	if (status < 0 ||
	    status & ~(EXIT_CORRECTED | EXIT_LEFT | EXIT_OPERATIONAL))
		fuzz_fail("fsck: exit %d", status);
	return status;
}

static int check(struct base *base, enum fsck_mode mode)
{
	return check_devices(base, mode, base->devices);
}

static struct walk_result mount_and_walk(struct base *base, struct walk_how how)
{
	struct walk_result result;

	log_lines = log_errors = 0;
	if (verbose)
		fprintf(stderr, "mount %s%s\n", how.read_only ? "ro" : "rw",
			how.degraded ? ", degraded" : "");
	walk_mount(base, &how, &result);
	if (verbose && result.mount_error)
		fprintf(stderr, "  refused: %s\n", result.why);
	else if (verbose && result.damage)
		fprintf(stderr, "  %s of inode %ju: %s\n", result.damaged,
			(uintmax_t)result.damaged_ino,
			strerror(-result.damage));
	return result;
}

static void expect_whole(const struct walk_result *result, const char *when)
{
	if (result->mount_error)
		fuzz_fail("%s, but is not mounted: %s", when, result->why);
	if (result->damage)
		fuzz_fail("%s, but %s of inode %ju: %s", when, result->damaged,
			  (uintmax_t)result->damaged_ino,
			  strerror(-result->damage));
	if (log_errors > 0)
		fuzz_fail("%s, but an error was logged", when);
}

static void check_mounts(struct base *base, unsigned seed)
{
	bool clean = check(base, MODE_CHECK) == EXIT_CLEAN;
	struct walk_result result;

	result = mount_and_walk(base, (struct walk_how){ .read_only = true });
	if (clean)
		expect_whole(&result, "fsck calls it clean");
	result = mount_and_walk(base, (struct walk_how){ .seed = seed });
	/* A feature that may only be read is no damage. */
	if (!clean || result.mount_error == -EROFS)
		return;
	expect_whole(&result, "fsck calls it clean");
	if (check(base, MODE_CHECK) != EXIT_CLEAN)
		fuzz_fail("was clean, and after changes it is not");
}

static void check_repair(struct base *base, enum fsck_mode mode)
{
	struct walk_result result;

	if (check(base, mode) & ~EXIT_CORRECTED)
		return;
	if (check(base, MODE_CHECK) != EXIT_CLEAN)
		fuzz_fail("fsck left it sound, it said, and it is not");
	result = mount_and_walk(base, (struct walk_how){ .seed = 0 });
	/* A feature that may only be read is no damage. */
	if (result.mount_error != -EROFS)
		expect_whole(&result, "mended by fsck");
}

static void begin(void)
{
	static bool begun;
	int null;

	if (begun)
		return;
	begun = true;
	verbose = getenv("FUZZ_VERBOSE") != NULL;
	null = verbose ? dup(STDERR_FILENO) : open("/dev/null", O_WRONLY);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		fuzz_fail("no standard output");
	close(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned which = size > 0 ? data[0] % BASES : 0;
	unsigned seed = size > 1 ? data[1] + 1u : 1;
	const struct media_map *map;
	struct base *base;

	begin();
	base = base_get(which);
	map = media_map_get(base, which);
	mutate(base, map, data, size);
	check_mounts(base, seed);
	base_restore(base);
	mutate(base, map, data, size);
	check_repair(base, MODE_YES);
	base_restore(base);
	if (seed % 4 == 1) {
		mutate(base, map, data, size);
		check_repair(base, MODE_PREEN);
		base_restore(base);
	}
	if (base->devices > 1 && seed % 4 == 0) {
		mutate(base, map, data, size);
		check_devices(base, MODE_YES, 1);
		mount_and_walk(base, (struct walk_how){ .degraded = true,
							.seed = seed });
		base_restore(base);
	}
	return 0;
}

/* ----------------------------------------------------------------- mutation */

static void new_step(uint8_t *step, unsigned int *seed)
{
	for (unsigned i = 0; i < sizeof(struct mutate_step); i++)
		step[i] = (uint8_t)(rand_r(seed) >> 4);
	step[0] %= STEP_KINDS;
	step[1] %= VALUE_KINDS;
	if (rand_r(seed) % 16 == 0)
		step[1] |= 0x80;
}

/* A step more, less, or other; or one of its bytes. */
static size_t mutate_input(uint8_t *data, size_t size, size_t most,
			   unsigned int seed)
{
	size_t count = size > MUTATE_HEADER_BYTES
			       ? (size - MUTATE_HEADER_BYTES) / 8
			       : 0;
	size_t room = (most - MUTATE_HEADER_BYTES) / 8;
	uint8_t *steps = data + MUTATE_HEADER_BYTES;
	uint8_t *step;

	if (room > MUTATE_STEPS_MAX)
		room = MUTATE_STEPS_MAX;
	if (size < MUTATE_HEADER_BYTES || rand_r(&seed) % 16 == 0) {
		data[0] = (uint8_t)rand_r(&seed) % BASES;
		data[1] = (uint8_t)(rand_r(&seed) >> 4);
	}
	if (count < room && (count == 0 || rand_r(&seed) % 4 == 0)) {
		new_step(steps + 8 * count++, &seed);
	} else {
		step = steps + 8 * ((size_t)rand_r(&seed) % count);
		switch (rand_r(&seed) % 4) {
		case 0:
			new_step(step, &seed);
			break;
		case 1:
			memmove(step, steps + 8 * --count, 8);
			break;
		default:
			step[rand_r(&seed) % 8] = (uint8_t)(rand_r(&seed) >> 4);
		}
	}
	return MUTATE_HEADER_BYTES + 8 * count;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
			       unsigned int seed)
{
	if (most < MUTATE_HEADER_BYTES + 8)
		return size;
	return mutate_input(data, size, most, seed);
}

#ifndef UDAX_LIBFUZZER
#define INPUT_BYTES (MUTATE_HEADER_BYTES + 8 * MUTATE_STEPS_MAX)
#define INPUT_SECONDS 20

static void run(const char *name, const uint8_t *bytes, size_t size)
{
	if (verbose)
		fprintf(stderr, "%s\n", name);
	alarm(INPUT_SECONDS);
	LLVMFuzzerTestOneInput(bytes, size);
	alarm(0);
}

static void save(const uint8_t *bytes, size_t size)
{
	FILE *last = fopen("fuzz-media.last", "wb");

	if (!last || fwrite(bytes, 1, size, last) != size || fclose(last))
		fuzz_fail("fuzz-media.last: cannot be written");
}

static void run_mutations(const char *name, uint8_t *bytes, size_t size,
			  unsigned count)
{
	unsigned int seed = 1;

	while (count-- > 0) {
		size = mutate_input(bytes, size, INPUT_BYTES,
				    (unsigned int)rand_r(&seed));
		save(bytes, size);
		run(name, bytes, size);
	}
}

int main(int argc, char **argv)
{
	static uint8_t bytes[INPUT_BYTES];
	unsigned mutations = 0;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		mutations = (unsigned)strtoul(argv[2], NULL, 10);
		first = 3;
	}
	for (int i = first; i < argc; i++) {
		FILE *input = fopen(argv[i], "rb");
		size_t size = input ? fread(bytes, 1, sizeof(bytes), input) : 0;

		if (!input)
			fuzz_fail("%s: cannot be read", argv[i]);
		fclose(input);
		fprintf(stderr, "%s\n", argv[i]);
		run(argv[i], bytes, size);
		run_mutations(argv[i], bytes, size, mutations);
	}
	for (unsigned i = 0; i < BASES; i++)
		if (!base_is_pristine(base_get(i)))
			fuzz_fail("base %u is not what it was", i);
	return 0;
}
#endif
