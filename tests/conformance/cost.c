/* SPDX-License-Identifier: BSD-3-Clause */
#include "cost.h"

#include "check.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Pieces before it is the other's turn. */
#define TURN 50

long cost_setting(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtol(value, NULL, 10) : otherwise;
}

static uint64_t own_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_stime.tv_sec * 1000000000 +
	       (uint64_t)usage.ru_stime.tv_usec * 1000;
}

/* Its threads' times on a processor, in ns. */
static uint64_t daemon_ns(long pid)
{
	char path[64];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%ld/task", pid);
	tasks = opendir(path);
	if (!tasks)
		err(1, "%s", path);
	while ((entry = readdir(tasks))) {
		unsigned long long ns = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%ld/task/%.16s/schedstat",
			 pid, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%llu", &ns) == 1)
			sum += ns;
		fclose(file);
	}
	closedir(tasks);
	return sum;
}

static uint64_t now_ns(void)
{
	const char *pids = getenv("CONFORM_DAEMONS");
	uint64_t sum = 0;
	char *end;
	long pid;

	if (!pids || !*pids)
		return own_ns();
	for (; (pid = strtol(pids, &end, 10)) > 0; pids = end)
		sum += daemon_ns(pid);
	return sum;
}

static bool take_turn(cost_fn *work, long from, long to, uint64_t *ns)
{
	uint64_t before = now_ns();

	for (long i = from; i < to; i++)
		if (!work(i))
			return false;
	*ns = now_ns() - before;
	return true;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t *turns, long count)
{
	qsort(turns, (size_t)count, sizeof(*turns), by_size);
	return turns[count / 2];
}

bool cost_compare(const char *what, long count, cost_fn *much, cost_fn *little)
{
	const long turns = count / TURN;
	uint64_t *much_ns = calloc((size_t)turns, sizeof(*much_ns));
	uint64_t *little_ns = calloc((size_t)turns, sizeof(*little_ns));
	uint64_t a, b;

	for (long i = 0; i < turns; i++) {
		long from = i * TURN, to = (i + 1) * TURN;

		if (!take_turn(much, from, to, &much_ns[i]) ||
		    (little && !take_turn(little, from, to, &little_ns[i]))) {
			check_say("%s: fails at %ld: %m", what, from);
			return false;
		}
	}
	a = median(much_ns, turns);
	b = median(little_ns, turns);
	free(much_ns);
	free(little_ns);
	check_say("%s: %.2f us each, among few %.2f", what,
		  (double)a / TURN / 1e3, (double)b / TURN / 1e3);
	return !little || a <= 2 * b;
}
