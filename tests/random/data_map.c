/* SPDX-License-Identifier: BSD-3-Clause */
/* data_map.c -- loads and stores, through the kernel's pages and leases */
#include "data.h"
#include "udax/udax.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

/*
 * With others at work a program has leases or kernel mappings, not both:
 * mmap(2) of a file without a page cache waits, with the process's memory
 * locked, for pages that others are faulting in; those wait for a lease of this
 * process, which cannot be given back without that lock.
 */
static bool kernel_maps(void)
{
	return alone() || !world.leases;
}

static void map(struct file *file, struct map *slot, enum way way)
{
	int flags = MAP_SHARED | (one_in(4) ? MAP_POPULATE : 0);
	int prot = PROT_READ | (way == READER ? 0 : PROT_WRITE);
	struct range range = any_range();

	*slot = (struct map){ .lease = !kernel_maps() ||
				       (world.leases && one_in(2)),
			      .writable = way != READER,
			      .offset = range.offset & ~(PAGE - 1) };
	slot->length = one_in(3) ? FILE_MOST - slot->offset
				 : range.length + (range.offset % PAGE);
	if (slot->lease && one_in(2))
		flags |= UDAX_MAP_LAZY;
	note("map %c %zu+%zu%s%s", letter(file), slot->offset, slot->length,
	     slot->lease ? flags & UDAX_MAP_LAZY ? " lazy lease" : " lease"
			 : "",
	     slot->writable ? "" : " read-only");
	slot->at = (slot->lease ? udax_mmap : mmap)(
		NULL, slot->length, prot, flags, descriptor(file, way),
		(off_t)slot->offset);
	if (slot->at == MAP_FAILED)
		fail_errno("mmap");
}

void step_unmap(void)
{
	struct file *file = any_file();
	struct map *slot = &file->maps[chance(MAPS)];

	if (!slot->at)
		return;
	note("unmap %c %zu+%zu", letter(file), slot->offset, slot->length);
	if ((slot->lease ? udax_munmap : munmap)(slot->at, slot->length) != 0)
		fail_errno("munmap");
	slot->at = NULL;
}

void step_map(void)
{
	struct file *file = any_file();
	struct map *slot = &file->maps[chance(MAPS)];

	if (!slot->at)
		map(file, slot, one_in(4) ? READER : PLAIN);
}

/* A mapping and a range that it has and the file. */
static struct map *mapped(struct file *file, struct range *range)
{
	struct map *slot = &file->maps[chance(MAPS)];
	uint64_t end;

	if (!slot->at)
		map(file, slot, one_in(4) ? READER : PLAIN);
	if (!any_range_within(file, range))
		return NULL;
	end = slot->offset + slot->length;
	if (range->offset < slot->offset || range->offset >= end) {
		if (!alone() || slot->offset >= *file->size)
			return NULL;
		range->offset = slot->offset;
	}
	if (end > *file->size)
		end = *file->size;
	if (range->length > end - range->offset)
		range->length = end - range->offset;
	return slot;
}

/* A copy for one alone: what it shows is the file's until it is stored to. */
static void load_private(struct file *file, struct range range)
{
	size_t skip = range.offset % PAGE;
	unsigned char *at = mmap(
		NULL, range.length + skip, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		descriptor(file, READER), (off_t)(range.offset - skip));

	if (at == MAP_FAILED)
		fail_errno("mmap");
	compare(file, range.offset, at + skip, range.length, "private load");
	memset(at + skip, 0xee, range.length);
	munmap(at, range.length + skip);
}

void step_load(void)
{
	struct file *file = any_file();
	struct range range;
	struct map *slot;

	if (kernel_maps() && one_in(8)) {
		if (!any_range_within(file, &range))
			return;
		note("private load %c %llu+%llu", letter(file),
		     (unsigned long long)range.offset,
		     (unsigned long long)range.length);
		load_private(file, range);
		return;
	}
	slot = mapped(file, &range);
	if (!slot)
		return;
	note("%s %c %llu+%llu", slot->lease ? "lease load" : "load",
	     letter(file), (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	memcpy(buffer(), slot->at + (range.offset - slot->offset),
	       range.length);
	compare(file, range.offset, buffer(), range.length, "load");
}

/* Behind the end, in its page: nobody is ever to see it. */
static void store_behind(struct file *file, struct map *slot)
{
	uint64_t size = *file->size;
	size_t behind = (size_t)(-size % PAGE);

	if (size % PAGE == 0 || size <= slot->offset ||
	    size + behind > slot->offset + slot->length)
		return;
	note_more(" and behind the end");
	memset(slot->at + (size - slot->offset), 0xbb, behind);
}

void step_store(void)
{
	struct file *file = any_file();
	struct range range;
	struct map *slot = mapped(file, &range);
	const unsigned char *bytes;

	if (!slot || !slot->writable)
		return;
	bytes = any_bytes(range.length);
	note("%s %c %llu+%llu", slot->lease ? "lease store" : "store",
	     letter(file), (unsigned long long)range.offset,
	     (unsigned long long)range.length);
	memcpy(slot->at + (range.offset - slot->offset), bytes, range.length);
	if (alone() && one_in(10) && (slot->lease || world.behind))
		store_behind(file, slot);
	model_write(file, range, bytes);
	if (!slot->lease)
		world.unsynced = true;
	else if (one_in(3) && udax_persist(slot->at, slot->length) != 0)
		fail_errno("udax_persist");
}

void step_msync(void)
{
	struct file *file = any_file();
	struct map *slot = &file->maps[chance(MAPS)];
	int flags = one_in(3) ? MS_SYNC | MS_INVALIDATE : MS_SYNC;

	if (!slot->at)
		return;
	note("msync %c %zu+%zu", letter(file), slot->offset, slot->length);
	if ((slot->lease ? udax_msync : msync)(slot->at, slot->length, flags) !=
	    0)
		fail_errno("msync");
}

void step_evict(void)
{
	struct file *file = any_file();
	struct map *slot = &file->maps[chance(MAPS)];

	note("evict %c", letter(file));
	if (slot->at && !slot->lease &&
	    madvise(slot->at, slot->length, MADV_DONTNEED) != 0)
		fail_errno("madvise");
	errno = posix_fadvise(descriptor(file, PLAIN), 0, 0,
			      POSIX_FADV_DONTNEED);
	if (errno)
		fail_errno("fadvise");
}

void sync_maps(void)
{
	for (int i = 0; i < FILES && world.unsynced; i++)
		if (fsync(descriptor(&world.files[i], PLAIN)) != 0)
			fail_errno("fsync");
	world.unsynced = false;
}
