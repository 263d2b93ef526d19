/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conformance [-d DIFFERENCES] DIR [FAMILY...]: does the filesystem of DIR do
 * what POSIX and Linux say? TAP; exit 0: as expected. As root.
 *
 * DIFFERENCES: lines "family/case reason": these fail there.
 */
#include "check.h"
#include "families.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct family *const families[] = { FAMILIES };

#define COUNT (sizeof(families) / sizeof(families[0]))

static const struct family *family_named(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(families[i]->name, name) == 0)
			return families[i];
	errx(2, "%s: no such family", name);
}

/* Begins with a newline, so that each line does. */
static char *read_list(const char *path)
{
	FILE *file = fopen(path, "re");
	char *list = NULL;
	size_t room = 0;
	ssize_t length;
	char *whole;

	if (!file)
		err(2, "%s", path);
	length = getdelim(&list, &room, 0, file);
	if (length < 0)
		length = 0;
	if (asprintf(&whole, "\n%.*s", (int)length, list) < 0)
		err(2, "%s", path);
	free(list);
	fclose(file);
	return whole;
}

static unsigned int cases_of(const struct family *family)
{
	unsigned int n = 0;

	while (family->cases[n].name)
		n++;
	return n;
}

/* Nothing named: all but the special ones. */
static size_t choose(char **names, const struct family **chosen)
{
	size_t count = 0;

	for (; *names && count < COUNT; names++)
		chosen[count++] = family_named(*names);
	if (count > 0)
		return count;
	for (size_t i = 0; i < COUNT; i++)
		if (!families[i]->special)
			chosen[count++] = families[i];
	return count;
}

int main(int argc, char **argv)
{
	const struct family *chosen[COUNT];
	char *differences = NULL;
	unsigned int plan = 0;
	int failed = 0;
	size_t count;
	int option;

	while ((option = getopt(argc, argv, "d:")) != -1) {
		if (option != 'd')
			return 2;
		differences = read_list(optarg);
	}
	if (optind >= argc || geteuid() != 0)
		errx(2, "usage (root): conformance [-d FILE] DIR [FAMILY...]");
	if (chdir(argv[optind]) != 0)
		err(2, "%s", argv[optind]);
	count = choose(argv + optind + 1, chosen);
	for (size_t i = 0; i < count; i++)
		plan += cases_of(chosen[i]);
	printf("1..%u\n", plan);
	for (size_t i = 0; i < count; i++)
		failed += family_run(chosen[i], differences);
	free(differences);
	return failed ? 1 : 0;
}
