/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * campaign.c -- crash_campaign: scripts are run, recorded, cut and judged
 *
 * Each run is a script, a seed and a granularity; processes share the runs
 * out among themselves. Clock and random numbers are made known, so that a run
 * of one thread is the same each time: `--script --seed --granularity --state`
 * is all it takes to see a failing state again.
 */
#include "crash/cut.h"
#include "crash/live.h"
#include "crash/options.h"
#include "crash/watch.h"

#include "trace/mutate.h"
#include "util/log.h"

#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEVICE_BYTES (16u << 20)
#define PROGRESS_S 10

/* ----------------------------------------------------- a world without chance
 */

static _Atomic uint64_t ticks;
static uint64_t randoms;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t __wrap_getrandom(void *to, size_t length, unsigned flags);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return __real_clock_gettime(clock, now);
	now->tv_sec = 1000000000 + (time_t)atomic_fetch_add(&ticks, 1);
	now->tv_nsec = 5000;
	return 0;
}

ssize_t __wrap_getrandom(void *to, size_t length, unsigned flags)
{
	unsigned char *at = to;
	size_t i;

	(void)flags;
	for (i = 0; i < length; i++)
		at[i] = (unsigned char)random_next(&randoms);
	return (ssize_t)length;
}

/* --------------------------------------------------------------- campaign */

/* What all processes of a campaign know. */
struct common {
	struct cut_counts counts[JOBS_MAX]; /* a process each */
	_Atomic uint64_t next;		    /* run */
	_Atomic uint64_t runs, operations;
	_Atomic bool failed;
};

struct campaign {
	struct options options;
	struct common *common;
	struct seen *seen;
	unsigned char *base[CRASH_DEVICES][CRASH_DEVICES]; /* by count - 1 */
	time_t begun;
};

/* ------------------------------------------------------------------- runs */

static void perform(struct images *images, const struct script *script,
		    struct record *record, struct campaign *campaign)
{
	struct live live = { .devices = images->devices };
	unsigned i;

	for (i = 0; i < images->devices; i++)
		live.paths[i] = images->image[i].path;
	mutation_link_steps = script->link_steps;
	record_listen(NULL, NULL);
	record_begin(record);
	live_run(&live, script->ops, script->count);
	record_end();
	atomic_fetch_add(&campaign->common->operations, live.ran);
}

static void report_failure(const struct campaign *campaign,
			   const struct cut *cut, uint64_t seed)
{
	if (campaign->options.quiet)
		return;
	dprintf(judge_output(),
		"crash_campaign --script=%s --seed=%llu --granularity=%s "
		"--dense=%u --again=%u --state=%llu: %s\n",
		cut->script->name, (unsigned long long)seed,
		device_granularity_name(cut->granularity),
		campaign->options.cut.dense, campaign->options.cut.again,
		(unsigned long long)cut->failed_state, cut->failure);
}

static void run(struct campaign *campaign, struct images *images,
		const struct script_kind *kind, uint64_t seed, int granularity,
		unsigned job)
{
	unsigned char *const *base = campaign->base[kind->devices - 1];
	struct cut cut = { .options = &campaign->options.cut,
			   .granularity = (enum device_granularity)granularity,
			   .images = images,
			   .seen = campaign->seen,
			   .counts = &campaign->common->counts[job],
			   .random = seed ^ 0x5eed };
	struct script script;
	struct record record;

	watch_begin(judge_output(),
		    "crash_campaign --script=%s --seed=%llu --granularity=%s",
		    kind->name, (unsigned long long)seed,
		    device_granularity_name(granularity));
	/* Times lie apart: other seeds, other contents. */
	atomic_store(&ticks, (seed + 1) * 100000);
	randoms = seed;
	setenv("PMEM2_FORCE_GRANULARITY", device_granularity_name(granularity),
	       1);
	images_set(images, base);
	script_make(&script, kind, seed);
	cut.script = &script;
	perform(images, &script, &record, campaign);
	if (!cut_record(&cut, &record, base)) {
		atomic_store(&campaign->common->failed, true);
		report_failure(campaign, &cut, seed);
	}
	record_fini(&record);
	script_fini(&script);
	atomic_fetch_add(&campaign->common->runs, 1);
}

static uint64_t total(const struct campaign *campaign, size_t member)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < campaign->options.jobs; i++)
		sum += *(const uint64_t *)((const char *)&campaign->common
						   ->counts[i] +
					   member);
	return sum;
}

#define TOTAL(campaign, member)                                                \
	total(campaign, offsetof(struct cut_counts, member))

static time_t elapsed(const struct campaign *campaign)
{
	return time(NULL) - campaign->begun;
}

/* The n-th run: first each fixed script and the seeds asked for, then more. */
static bool nth(const struct campaign *campaign, uint64_t n,
		const struct script_kind **kind, uint64_t *seed,
		int *granularity)
{
	const struct options *options = &campaign->options;
	unsigned granularities = options->granularity < 0 ? GRANULARITIES : 1;
	uint64_t round;
	unsigned i;

	*granularity = options->granularity < 0 ? (int)(n % GRANULARITIES)
						: options->granularity;
	n /= granularities;
	for (round = 0;; round++) {
		bool any = false;

		for (i = 0; i < script_kind_count; i++) {
			*kind = &script_kinds[i];
			if (options->script &&
			    strcmp(options->script, (*kind)->name) != 0)
				continue;
			if (round > 0 && !(*kind)->random && !options->distinct)
				continue;
			if (round >= options->seeds && !options->distinct)
				continue;
			any = true;
			if (n-- == 0) {
				*seed = options->seed + round;
				return true;
			}
		}
		if (!any)
			return false;
	}
}

static bool is_over(const struct campaign *campaign)
{
	const struct options *options = &campaign->options;

	return (!options->keep_going &&
		atomic_load(&campaign->common->failed)) ||
	       (options->distinct &&
		TOTAL(campaign, distinct) >= options->distinct) ||
	       (options->seconds && elapsed(campaign) > options->seconds);
}

/* In a process of its own: libpmem2 leaves 2 MiB of addresses reserved for each
 * mapping that it ends, and what dies is one run. */
static void run_apart(struct campaign *campaign, struct images *images,
		      const struct script_kind *kind, uint64_t seed,
		      int granularity, unsigned job)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		images_listen(images);
		run(campaign, images, kind, seed, granularity, job);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	atomic_store(&campaign->common->failed, true);
	dprintf(judge_output(),
		"crash_campaign --script=%s --seed=%llu --granularity=%s: "
		"its process died\n",
		kind->name, (unsigned long long)seed,
		device_granularity_name(granularity));
}

static int work(struct campaign *campaign, unsigned job)
{
	struct images images[CRASH_DEVICES];
	const struct script_kind *kind;
	uint64_t seed;
	int granularity;
	unsigned i;

	/* Whole devices are copied often: their pages are kept. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	judge_open();
	for (i = 0; i < CRASH_DEVICES; i++)
		images_make(&images[i], i + 1, DEVICE_BYTES);
	while (!is_over(campaign) &&
	       nth(campaign, atomic_fetch_add(&campaign->common->next, 1),
		   &kind, &seed, &granularity))
		run_apart(campaign, &images[kind->devices - 1], kind, seed,
			  granularity, job);
	for (i = 0; i < CRASH_DEVICES; i++)
		images_remove(&images[i]);
	return 0;
}

/* ----------------------------------------------------------------- reports */

static void say_counts(const struct campaign *campaign, bool json)
{
	dprintf(judge_output(),
		json ? "{\"version\":1,\"runs\":%llu,\"operations\":%llu,"
		       "\"states_made\":%llu,\"states_distinct\":%llu,"
		       "\"states_judged\":%llu,\"states_in_recovery\":%llu,"
		       "\"failed\":%llu,\"seconds\":%lld}\n"
		     : "%llu runs, %llu operations, %llu states made, "
		       "%llu distinct, %llu judged (%llu in recovery), "
		       "%llu failed, %lld s\n",
		(unsigned long long)campaign->common->runs,
		(unsigned long long)campaign->common->operations,
		(unsigned long long)TOTAL(campaign, made),
		(unsigned long long)TOTAL(campaign, distinct),
		(unsigned long long)TOTAL(campaign, judged),
		(unsigned long long)TOTAL(campaign, in_recovery),
		(unsigned long long)TOTAL(campaign, failed),
		(long long)elapsed(campaign));
}

/* As mkfs.udaxfs leaves it, the same for all. */
static void make_bases(struct campaign *campaign)
{
	unsigned devices, i;

	for (devices = 1; devices <= CRASH_DEVICES; devices++) {
		struct images images;

		images_make(&images, devices, DEVICE_BYTES);
		images_format(&images);
		for (i = 0; i < devices; i++) {
			unsigned char *copy = malloc(DEVICE_BYTES);

			memcpy(copy, images.image[i].map, DEVICE_BYTES);
			campaign->base[devices - 1][i] = copy;
		}
		images_remove(&images);
	}
}

static void free_bases(struct campaign *campaign)
{
	unsigned devices, i;

	for (devices = 1; devices <= CRASH_DEVICES; devices++)
		for (i = 0; i < devices; i++)
			free(campaign->base[devices - 1][i]);
}

/* One that died has failed, too. */
static int wait_all(struct campaign *campaign)
{
	time_t said = 0;
	int result = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid == 0) {
			usleep(20000);
			if (!campaign->options.quiet &&
			    elapsed(campaign) - said >= PROGRESS_S) {
				said = elapsed(campaign);
				say_counts(campaign, false);
			}
		} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			dprintf(judge_output(), "a process died: %x\n",
				(unsigned)status);
			atomic_store(&campaign->common->failed, true);
			result = 1;
		}
	}
	return result;
}

static int conduct(struct campaign *campaign)
{
	unsigned i;
	int result;

	campaign->common = mmap(NULL, sizeof(*campaign->common),
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (campaign->common == MAP_FAILED)
		return 1;
	campaign->seen =
		seen_create(campaign->options.distinct
				    ? campaign->options.distinct * 3 + 1000000
				    : 4000000);
	campaign->begun = time(NULL);
	make_bases(campaign);
	for (i = 0; i < campaign->options.jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0)
			_exit(work(campaign, i));
	}
	result = wait_all(campaign);
	free_bases(campaign);
	say_counts(campaign, campaign->options.json);
	return result || atomic_load(&campaign->common->failed);
}

int main(int argc, char **argv)
{
	struct campaign campaign = { 0 };

	log_set_program("crash_campaign");
	log_set_level(LOG_LEVEL_ERROR);
	if (!options_parse(&campaign.options, argc, argv))
		return 2;
	return conduct(&campaign);
}
