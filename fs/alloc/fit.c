/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc/fit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int fit_init(struct fit *fit, uint64_t units)
{
	fit->leaves = 1;
	while (fit->leaves < units)
		fit->leaves *= 2;
	fit->longest = calloc(2 * fit->leaves, sizeof(*fit->longest));
	return fit->longest ? 0 : -ENOMEM;
}

void fit_fini(struct fit *fit)
{
	free(fit->longest);
}

void fit_set(struct fit *fit, uint64_t unit, uint16_t longest)
{
	uint64_t node = fit->leaves + unit;

	while (fit->longest[node] != longest) {
		uint16_t beside;

		fit->longest[node] = longest;
		if (node == 1)
			break;
		beside = fit->longest[node ^ 1];
		if (beside > longest)
			longest = beside;
		node /= 2;
	}
}

uint64_t fit_first(const struct fit *fit, uint16_t least)
{
	uint64_t node = 1;

	assert(fit->longest[1] >= least);
	while (node < fit->leaves) {
		node *= 2;
		node += fit->longest[node] < least;
	}
	return node - fit->leaves;
}
