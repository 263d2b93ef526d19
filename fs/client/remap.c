/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/fetch.h"
#include "client/handle.h"
#include "client/map.h"
#include "client/sys.h"

#define PAGE_UP(x) (((x) + SYS_PAGE - 1) & ~(SYS_PAGE - 1))

static void *address_or_errno(long at)
{
	if (!SYS_IS_ERROR(at))
		return (void *)at;
	errno = at == -ENOTCONN ? ENXIO : (int)-at;
	return MAP_FAILED;
}

/* ----------------------------------------------------------------- mremap */

/* One mapping, without gaps, of one protection; held. As the kernel has it. */
static int look_locked(uintptr_t start, uintptr_t end, struct segment *first)
{
	size_t i = table_find(&client.table, start);
	uintptr_t at = start;

	if (end <= start)
		return -EINVAL;
	for (; at < end; i++) {
		const struct segment *segment;

		if (i == client.table.count)
			return -EFAULT;
		segment = client.table.segment[i];
		if (segment->start > at || segment->mapping->region)
			return -EFAULT;
		if (at == start) {
			*first = *segment;
			first->offset += at - segment->start;
		} else if (segment->mapping != first->mapping ||
			   segment->prot != first->prot ||
			   segment->offset != first->offset + (at - start)) {
			return -EFAULT;
		}
		at = segment->end;
	}
	mapping_hold(first->mapping);
	return 0;
}

static int unmap(uintptr_t start, uintptr_t end)
{
	int err;

	client_lock();
	err = map_unmap_locked(start, end);
	client_unlock();
	return err;
}

/* No memory moves: the file is mapped once more, then the old range goes. */
static long move(const struct segment *old, uintptr_t start, size_t old_length,
		 size_t length, int flags, uintptr_t to)
{
	struct map_want want = {
		.length = length,
		.prot = old->prot,
		.flags = MAP_SHARED,
		.offset = old->offset,
	};
	long at;
	int err;

	if (flags & MREMAP_FIXED) {
		if (to & (SYS_PAGE - 1) ||
		    (to < start + old_length && start < to + length))
			return -EINVAL;
		want.addr = to;
		want.flags |= MAP_FIXED;
	}
	at = map_create(old->mapping, &want);
	if (SYS_IS_ERROR(at) || !old_length)
		return at;
	err = unmap(start, start + old_length);
	return err ? err : at;
}

static long grow(const struct segment *old, uintptr_t start, size_t old_length,
		 size_t length, int flags)
{
	struct map_want rest = {
		.addr = start + old_length,
		.length = length - old_length,
		.prot = old->prot,
		.flags = MAP_SHARED | MAP_FIXED_NOREPLACE,
		.offset = old->offset + old_length,
	};
	long at = map_create(old->mapping, &rest);

	if (!SYS_IS_ERROR(at))
		return (long)start;
	if (at != -EEXIST && at != -ENOMEM)
		return at;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move(old, start, old_length, length, flags, 0);
}

static long remap_ours(const struct segment *old, uintptr_t start,
		       size_t old_length, size_t length, int flags,
		       uintptr_t to)
{
	int err;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) || !length ||
	    (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	if (!old_length && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (flags & MREMAP_FIXED || !old_length)
		return move(old, start, old_length, length, flags, to);
	if (length > old_length)
		return grow(old, start, old_length, length, flags);
	err = length < old_length ? unmap(start + length, start + old_length)
				  : 0;
	return err ? err : (long)start;
}

/* Somebody else's memory, that may be moved to where ours is. */
static long remap_other(uintptr_t start, size_t old_length, size_t length,
			int flags, uintptr_t to)
{
	long at;

	if (!(flags & MREMAP_FIXED))
		return sys_mremap(start, old_length, length, flags, to);
	client_lock();
	at = table_cut(&client.table, to, to + length);
	if (!at)
		at = sys_mremap(start, old_length, length, flags, to);
	if (!SYS_IS_ERROR(at))
		map_forget_locked(to, to + length);
	client_unlock();
	return at;
}

void *udax_mremap(void *old_addr, size_t old_size, size_t size, int flags,
		  void *addr)
{
	uintptr_t start = (uintptr_t)old_addr, to = (uintptr_t)addr;
	size_t old_length = PAGE_UP(old_size), length = PAGE_UP(size);
	struct segment old = { .mapping = NULL };
	bool ours;
	long at;
	int err = 0;

	if (!client_enter())
		return address_or_errno(
			sys_mremap(start, old_size, size, flags, to));
	client_lock();
	ours = map_is_ours_locked(start, start + (old_length ? old_length : 1));
	if (ours)
		err = start & (SYS_PAGE - 1)
			      ? -EINVAL
			      : look_locked(start,
					    start + (old_length ? old_length
								: SYS_PAGE),
					    &old);
	client_unlock();
	if (!ours) {
		at = remap_other(start, old_size, size, flags, to);
	} else if (err) {
		at = err;
	} else {
		at = remap_ours(&old, start, old_length, length, flags, to);
		client_lock();
		mapping_drop(old.mapping);
		client_unlock();
	}
	client_leave();
	return address_or_errno(at);
}

/* --------------------------------------------------------------- mprotect */

/* What is in the way of storing to it: a read-only lease. */
static bool needs_lease(const struct segment *segment, int prot)
{
	return prot & PROT_WRITE && segment->state == SEGMENT_MAPPED &&
	       !segment->writable;
}

/* From at on, as far as one thing goes; the length done, or an error. */
static int64_t protect_part(uintptr_t at, uintptr_t end, int prot)
{
	size_t i = table_find(&client.table, at);
	struct segment *segment = i < client.table.count
					  ? client.table.segment[i]
					  : NULL;
	struct mapping *mapping;
	uint64_t length, offset, covered;
	int err, before;

	if (!segment || segment->start >= end)
		length = end - at;
	else if (segment->start > at)
		length = segment->start - at;
	else
		length = segment->end - at;
	if (!segment || segment->start > at) {
		err = sys_mprotect(at, length, prot);
		return err ? err : (int64_t)length;
	}
	mapping = segment->mapping;
	if (prot & PROT_WRITE && !mapping->may_write)
		return -EACCES;
	before = segment->prot;
	segment->prot = prot;
	if (!needs_lease(segment, prot)) {
		err = sys_mprotect(at, length, prot);
		if (err)
			segment->prot = before;
		return err ? err : (int64_t)length;
	}
	offset = segment->offset;
	mapping_hold(mapping);
	client_unlock();
	err = fetch_now(mapping, at, length, offset, true, &covered);
	client_lock();
	segment = table_at(&client.table, at);
	if (err && segment && segment->mapping == mapping &&
	    segment->state == SEGMENT_MAPPED && !segment->writable)
		segment->prot = before;
	mapping_drop(mapping);
	return err ? err : (int64_t)length;
}

int udax_mprotect(void *addr, size_t length, int prot)
{
	uintptr_t at = (uintptr_t)addr, end = at + PAGE_UP(length);
	int64_t done = 0;

	if (at & (SYS_PAGE - 1) || end < at)
		return client_result(-EINVAL);
	if (!client_enter())
		return client_result(sys_mprotect(at, length, prot));
	client_lock();
	if (!map_is_ours_locked(at, end)) {
		client_unlock();
		client_leave();
		return client_result(sys_mprotect(at, length, prot));
	}
	if (table_cut(&client.table, at, end))
		done = -ENOMEM;
	while (at < end && done >= 0) {
		done = protect_part(at, end, prot);
		at += done > 0 ? (uintptr_t)done : 0;
	}
	client_unlock();
	client_leave();
	return client_result(done < 0 ? (int)done : 0);
}
