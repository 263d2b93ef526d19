/* SPDX-License-Identifier: BSD-3-Clause */
#include "media/acl.h"

#include <errno.h>

#define PERM_BITS 07u
#define OWNER_SHIFT 6
#define GROUP_SHIFT 3

static size_t entry_count(size_t size)
{
	return (size - sizeof(acl_media)) / sizeof(acl_entry_media);
}

/* May `tag` follow `before` (0: come first)? */
static bool follows(unsigned before, unsigned tag)
{
	switch (tag) {
	case ACL_TAG_USER_OBJ:
		return before == 0;
	case ACL_TAG_USER:
	case ACL_TAG_GROUP_OBJ:
		return before == ACL_TAG_USER_OBJ || before == ACL_TAG_USER;
	case ACL_TAG_GROUP:
	case ACL_TAG_MASK:
		return before == ACL_TAG_GROUP_OBJ || before == ACL_TAG_GROUP;
	case ACL_TAG_OTHER:
		return before == ACL_TAG_GROUP_OBJ || before == ACL_TAG_MASK;
	default:
		return false;
	}
}

int acl_check(const void *value, size_t size)
{
	const acl_media *acl = value;
	unsigned seen = 0, before = 0;
	size_t i;

	if (size > ACL_BYTES_MAX)
		return -E2BIG;
	if (size < sizeof(*acl) ||
	    (size - sizeof(*acl)) % sizeof(acl_entry_media) != 0)
		return -EINVAL;
	if (acl->version != ACL_VERSION)
		return -EOPNOTSUPP;
	for (i = 0; i < entry_count(size); i++) {
		unsigned tag = acl->entries[i].tag;

		if (!follows(before, tag) || acl->entries[i].perm & ~PERM_BITS)
			return -EINVAL;
		seen |= tag;
		before = tag;
	}
	/* Who is last has all that must come before, but for the mask. */
	if (before != ACL_TAG_OTHER)
		return -EINVAL;
	if (seen & ACL_TAG_USER && !(seen & ACL_TAG_MASK))
		return -EINVAL;
	return 0;
}

/* Where the entries are that owner, group and others of a mode stand for. */
struct classes {
	size_t owner, group, other;
	bool no_more; /* than those */
};

static struct classes find_classes(const acl_media *acl, size_t size)
{
	struct classes classes = { .no_more = true };
	size_t i;

	for (i = 0; i < entry_count(size); i++) {
		switch (acl->entries[i].tag) {
		case ACL_TAG_USER_OBJ:
			classes.owner = i;
			break;
		case ACL_TAG_OTHER:
			classes.other = i;
			break;
		case ACL_TAG_GROUP_OBJ:
			classes.group = i;
			break;
		case ACL_TAG_MASK: /* comes later and takes its place */
			classes.group = i;
			classes.no_more = false;
			break;
		default:
			classes.no_more = false;
		}
	}
	return classes;
}

static uint32_t with_bits(uint32_t mode, unsigned shift, unsigned perm)
{
	return (mode & ~(PERM_BITS << shift)) | perm << shift;
}

bool acl_to_mode(const acl_media *acl, size_t size, uint32_t *mode)
{
	struct classes at = find_classes(acl, size);

	*mode = with_bits(*mode, OWNER_SHIFT, acl->entries[at.owner].perm);
	*mode = with_bits(*mode, GROUP_SHIFT, acl->entries[at.group].perm);
	*mode = with_bits(*mode, 0, acl->entries[at.other].perm);
	return at.no_more;
}

void acl_chmod(acl_media *acl, size_t size, uint32_t mode)
{
	struct classes at = find_classes(acl, size);

	acl->entries[at.owner].perm = mode >> OWNER_SHIFT & PERM_BITS;
	acl->entries[at.group].perm = mode >> GROUP_SHIFT & PERM_BITS;
	acl->entries[at.other].perm = mode & PERM_BITS;
}

bool acl_inherit(acl_media *acl, size_t size, uint32_t *mode)
{
	struct classes at = find_classes(acl, size);

	acl->entries[at.owner].perm &= *mode >> OWNER_SHIFT & PERM_BITS;
	acl->entries[at.group].perm &= *mode >> GROUP_SHIFT & PERM_BITS;
	acl->entries[at.other].perm &= *mode & PERM_BITS;
	return acl_to_mode(acl, size, mode);
}
