/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fsck_cut.c -- fsck.udaxfs -y that loses power
 *
 *   fsck_cut DEVICE EVENT SEED   at that store, flush or drain: of what is not
 *                                durable then, SEED chooses what the media got
 *
 * Exit status 99 if it was cut; else fsck's own, as there is no such event.
 */
#include "fsck.h"

#include "lib/power_loss.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CUT 99

static unsigned long events, cut_at;

static void cut(struct device *device)
{
	static const unsigned kept[] = { 0, 128, 256 };
	static const unsigned units[] = { 8, 64, 4096 };
	void *image = malloc(device->size_bytes);

	if (image == NULL)
		_exit(1);
	power_loss_image(device, image, kept[random() % 3],
			 units[random() % 3]);
	memcpy(device->base, image, device->size_bytes);
	_exit(CUT);
}

static void count(struct device *device, enum power_loss_event event)
{
	(void)event;
	if (++events >= cut_at)
		cut(device);
}

/* The device is known from its first store on, which counts as durable. */
static void first_store(struct device *device, const void *to, size_t length,
			bool cached)
{
	(void)to;
	(void)length;
	(void)cached;
	power_loss_watch(device, device->size_bytes, count);
}

int main(int argc, char **argv)
{
	static const struct device_recorder first = { .stored = first_store };
	const struct fsck_options options = { .mode = MODE_YES,
					      .progress_fd = -1 };

	if (argc != 4)
		return 2;
	cut_at = strtoul(argv[2], NULL, 10);
	srandom((unsigned)strtoul(argv[3], NULL, 10));
	device_set_recorder(&first);
	return fsck_run(&options, (const char *const *)argv + 1, 1);
}
