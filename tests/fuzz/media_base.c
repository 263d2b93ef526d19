/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_base.h"

#include "media_fill.h"
#include "device/device.h"
#include "media/freemap.h"
#include "media/superblock.h"
#include "util/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libpmem2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct base bases[BASES];
static struct base *current; /* whose devices the recorder hears */

void fuzz_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fuzz_media: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

static void remove_files(void)
{
	for (unsigned i = 0; i < BASES; i++)
		for (unsigned k = 0; k < bases[i].devices; k++)
			unlink(bases[i].path[k]);
}

static void set_bit(struct base *base, unsigned device, uint64_t block)
{
	base->dirty[device][block / 64] |= UINT64_C(1) << block % 64;
}

void base_touch(struct base *base, uint64_t addr, size_t length_bytes)
{
	uint64_t end = addr_offset(addr) + length_bytes;

	for (uint64_t at = addr_offset(addr) / BLOCK_BYTES;
	     at * BLOCK_BYTES < end && at < BASE_BLOCKS; at++)
		set_bit(base, addr_device(addr), at);
}

static void stored(struct device *device, const void *to, size_t length_bytes,
		   bool cached)
{
	struct base *base = current;

	if (!base || device->options.private_copy)
		return;
	for (unsigned i = 0; i < base->devices; i++)
		if (strcmp(device->path, base->path[i]) == 0)
			base_touch(base,
				   addr_make(i, device_offset(device, to)),
				   length_bytes);
}

static void ignore_flush(struct device *device, const void *from, size_t length)
{
}

static void ignore_drain(struct device *device)
{
}

void base_cut(struct base *base, unsigned device, uint64_t blocks)
{
	if (ftruncate(base->fd[device], (off_t)blocks * BLOCK_BYTES) != 0)
		fuzz_fail("%s: ftruncate", base->path[device]);
	base->blocks[device] = blocks;
}

static void bring_back(struct base *base, unsigned device, uint64_t block)
{
	size_t at = block * BLOCK_BYTES;

	memcpy(base->image[device] + at, base->pristine[device] + at,
	       BLOCK_BYTES);
}

void base_restore(struct base *base)
{
	for (unsigned i = 0; i < base->devices; i++) {
		uint64_t had = base->blocks[i];

		if (had < BASE_BLOCKS) {
			base_cut(base, i, BASE_BLOCKS);
			base_touch(base, addr_make(i, had * BLOCK_BYTES),
				   (BASE_BLOCKS - had) * BLOCK_BYTES);
		}
		for (unsigned word = 0; word < BASE_BLOCKS / 64; word++) {
			uint64_t *bits = &base->dirty[i][word];

			for (; *bits; *bits &= *bits - 1)
				bring_back(base, i,
					   word * UINT64_C(64) +
						   (unsigned)__builtin_ctzll(
							   *bits));
		}
	}
}

bool base_is_pristine(const struct base *base)
{
	for (unsigned i = 0; i < base->devices; i++)
		if (memcmp(base->image[i], base->pristine[i], BASE_BYTES) != 0)
			return false;
	return true;
}

/*
 * libpmem2 1.12 reserves 2 MiB and more beyond what it was asked for and does
 * not give that back: thousands of opens would run out of maps. See the link
 * line.
 */
int __real_pmem2_vm_reservation_delete(struct pmem2_vm_reservation **at);
int __wrap_pmem2_vm_reservation_delete(struct pmem2_vm_reservation **at);

int __wrap_pmem2_vm_reservation_delete(struct pmem2_vm_reservation **at)
{
	uintptr_t tail = (uintptr_t)pmem2_vm_reservation_get_address(*at) +
			 pmem2_vm_reservation_get_size(*at);
	int err = __real_pmem2_vm_reservation_delete(at);
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t start, end;
	char line[512], rights[8];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &start, &end,
			   rights) == 3 &&
		    start == tail && strcmp(rights, "---p") == 0 &&
		    end - start <= 2 * PMD_BYTES)
			munmap((void *)start, end - start);
	if (maps)
		fclose(maps);
	return err;
}

/* ------------------------------------------------------------------- making */

static void map_files(struct base *base)
{
	for (unsigned i = 0; i < base->devices; i++) {
		base->fd[i] = open(base->path[i], O_RDWR | O_CLOEXEC);
		base->image[i] = mmap(NULL, BASE_BYTES, PROT_READ | PROT_WRITE,
				      MAP_SHARED, base->fd[i], 0);
		base->pristine[i] = mmap(
			NULL, BASE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		base->blocks[i] = BASE_BLOCKS;
		if (base->image[i] == MAP_FAILED ||
		    base->pristine[i] == MAP_FAILED)
			fuzz_fail("%s: cannot be mapped", base->path[i]);
	}
}

/* What mkfs draws at random. */
static void make_known(struct base *base, superblock_media *sb)
{
	memset(sb->fs_uuid, 0x11, sizeof(sb->fs_uuid));
	memset(sb->lineage, 0x22, sizeof(sb->lineage));
	memset(sb->device_uuid, 0x30 + sb->device_index,
	       sizeof(sb->device_uuid));
	for (unsigned i = 0; i < base->devices; i++)
		memset(sb->roll[i].uuid, 0x30 + (int)i, 16);
	sb->hash_seed = 7;
	sb->created_ns = 1;
	superblock_seal(sb);
}

static void format(struct base *base)
{
	char command[256];
	int length = snprintf(command, sizeof(command),
			      "./mkfs.udaxfs -q -f -s 17M");

	for (unsigned i = 0; i < base->devices; i++)
		length += snprintf(command + length,
				   sizeof(command) - (size_t)length, " %s",
				   base->path[i]);
	if (system(command) != 0)
		fuzz_fail("%s: no filesystem", command);
	map_files(base);
	for (unsigned i = 0; i < base->devices; i++) {
		superblock_media *sb = (void *)base->image[i];
		freemap_media *map = (void *)(base->image[i] +
					      sb->freemap_start * BLOCK_BYTES);

		make_known(base, sb);
		memcpy(base->image[i] +
			       superblock_second_offset(sb->size_blocks),
		       sb, sizeof(*sb));
		memcpy(map->lineage, sb->lineage, sizeof(map->lineage));
		freemap_seal(map);
	}
}

static void keep(struct base *base)
{
	static const unsigned char zeros[BLOCK_BYTES];

	/* Page by page: what is zero takes no memory. */
	for (unsigned i = 0; i < base->devices; i++)
		for (size_t at = 0; at < BASE_BYTES; at += BLOCK_BYTES)
			if (memcmp(base->image[i] + at, zeros, BLOCK_BYTES))
				memcpy(base->pristine[i] + at,
				       base->image[i] + at, BLOCK_BYTES);
}

static void make(struct base *base, unsigned which)
{
	base->devices = 1 + which / 2 % 2;
	base->clean = which % 2 == 0;
	for (unsigned i = 0; i < base->devices; i++)
		snprintf(base->path[i], sizeof(base->path[i]),
			 "/dev/shm/fuzz-media.%d.%u.%u", getpid(), which, i);
	format(base);
	media_fill(base);
	if (base->clean)
		keep(base);
	else
		media_cut_short(base, keep);
	for (unsigned i = 0; i < base->devices; i++)
		base_touch(base, addr_make(i, 0), BASE_BYTES);
	base_restore(base);
}

static void begin(void)
{
	static const struct device_recorder recorder = { stored, ignore_flush,
							 ignore_drain };
	static bool begun;

	if (begun)
		return;
	begun = true;
	/* No msync: nobody cuts the power here. */
	setenv("PMEM2_FORCE_GRANULARITY", "BYTE", 1);
	log_set_level(LOG_LEVEL_INFO);
	atexit(remove_files);
	device_set_recorder(&recorder);
}

struct base *base_get(unsigned which)
{
	struct base *base = &bases[which];

	begin();
	current = NULL;
	if (!base->devices)
		make(base, which);
	current = base;
	return base;
}
