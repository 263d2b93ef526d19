/* SPDX-License-Identifier: BSD-3-Clause */
#include "crash/options.h"

#include "device/device.h"
#include "trace/mutate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void)
{
	fputs("Usage: crash_campaign [OPTION]...\n"
	      "  --script=NAME        that one alone; --list names them\n"
	      "  --seed=N --seeds=N   of scripts by chance: the first, how "
	      "many\n"
	      "  --granularity=NAME   byte, cache_line or page alone\n"
	      "  --dense=N            states a fence, about\n"
	      "  --again=N            of N states one is cut in recovery, too\n"
	      "  --state=N            that one alone\n"
	      "  --distinct=N         more seeds until so many states\n"
	      "  --seconds=N          but no longer\n"
	      "  --jobs=N             processes\n"
	      "  --mutation=NAME      what is to be found (debug builds)\n"
	      "  --keep-going         after a failure\n"
	      "  --json --quiet\n",
	      stderr);
}

enum {
	OPT_SCRIPT = 1,
	OPT_LIST,
	OPT_SEED,
	OPT_SEEDS,
	OPT_GRANULARITY,
	OPT_DENSE,
	OPT_AGAIN,
	OPT_STATE,
	OPT_DISTINCT,
	OPT_SECONDS,
	OPT_JOBS,
	OPT_MUTATION,
	OPT_MUTATIONS,
	OPT_JSON,
	OPT_QUIET,
	OPT_KEEP_GOING
};

static const struct option long_options[] = {
	{ "script", required_argument, NULL, OPT_SCRIPT },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "seeds", required_argument, NULL, OPT_SEEDS },
	{ "granularity", required_argument, NULL, OPT_GRANULARITY },
	{ "dense", required_argument, NULL, OPT_DENSE },
	{ "again", required_argument, NULL, OPT_AGAIN },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "distinct", required_argument, NULL, OPT_DISTINCT },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "jobs", required_argument, NULL, OPT_JOBS },
	{ "mutation", required_argument, NULL, OPT_MUTATION },
	{ "mutations", no_argument, NULL, OPT_MUTATIONS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "keep-going", no_argument, NULL, OPT_KEEP_GOING },
	{ NULL, 0, NULL, 0 },
};

static void list(void)
{
	unsigned i;

	for (i = 0; i < script_kind_count; i++)
		puts(script_kinds[i].name);
	exit(0);
}

static void list_mutations(void)
{
	const char *name;
	unsigned i;

	for (i = 1; (name = mutation_name(i)); i++)
		puts(name);
	exit(0);
}

static int granularity_of(const char *name)
{
	int i;

	for (i = 0; i < GRANULARITIES; i++)
		if (strcmp(name, device_granularity_name(i)) == 0)
			return i;
	return -2;
}

static bool parse_one(struct options *options, int option)
{
	uint64_t number = optarg ? strtoull(optarg, NULL, 0) : 0;

	switch (option) {
	case OPT_SCRIPT:
		options->script = optarg;
		return true;
	case OPT_LIST:
		list();
		return true;
	case OPT_SEED:
		options->seed = number;
		return true;
	case OPT_SEEDS:
		options->seeds = (unsigned)number;
		return true;
	case OPT_GRANULARITY:
		options->granularity = granularity_of(optarg);
		return options->granularity >= 0;
	case OPT_DENSE:
		options->cut.dense = (unsigned)number;
		return true;
	case OPT_AGAIN:
		options->cut.again = (unsigned)number;
		return true;
	case OPT_STATE:
		options->cut.only = number;
		return true;
	case OPT_DISTINCT:
		options->distinct = number;
		return true;
	case OPT_SECONDS:
		options->seconds = (unsigned)number;
		return true;
	case OPT_JOBS:
		options->jobs = (unsigned)number;
		return number > 0 && number <= JOBS_MAX;
	case OPT_MUTATION:
		return mutation_choose(optarg);
	case OPT_MUTATIONS:
		list_mutations();
		return true;
	case OPT_JSON:
		options->json = true;
		return true;
	case OPT_QUIET:
		options->quiet = true;
		return true;
	case OPT_KEEP_GOING:
		options->keep_going = true;
		return true;
	default:
		return false;
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.seed = 1,
		.seeds = 1,
		.granularity = -1,
		.jobs = 1,
		.cut = { .dense = 16, .again = 200, .only = NO_STATE },
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!parse_one(options, option)) {
			usage();
			return false;
		}
	return true;
}
