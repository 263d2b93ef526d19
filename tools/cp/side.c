/* SPDX-License-Identifier: BSD-3-Clause */
/* side.c -- the two files: opened, checked, mapped */
#include "cp.h"

#include "udax/protocol.h"
#include "udax/udax.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int failed(const char *what, const struct side *side)
{
	int err = -errno;

	log_error("%s %s: %s", what, side->path, strerror(-err));
	return err;
}

/* Also when direct mappings are off there: then it is a file like others. */
static bool is_udax(int fd)
{
	struct udax_ioc_socket where;

	memset(&where, 0, sizeof(where));
	return ioctl(fd, UDAX_IOC_SOCKET, &where) == 0 && where.socket[0];
}

/* For what is in whole pages; the rest goes by the other descriptor. */
static int open_direct(const struct side *side, int access)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", side->fd);
	return open(self, access | O_DIRECT | O_CLOEXEC);
}

static int look(struct side *side, int access)
{
	if (fstat(side->fd, &side->st) < 0)
		return failed("stat", side);
	if (!S_ISREG(side->st.st_mode)) {
		log_error("copy %s: not a regular file", side->path);
		return S_ISDIR(side->st.st_mode) ? -EISDIR : -EINVAL;
	}
	/* It was there for what is no regular file. */
	if (fcntl(side->fd, F_SETFL, 0) < 0)
		return failed("open", side);
	side->udax = is_udax(side->fd);
	if (!side->udax)
		side->direct_fd = open_direct(side, access);
	return 0;
}

static int open_destination(struct side *side)
{
	/* O_EXCL first: to know whether it is ours to remove. */
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK;

	side->fd = open(side->path, flags | O_EXCL, 0600);
	side->created = side->fd >= 0;
	if (side->fd < 0 && errno == EEXIST)
		side->fd = open(side->path, flags, 0600);
	if (side->fd < 0)
		return failed("open", side);
	return look(side, O_RDWR);
}

static int check(struct cp *cp)
{
	const struct side *source = &cp->source, *other = &cp->destination;

	if (source->st.st_dev == other->st.st_dev &&
	    source->st.st_ino == other->st.st_ino) {
		log_error("copy %s: %s is the same file", source->path,
			  other->path);
		return -EINVAL;
	}
	if (!source->udax && !other->udax) {
		log_error("copy %s: neither it nor %s is on a udaxfs mount "
			  "with direct mappings",
			  source->path, other->path);
		return -ENOTSUP;
	}
	return 0;
}

int side_open(struct cp *cp)
{
	struct side *source = &cp->source;
	int err;

	source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0)
		return failed("open", source);
	err = look(source, O_RDONLY);
	if (err)
		return err;
	cp->size = (uint64_t)source->st.st_size;
	err = open_destination(&cp->destination);
	if (!err)
		err = check(cp);
	if (err && cp->destination.created)
		unlink(cp->destination.path);
	if (!err && cp->options.verbose) {
		const struct side *ring = side_of_ring(cp);

		if (ring && ring->direct_fd < 0)
			log_info("%s: no O_DIRECT there", ring->path);
	}
	return err;
}

/* Lazily: what is taken is what is pinned, and holes stay holes. */
static int map_one(struct side *side, uint64_t size, int prot)
{
	void *map;

	side->map_bytes = page_up(size);
	if (!side->udax || size == 0)
		return 0;
	map = udax_mmap(NULL, side->map_bytes, prot, MAP_SHARED | UDAX_MAP_LAZY,
			side->fd, 0);
	if (map == MAP_FAILED)
		return failed("map", side);
	side->map = map;
	return 0;
}

int side_map(struct cp *cp)
{
	int err = map_one(&cp->source, cp->size, PROT_READ);

	return err ? err
		   : map_one(&cp->destination, cp->size,
			     PROT_READ | PROT_WRITE);
}

void side_close(struct side *side)
{
	if (side->map)
		udax_munmap(side->map, side->map_bytes);
	if (side->direct_fd >= 0)
		close(side->direct_fd);
	if (side->fd >= 0)
		udax_close(side->fd);
}

struct side *side_of_ring(struct cp *cp)
{
	if (!cp->source.udax)
		return &cp->source;
	return cp->destination.udax ? NULL : &cp->destination;
}

int side_next_data(const struct side *side, uint64_t size, uint64_t *start,
		   uint64_t *end)
{
	off_t data, hole;

	if (*start >= size)
		return -ENXIO;
	data = lseek(side->fd, (off_t)*start, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return -ENXIO;
	hole = data < 0 ? -1 : lseek(side->fd, data, SEEK_HOLE);
	if (data < 0 || hole < 0) {
		if (errno != EINVAL && errno != EOPNOTSUPP)
			return failed("seek", side);
		*end = size; /* it does not know of holes */
		return 0;
	}
	*start = page_down((uint64_t)data) > *start ? page_down((uint64_t)data)
						    : *start;
	*end = page_up((uint64_t)hole) < size ? page_up((uint64_t)hole) : size;
	return *start < *end ? 0 : -ENXIO;
}
