/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl.h -- a POSIX ACL (acl(5)) as an xattr's value
 *
 * What the kernel and libacl exchange, version 2, is what is kept. The entries
 * come in the order of their tags; one of each of USER_OBJ, GROUP_OBJ, OTHER,
 * at most one MASK, which must be there when a USER or GROUP is. An access ACL
 * and its inode's mode say the same of owner, mask (or group) and others; one
 * that says no more than that is not kept.
 *
 * Errors: acl_check() only; the others rely on it.
 */
#ifndef UDAX_MEDIA_ACL_H
#define UDAX_MEDIA_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel asks for no more than a page. */
#define ACL_BYTES_MAX 4096
#define ACL_VERSION 2
#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

enum acl_tag {
	ACL_TAG_USER_OBJ = 0x01,
	ACL_TAG_USER = 0x02,
	ACL_TAG_GROUP_OBJ = 0x04,
	ACL_TAG_GROUP = 0x08,
	ACL_TAG_MASK = 0x10,
	ACL_TAG_OTHER = 0x20,
};

typedef struct __attribute__((packed)) {
	uint16_t tag;
	uint16_t perm; /* as one digit of a mode */
	uint32_t id;   /* of USER and GROUP */
} acl_entry_media;

typedef struct __attribute__((packed)) {
	uint32_t version;
	acl_entry_media entries[];
} acl_media;

_Static_assert(sizeof(acl_entry_media) == 8 && sizeof(acl_media) == 4, "ACL");

/* 0; -EOPNOTSUPP another version, -E2BIG, -EINVAL. */
int acl_check(const void *value, size_t size)
	__attribute__((warn_unused_result));
/* *mode gets the permissions that the ACL has for it. True: it says no more. */
bool acl_to_mode(const acl_media *acl, size_t size, uint32_t *mode);
/* chmod(2): the ACL gets the permissions of the mode. */
void acl_chmod(acl_media *acl, size_t size, uint32_t mode);
/*
 * A directory's default ACL becomes a new inode's access ACL: both it and
 * *mode, what the creator asked for, keep what the other grants. True: it says
 * no more than the mode.
 */
bool acl_inherit(acl_media *acl, size_t size, uint32_t *mode);

#endif
