/* SPDX-License-Identifier: BSD-3-Clause */
/* names_xattr.c -- attributes and access lists */
#include "names.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ACL_MOST 8

static const char *any_attribute(void)
{
	static const char *const names[] = {
		"user.a",
		"user.b",
		"user.a",
		"trusted.a",
		"security.a",
		"user.",
		"nowhere.a",
		"user",
		"user.\xff",
		"trusted.b",
		"security.capability",
	};

	return names[chance(sizeof(names) / sizeof(names[0]))];
}

static size_t any_value(const char *name, char *value)
{
	struct vfs_cap_data capability = { .magic_etc = VFS_CAP_REVISION_2 };
	size_t length = chance(one_in(4) ? 150 : 8);

	if (strcmp(name, "security.capability") == 0 && !one_in(4)) {
		memcpy(value, &capability, XATTR_CAPS_SZ_2);
		return XATTR_CAPS_SZ_2;
	}
	memset(value, 'a' + (int)chance(26), length);
	return length;
}

/* ext4 does nothing where the same value is there, and moves no time. */
static size_t another_value(const char *path, const char *name, bool follow,
			    char *value, size_t length)
{
	char old[200];

	if ((follow ? getxattr : lgetxattr)(path, name, old, sizeof(old)) !=
		    (ssize_t)length ||
	    memcmp(old, value, length) != 0)
		return length;
	value[0] = length && value[0] == 'x' ? 'y' : 'x';
	return length ? length : 1;
}

long step_setxattr(void)
{
	static const int kinds[] = { 0, 0, 0, XATTR_CREATE, XATTR_REPLACE };
	const char *path = any_path(), *name = any_attribute();
	int flags = kinds[chance(5)];
	bool follow = !one_in(3);
	char value[200];
	size_t length = any_value(name, value);

	length = another_value(path, name, follow, value, length);
	note("%s %s %s %zu bytes flags %d", follow ? "setxattr" : "lsetxattr",
	     shown(path), shown(name), length, flags);
	watch(path);
	return AS_USER((follow ? setxattr : lsetxattr)(path, name, value,
						       length, flags));
}

long step_getxattr(void)
{
	const char *path = any_path(), *name = any_attribute();
	size_t room = one_in(4) ? chance(5) : 200;
	char value[200];
	long length;

	note("getxattr %s %s room %zu", shown(path), shown(name), room);
	length = AS_USER(lgetxattr(path, name, value, room));
	if (length > 0 && room > 0)
		say("%.*s ", (int)length, value);
	return length;
}

long step_removexattr(void)
{
	static const char *const lists[] = { "system.posix_acl_access",
					     "system.posix_acl_default" };
	const char *path = any_path(), *name = any_attribute();
	struct stat st;

	if (one_in(3))
		name = lists[chance(2)];
	/* To who may have none FUSE's kernel says yes, and asks nobody. */
	if (name == lists[1] && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		name = lists[0];
	note("removexattr %s %s", shown(path), shown(name));
	watch(path);
	return AS_USER(removexattr(path, name));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In any order. */
long step_listxattr(void)
{
	const char *path = any_path();
	char list[2000], *names[64];
	unsigned int count = 0;
	long length;

	note("listxattr %s", shown(path));
	length = AS_USER(llistxattr(path, list, sizeof(list)));
	for (char *at = list; at < list + length && count < 64;
	     at += strlen(at) + 1)
		names[count++] = at;
	qsort(names, count, sizeof(names[0]), by_text);
	for (unsigned int i = 0; i < count; i++)
		say("%s ", shown(names[i]));
	return length;
}

struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[ACL_MOST];
	size_t count;
};

static void add(struct list *list, int tag, unsigned int id)
{
	list->entries[list->count++] = (struct posix_acl_xattr_entry){
		.e_tag = (__le16)tag, .e_perm = (__le16)chance(8), .e_id = id
	};
}

/* Mostly one that is whole and in order. */
static struct list any_list(void)
{
	struct list list = { .header.a_version = POSIX_ACL_XATTR_VERSION };
	bool named = one_in(2), group = one_in(2);

	add(&list, ACL_USER_OBJ, ACL_UNDEFINED_ID);
	if (named)
		add(&list, ACL_USER, 12001 + (unsigned int)chance(2));
	add(&list, ACL_GROUP_OBJ, ACL_UNDEFINED_ID);
	if (group)
		add(&list, ACL_GROUP, 12003 + (unsigned int)chance(2));
	if (((named || group) && !one_in(20)) || one_in(4))
		add(&list, ACL_MASK, ACL_UNDEFINED_ID);
	if (!one_in(20))
		add(&list, ACL_OTHER, ACL_UNDEFINED_ID);
	return list;
}

long step_acl(void)
{
	bool inherited = one_in(2);
	const char *path = any_path();
	struct list list = any_list();
	size_t length = sizeof(list.header) +
			list.count * sizeof(list.entries[0]);

	if (one_in(10))
		length = chance(length);
	note("acl %s %s %zu of %zu bytes", shown(path),
	     inherited ? "default" : "access", length, list.count);
	watch(path);
	return AS_USER(setxattr(path,
				inherited ? "system.posix_acl_default"
					  : "system.posix_acl_access",
				&list, length, 0));
}
