/* SPDX-License-Identifier: BSD-3-Clause */
/* copy.c -- from the first byte, or where an earlier run ended, to the last */
#include "cp.h"

#include "udax/protocol.h"
#include "udax/udax.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed(const char *what, const char *path)
{
	int err = -errno;

	log_error("%s %s: %s", what, path, strerror(-err));
	return err;
}

/* The library says ENXIO for both. */
static const char *why_revoked(const struct cp *cp)
{
	const struct side *side = cp->source.udax ? &cp->source
						  : &cp->destination;
	struct udax_ioc_socket where;

	if (ioctl(side->fd, UDAX_IOC_SOCKET, &where) == 0)
		return "the device is being removed";
	return "the daemon has ended";
}

static int stopped(struct cp *cp)
{
	if (!cp->why)
		cp->why = cp_signal && !atomic_load(&cp_revoked)
				  ? strsignal(cp_signal)
				  : why_revoked(cp);
	return -ECANCELED;
}

/* A device that goes says ENXIO, or EIO to a system call; a daemon that is gone
 * says so to those. */
static int stopped_or_failed(struct cp *cp, const char *what,
			     const struct side *side)
{
	int err = errno;

	if (err != ENXIO && err != ENOTCONN && err != ECONNABORTED &&
	    !(err == EIO && atomic_load(&cp_revoked)))
		return failed(what, side->path);
	cp->why = why_revoked(cp);
	return -ECANCELED;
}

/* ----------------------------------------------------------------- windows */

static int pin_one(struct cp *cp, const struct side *side, uint64_t start,
		   uint64_t end, uint64_t *pin)
{
	uint64_t first = page_down(start);

	*pin = 0;
	if (!side->map)
		return 0;
	if (udax_pin(side->map + first, page_up(end) - first, pin) == 0)
		return 0;
	*pin = 0;
	return stopped_or_failed(cp, "pin", side);
}

static void unpin(uint64_t pin)
{
	if (pin)
		udax_unpin(pin);
}

/* What came by DMA is in the CPU's caches at best. */
static int make_durable(struct cp *cp, uint64_t start, uint64_t end)
{
	const struct side *side = &cp->destination;
	uint64_t first = page_down(start);

	if (!side->map || start == end)
		return 0;
	if (udax_persist(side->map + start, end - start) == 0 &&
	    udax_msync(side->map + first, page_up(end) - first, MS_SYNC) == 0)
		return 0;
	return stopped_or_failed(cp, "sync", side);
}

static int copy_window(struct cp *cp, uint64_t start, uint64_t end)
{
	uint64_t from, into = 0, reached = start;
	int err, synced;

	err = pin_one(cp, &cp->source, start, end, &from);
	if (!err)
		err = pin_one(cp, &cp->destination, start, end, &into);
	if (!err) {
		err = transfer_window(cp, start, end, &reached);
		synced = make_durable(cp, start, reached);
		if (!synced) {
			cp->done = reached;
			cp->moved_done = cp->moved;
		}
		if (!err)
			err = synced;
	}
	unpin(into);
	unpin(from);
	if (!err && reached < end)
		err = stopped(cp);
	return err;
}

static uint64_t window_bytes(const struct cp *cp)
{
	uint64_t bytes = cp->options.block_bytes * cp->options.depth;

	if (bytes < WINDOW_MIN)
		return WINDOW_MIN;
	return bytes < WINDOW_MAX ? bytes : WINDOW_MAX;
}

static int copy_segment(struct cp *cp, uint64_t start, uint64_t end)
{
	uint64_t window = window_bytes(cp), next;
	int err = 0;

	for (; !err && start < end; start = next) {
		next = start + window < end ? start + window : end;
		err = cp_stopping() ? stopped(cp)
				    : copy_window(cp, start, next);
		if (!err)
			err = saved_store(cp, false);
		report_progress(cp, false);
	}
	return err;
}

static int copy_data(struct cp *cp)
{
	uint64_t start = cp->done, end;
	int err;

	for (;; start = end) {
		err = side_next_data(&cp->source, cp->size, &start, &end);
		if (err)
			break;
		cp->done = start; /* a hole is done when it is passed */
		err = copy_segment(cp, start, end);
		if (err)
			return err;
	}
	if (err != -ENXIO)
		return atomic_load(&cp_revoked) ? stopped(cp) : err;
	cp->done = cp->size;
	return 0;
}

/* ------------------------------------------------------------ around it all */

/* Now, and not in the middle: is there room? */
static int allocate(struct cp *cp)
{
	struct side *side = &cp->destination;
	uint64_t start = cp->done, end;
	int err;

	if (!side->udax)
		return 0;
	while ((err = side_next_data(&cp->source, cp->size, &start, &end)) ==
	       0) {
		if (fallocate(side->fd, 0, (off_t)start, (off_t)(end - start)) <
		    0)
			return stopped_or_failed(cp, "allocate", side);
		start = end;
	}
	return err == -ENXIO ? 0 : err;
}

static int prepare_destination(struct cp *cp)
{
	struct side *side = &cp->destination;

	if (cp->done == 0 && ftruncate(side->fd, 0) < 0)
		return stopped_or_failed(cp, "truncate", side);
	if (ftruncate(side->fd, (off_t)cp->size) < 0)
		return stopped_or_failed(cp, "extend", side);
	return allocate(cp);
}

static int resume(struct cp *cp)
{
	int err;

	if (!cp->options.resume)
		return 0;
	err = saved_load(cp);
	if (err == -ENOENT) {
		if (cp->options.verbose)
			log_info("%s: nothing to resume from",
				 cp->destination.path);
		return 0;
	}
	return err;
}

/* The name, too: a new file may be gone after a power failure otherwise. */
static int sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		      : -1;
	int err = fd >= 0 && fsync(fd) < 0 ? failed("sync folder of", path) : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

static int finish(struct cp *cp)
{
	struct side *side = &cp->destination;
	mode_t mode = cp->source.st.st_mode & 0777;

	if (side->created && fchmod(side->fd, mode) < 0)
		return stopped_or_failed(cp, "change mode of", side);
	if (fsync(side->fd) < 0)
		return stopped_or_failed(cp, "sync", side);
	if (side->created) {
		int err = sync_folder(side->path);

		if (err)
			return err;
	}
	saved_remove(cp);
	return 0;
}

int copy_all(struct cp *cp)
{
	int err = resume(cp);

	if (err)
		return err;
	err = prepare_destination(cp);
	if (!err)
		err = side_map(cp);
	if (!err)
		err = copy_data(cp);
	if (!err)
		err = finish(cp);
	if (!err)
		return 0;
	if (cp->done > 0)
		(void)!saved_store(cp, true); /* there is an error already */
	else if (cp->destination.created)
		unlink(cp->destination.path);
	return err;
}
