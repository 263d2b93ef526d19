/* SPDX-License-Identifier: BSD-3-Clause */
/* families.h -- what the suite consists of, a file or two each */
#ifndef UDAX_CONFORMANCE_FAMILIES_H
#define UDAX_CONFORMANCE_FAMILIES_H

#include "check.h"

extern const struct family family_open, family_create, family_io, family_size,
	family_link, family_rename, family_directory, family_readdir,
	family_owner, family_times, family_moves, family_stat, family_xattr,
	family_acl, family_map, family_lock, family_copy, family_flags,
	family_paths, family_prepare, family_readonly, family_full, family_grow,
	family_shrink, family_spread, family_gather, family_links;

#define FAMILIES                                                               \
	&family_open, &family_create, &family_io, &family_size, &family_link,  \
		&family_rename, &family_directory, &family_readdir,            \
		&family_owner, &family_times, &family_moves, &family_stat,     \
		&family_xattr, &family_acl, &family_map, &family_lock,         \
		&family_copy, &family_flags, &family_paths, &family_prepare,   \
		&family_readonly, &family_full, &family_grow, &family_shrink,  \
		&family_spread, &family_gather, &family_links

#endif
