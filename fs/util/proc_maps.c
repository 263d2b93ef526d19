/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/proc_maps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

bool proc_map_parse(const char *line, struct proc_map *out)
{
	unsigned long major, minor;
	char *at;

	out->start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	out->end = strtoull(at + 1, &at, 16);
	if (*at != ' ' || strlen(at) < 6 || at[5] != ' ')
		return false;
	out->prot = (at[1] == 'r' ? PROT_READ : 0) |
		    (at[2] == 'w' ? PROT_WRITE : 0) |
		    (at[3] == 'x' ? PROT_EXEC : 0);
	out->shared = at[4] == 's';
	out->offset = strtoull(at + 6, &at, 16);
	major = strtoul(at, &at, 16);
	if (*at != ':')
		return false;
	minor = strtoul(at + 1, &at, 16);
	out->dev = makedev((unsigned)major, (unsigned)minor);
	out->ino = strtoull(at, NULL, 10);
	return true;
}
