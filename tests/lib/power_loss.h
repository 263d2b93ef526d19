/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * power_loss.h -- what a device's media may hold if the power went now
 *
 * Listens to every store, flush and drain (device_set_recorder()) and keeps,
 * for the first bytes of a device, what is certainly durable, and which 8-byte
 * units have been stored since and may or may not be. An image for a crash
 * takes each of those units or leaves it, by chance, in lines or one by one:
 * write-back may happen at any time before the drain.
 *
 * One thread. At most POWER_LOSS_DEVICES devices at a time.
 */
#ifndef UDAX_TESTS_POWER_LOSS_H
#define UDAX_TESTS_POWER_LOSS_H

#include "device/device.h"

#define POWER_LOSS_DEVICES 2

enum power_loss_event { POWER_LOSS_STORE, POWER_LOSS_CACHED, POWER_LOSS_DRAIN };

/* After each event, in the thread that caused it. NULL: none. */
typedef void power_loss_hook(struct device *device,
			     enum power_loss_event event);

/* All of it counts as durable now. */
void power_loss_watch(struct device *device, size_t length_bytes,
		      power_loss_hook *hook);
void power_loss_unwatch(struct device *device);

/*
 * The process died, the machine did not: `to` holds what `from` does, and what
 * was in doubt there is in doubt here, until somebody flushes it: the drain
 * that was to come went with the process.
 */
void power_loss_inherit(const struct device *from, struct device *to,
			power_loss_hook *hook);

/*
 * One image of the watched bytes. Units in doubt make it with a chance of
 * kept/256; unit_bytes (8 or a multiple) share their luck.
 */
void power_loss_image(const struct device *device, void *image,
		      unsigned int kept, unsigned int unit_bytes);

#endif
