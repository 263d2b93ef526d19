/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/foreign.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One result of libblkid. */
static void take_one(blkid_probe probe, const char *type,
		     const char *offset_tag, const char *magic_tag,
		     foreign_fn *fn, void *arg)
{
	const char *name, *offset;
	uint64_t offset_bytes = 0;
	size_t length = 0;

	if (blkid_probe_lookup_value(probe, type, &name, NULL) != 0)
		return;
	if (blkid_probe_lookup_value(probe, offset_tag, &offset, NULL) == 0 &&
	    blkid_probe_lookup_value(probe, magic_tag, NULL, &length) == 0)
		offset_bytes = strtoull(offset, NULL, 10);
	fn(arg, name, offset_bytes, length);
}

int foreign_find(int fd, foreign_fn *fn, void *arg)
{
	blkid_probe probe = blkid_new_probe();

	if (probe == NULL)
		return -ENOMEM;
	if (blkid_probe_set_device(probe, fd, 0, 0) == 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(
			probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC |
				       BLKID_SUBLKS_BADCSUM);
		blkid_probe_enable_partitions(probe, 1);
		blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
		while (blkid_do_probe(probe) == 0) {
			take_one(probe, "TYPE", "SBMAGIC_OFFSET", "SBMAGIC", fn,
				 arg);
			take_one(probe, "PTTYPE", "PTMAGIC_OFFSET", "PTMAGIC",
				 fn, arg);
		}
	}
	blkid_free_probe(probe);
	return 0;
}

static void name_first(void *arg, const char *name, uint64_t offset_bytes,
		       size_t length_bytes)
{
	char *first = arg;

	if (first[0] == '\0')
		snprintf(first, FOREIGN_NAME_BYTES, "%s", name);
}

int foreign_name(int fd, char name[FOREIGN_NAME_BYTES])
{
	name[0] = '\0';
	return foreign_find(fd, name_first, name);
}
