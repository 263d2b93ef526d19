/* SPDX-License-Identifier: BSD-3-Clause */
/* crc32c.h -- CRC-32C (Castagnoli, RFC 3720 appendix B.4), by ISA-L */
#ifndef UDAX_UTIL_CRC32C_H
#define UDAX_UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Chain calls by passing the last result as seed; start with 0. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length_bytes);

/*
 * CRC of a structure whose own 32-bit checksum field, at crc_offset, counts
 * as zero. Every checksum on the media is this one.
 */
uint32_t crc32c_skipping(const void *bytes, size_t length_bytes,
			 size_t crc_offset);

#endif
