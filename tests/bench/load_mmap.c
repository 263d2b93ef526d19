/* SPDX-License-Identifier: BSD-3-Clause */
/* load_mmap.c -- loads from a warm mapping: no server is asked anything */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096

int mmap_load_run(const char *path, size_t bytes, uint64_t loads,
		  struct span *span)
{
	uint64_t random = UINT64_C(88172645463325252);
	const volatile uint64_t *words;
	uint64_t i;
	int fd;

	if (bytes < PAGE_BYTES || (bytes & (bytes - 1)))
		return -EINVAL;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	words = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		return -errno;
	for (i = 0; i < bytes; i += PAGE_BYTES)
		(void)words[i / sizeof(*words)];
	wait_for_go();
	span_begin(span);
	for (i = 0; i < loads; i++)
		(void)words[xorshift(&random) & (bytes / sizeof(*words) - 1)];
	span_end(span, loads);
	return 0;
}
