/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/device.h"
#include "device/map.h"

int device_bad_blocks(const struct device *device, device_bad_block_fn *found,
		      void *arg)
{
	struct pmem2_badblock_context *context;
	struct pmem2_badblock block;
	int err, count = 0;

	if (device->kind == DEVICE_EMULATED)
		return 0; /* its medium is somebody else's to watch */
	err = pmem2_badblock_context_new(&context, device->map->source);
	if (err != 0)
		return device_map_errno(err);
	while ((err = pmem2_badblock_next(context, &block)) == 0) {
		count++;
		if (found)
			found(arg, block.offset, block.length);
	}
	pmem2_badblock_context_delete(&context);
	return err == PMEM2_E_NO_BAD_BLOCK_FOUND ? count
						 : device_map_errno(err);
}
