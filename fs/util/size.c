/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char units[] = "KMGT";

int size_parse(const char *text, uint64_t *bytes)
{
	unsigned long long number;
	const char *unit;
	unsigned shift = 0;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (*end != '\0') {
		unit = strchr(units, toupper((unsigned char)*end));
		if (unit == NULL || end[1] != '\0')
			return -EINVAL;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (number > (unsigned long long)INT64_MAX >> shift)
		return -ERANGE;
	*bytes = (uint64_t)number << shift;
	return 0;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
	unsigned shift = 0, unit = 0;
	uint64_t whole, tenths;

	while (unit < strlen(units) && bytes >> shift >= 1024) {
		shift += 10;
		unit++;
	}
	if (unit == 0) {
		snprintf(text, SIZE_TEXT_BYTES, "%ju", (uintmax_t)bytes);
		return text;
	}
	whole = bytes >> shift;
	tenths = ((bytes & ((UINT64_C(1) << shift) - 1)) >> (shift - 10)) * 10 /
		 1024;
	if (tenths == 0)
		snprintf(text, SIZE_TEXT_BYTES, "%ju%c", (uintmax_t)whole,
			 units[unit - 1]);
	else
		snprintf(text, SIZE_TEXT_BYTES, "%ju.%ju%c", (uintmax_t)whole,
			 (uintmax_t)tenths, units[unit - 1]);
	return text;
}
