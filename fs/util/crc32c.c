/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/crc32c.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c(uint32_t seed, const void *bytes, size_t length_bytes)
{
	assert(length_bytes <= INT_MAX);
	/* ISA-L only reads; its prototype lacks the const. */
	return ~crc32_iscsi((unsigned char *)bytes, (int)length_bytes, ~seed);
}

uint32_t crc32c_skipping(const void *bytes, size_t length_bytes,
			 size_t crc_offset)
{
	static const uint32_t zero;
	const char *at = bytes;
	size_t after = crc_offset + sizeof(zero);
	uint32_t crc;

	assert(after <= length_bytes);
	crc = crc32c(0, at, crc_offset);
	crc = crc32c(crc, &zero, sizeof(zero));
	return crc32c(crc, at + after, length_bytes - after);
}
