/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/place.h"
#include "client/handle.h"
#include "client/lazy.h"
#include "client/pin.h"
#include "client/region.h"
#include "client/sys.h"

#include <stdlib.h>
#include <sys/vfs.h>

#define TMPFS 0x01021994

struct early {
	struct early *next;
	uint64_t lease, offset, length;
};

void place_remember(struct conn *conn, const struct udax_recall *recall)
{
	struct early *early = malloc(sizeof(*early));

	if (!early)
		return; /* then the daemon takes it by force */
	*early = (struct early){ .next = conn->early,
				 .lease = recall->lease,
				 .offset = recall->offset,
				 .length = recall->length };
	conn->early = early;
}

void place_forget(struct conn *conn)
{
	while (conn->early) {
		struct early *early = conn->early;

		conn->early = early->next;
		free(early);
	}
}

/* Once the lease is known its recalls are found in the table. */
static bool was_recalled(struct conn *conn, uint64_t lease)
{
	struct early **at = &conn->early;
	bool found = false;

	while (*at) {
		struct early *early = *at;

		if (early->lease != lease) {
			at = &early->next;
			continue;
		}
		found = true;
		*at = early->next;
		free(early);
	}
	return found;
}

/* The device's descriptor for leases of that mode. */
static int take_fd(struct conn *conn, const struct udax_map_reply *reply,
		   bool writable, struct wire_fds *fds)
{
	struct conn_device *device = &conn->device[reply->device];
	struct statfs fs;

	if (fds->count && reply->flags & UDAX_MAP_FD) {
		conn_close_device(conn, reply->device, writable);
		device->fd[writable] = client_high_fd(fds->fd[0]);
		fds->fd[0] = -1;
		device->going = false; /* it is given anew */
		conn_know_device(conn, reply->device, writable);
		device->volatile_ = fstatfs(device->fd[writable], &fs) == 0 &&
				    fs.f_type == TMPFS;
	}
	if (device->going)
		return -ENXIO;
	return device->fd[writable] >= 0 ? 0 : -EPROTO;
}

struct grant {
	struct conn *conn;
	const struct call *call;
	const struct udax_map_reply *reply;
	int fd;
	uint8_t granularity;
	bool zeros;
};

static int put_device(const struct grant *grant, uintptr_t at, size_t length,
		      int prot, uint64_t offset)
{
	struct conn_device *device = &grant->conn->device[grant->reply->device];
	long done = -EOPNOTSUPP;

	/* where a flush of lines makes stores durable, the file's own metadata
	 * must not stand in the way */
	if (!device->no_sync && grant->reply->granularity < 2 &&
	    !device->volatile_)
		done = sys_mmap(at, length, prot,
				MAP_SHARED_VALIDATE | MAP_SYNC | MAP_FIXED,
				grant->fd, offset);
	if (done == -EOPNOTSUPP || done == -EINVAL) {
		device->no_sync = 1;
		done = sys_mmap(at, length, prot, MAP_SHARED | MAP_FIXED,
				grant->fd, offset);
	}
	return SYS_IS_ERROR(done) ? (int)done : 0;
}

static int put_zeros(uintptr_t at, size_t length, int prot)
{
	long done = sys_mmap(
		at, length, prot,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return SYS_IS_ERROR(done) ? (int)done : 0;
}

/* All runs that reach into the segment, which lies inside the grant. */
static int put_segment(struct grant *grant, const struct segment *segment)
{
	uint64_t first = segment->offset;
	uint64_t end = first + (segment->end - segment->start);
	int err = 0;

	for (uint32_t i = 0; i < grant->reply->run_count && !err; i++) {
		const struct udax_run *run = &grant->reply->runs[i];
		uint64_t from = run->offset > first ? run->offset : first;
		uint64_t to = run->offset + run->length;
		uintptr_t at;

		if (to > end)
			to = end;
		if (from >= to)
			continue;
		at = segment->start + (from - first);
		if (run->flags & UDAX_RUN_ZERO) {
			grant->zeros = true;
			err = put_zeros(at, to - from, segment->prot);
		} else {
			err = put_device(grant, at, to - from, segment->prot,
					 run->device_offset +
						 (from - run->offset));
		}
	}
	(void)sys_madvise(segment->start, segment->end - segment->start,
			  MADV_DONTFORK);
	return err;
}

static bool wants(const struct segment *segment, const struct call *call,
		  uint64_t offset)
{
	if (segment->mapping != call->mapping || segment->offset != offset ||
	    segment->recalled)
		return false;
	if (!segment->mapping->region && segment->prot & PROT_WRITE &&
	    !call->writable)
		return false;
	switch (segment->state) {
	case SEGMENT_HOLE:
		return true;
	case SEGMENT_POISON:
		return !segment->forever;
	default:
		return call->writable && !segment->writable;
	}
}

static int take_segment(struct grant *grant, struct segment *segment)
{
	const struct udax_map_reply *reply = grant->reply;
	uint64_t length = segment->end - segment->start;
	struct segment old = *segment;
	int err;

	grant->zeros = false;
	if (segment->mapping->region) /* as much as there is */
		segment->prot = PROT_READ |
				(grant->call->writable ? PROT_WRITE : 0);
	err = put_segment(grant, segment);
	if (err) {
		/* some of it may be there: of two leases, or of none */
		if (lazy_put_poison(segment->start, length, segment->prot))
			return err;
		segment->state = SEGMENT_POISON;
		segment->forever = true;
	} else {
		segment->state = SEGMENT_MAPPED;
		segment->lease = reply->lease;
		segment->device = reply->device;
		segment->granularity = grant->granularity;
		segment->writable = grant->call->writable;
		segment->zeros = grant->zeros;
	}
	if (old.state == SEGMENT_MAPPED)
		pin_give_back_locked(grant->conn, old.lease, old.offset,
				     length);
	if (segment->mapping->region)
		region_changed_locked(segment->mapping->region, segment->start,
				      segment->end);
	return err;
}

/* Segment by segment; what lies between them nobody wants any more. */
static int place_all(struct grant *grant)
{
	const struct udax_map_reply *reply = grant->reply;
	uintptr_t at = grant->call->addr, end = at + reply->length;
	size_t i = table_find(&client.table, at);
	int err = 0, taken;

	while (at < end) {
		struct segment *segment = i < client.table.count
						  ? client.table.segment[i++]
						  : NULL;
		uintptr_t next = segment && segment->start < end
					 ? segment->start
					 : end;
		uint64_t offset = reply->offset + (at - grant->call->addr);

		if (next > at) {
			conn_send_unmap_locked(grant->conn, reply->lease,
					       offset, next - at);
			at = next;
			i -= segment != NULL;
			continue;
		}
		taken = wants(segment, grant->call, offset)
				? take_segment(grant, segment)
				: -EAGAIN;
		if (taken) {
			conn_send_unmap_locked(grant->conn, reply->lease,
					       offset, segment->end - at);
			/* A descriptor is closed behind us by a zap. */
			if (segment->state == SEGMENT_POISON)
				err = taken == -EBADF ? -ENXIO : -ENOMEM;
		}
		at = segment->end;
	}
	return err;
}

int place_grant(struct conn *conn, struct call *call,
		const struct udax_map_reply *reply, struct wire_fds *fds)
{
	struct grant grant = {
		.conn = conn, .call = call, .reply = reply, .fd = -1
	};
	int err = 0;

	if (reply->offset != call->offset || reply->length > call->length)
		err = -EPROTO;
	if (!err && reply->device != UDAX_DEVICE_NONE)
		err = reply->device < CONN_DEVICES_MAX
			      ? take_fd(conn, reply, call->writable, fds)
			      : -EPROTO;
	if (was_recalled(conn, reply->lease) && !err)
		err = -EAGAIN;
	if (!err)
		err = table_cut(&client.table, call->addr,
				call->addr + reply->length);
	if (err) {
		conn_send_unmap_locked(conn, reply->lease, reply->offset,
				       reply->length);
		return err;
	}
	grant.granularity = (uint8_t)reply->granularity;
	if (reply->device != UDAX_DEVICE_NONE) {
		grant.fd = conn->device[reply->device].fd[call->writable];
		if (conn->device[reply->device].volatile_)
			grant.granularity = SEGMENT_VOLATILE;
	}
	return place_all(&grant);
}
