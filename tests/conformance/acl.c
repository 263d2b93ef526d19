/* SPDX-License-Identifier: BSD-3-Clause */
/* acl(5): access and default lists, as the kernel keeps them in
 * system.posix_acl_access and system.posix_acl_default */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[8];
	unsigned int count;
};

static struct acl acl_of(void)
{
	return (struct acl){ .header.a_version = POSIX_ACL_XATTR_VERSION };
}

static void add(struct acl *acl, int tag, int may, unsigned int id)
{
	acl->entries[acl->count++] = (struct posix_acl_xattr_entry){
		.e_tag = (__le16)tag,
		.e_perm = (__le16)may,
		.e_id = id,
	};
}

static size_t bytes_of(const struct acl *acl)
{
	return sizeof(acl->header) + acl->count * sizeof(acl->entries[0]);
}

static int set_acl(const char *path, const char *name, const struct acl *acl)
{
	return setxattr(path, name, acl, bytes_of(acl), 0);
}

/* u::7,u:USER:user,g::group,g:GROUP:named,m::mask,o::other */
static struct acl acl_with(int user, int group, int named, int mask, int other)
{
	struct acl acl = acl_of();

	add(&acl, ACL_USER_OBJ, 7, ACL_UNDEFINED_ID);
	add(&acl, ACL_USER, user, USER);
	add(&acl, ACL_GROUP_OBJ, group, ACL_UNDEFINED_ID);
	add(&acl, ACL_GROUP, named, GROUP);
	add(&acl, ACL_MASK, mask, ACL_UNDEFINED_ID);
	add(&acl, ACL_OTHER, other, ACL_UNDEFINED_ID);
	return acl;
}

/* Without named entries: a mode, no more. */
static struct acl acl_minimal(int user, int group, int other)
{
	struct acl acl = acl_of();

	add(&acl, ACL_USER_OBJ, user, ACL_UNDEFINED_ID);
	add(&acl, ACL_GROUP_OBJ, group, ACL_UNDEFINED_ID);
	add(&acl, ACL_OTHER, other, ACL_UNDEFINED_ID);
	return acl;
}

static bool has(const char *path, const char *name, const struct acl *acl)
{
	struct acl got = acl_of();

	return getxattr(path, name, &got, sizeof(got)) ==
		       (ssize_t)bytes_of(acl) &&
	       memcmp(&got, acl, bytes_of(acl)) == 0;
}

/* May they open it so? */
static bool may(const char *path, int flags, uid_t uid, gid_t gid, gid_t group)
{
	int fd;

	become(uid, gid, group);
	fd = open(path, flags);
	become_root();
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void named_ones_may(void)
{
	const struct acl acl = acl_with(6, 0, 4, 7, 0);

	make_file("file", 0600);
	WORKS(set_acl("file", ACCESS, &acl));
	HOLDS(has("file", ACCESS, &acl));
	IS(mode_of("file"), 0770); /* the group's bits are the mask */
	HOLDS(may("file", O_RDWR, USER, USER, 0));
	HOLDS(may("file", O_RDONLY, OTHER, GROUP, 0));
	HOLDS(may("file", O_RDONLY, OTHER, OTHER, GROUP));
	HOLDS(!may("file", O_RDWR, OTHER, OTHER, GROUP));
	HOLDS(!may("file", O_RDONLY, OTHER, OTHER, 0));
	HOLDS(!may("file", O_RDONLY, OTHER, 0, 0));
}

static void mask_limits_them(void)
{
	const struct acl acl = acl_with(7, 7, 7, 4, 7);

	make_file("file", 0600);
	WORKS(set_acl("file", ACCESS, &acl));
	HOLDS(!may("file", O_WRONLY, USER, USER, 0));
	HOLDS(may("file", O_RDONLY, USER, USER, 0));
	HOLDS(!may("file", O_WRONLY, OTHER, GROUP, 0));
	HOLDS(may("file", O_RDWR, OTHER, OTHER, 0));
	IS(mode_of("file"), 0747);
}

static void chmod_changes_the_mask(void)
{
	struct acl acl = acl_with(7, 5, 7, 7, 0);

	make_file("file", 0600);
	WORKS(set_acl("file", ACCESS, &acl));
	WORKS(chmod("file", 0640));
	IS(mode_of("file"), 0640);
	acl = acl_with(7, 5, 7, 4, 0);
	acl.entries[0].e_perm = 6;
	HOLDS(has("file", ACCESS, &acl));
	HOLDS(!may("file", O_RDWR, USER, USER, 0));
	WORKS(chmod("file", 0660));
	HOLDS(may("file", O_RDWR, USER, USER, 0));
}

static void minimal_one_is_a_mode(void)
{
	const struct acl acl = acl_minimal(6, 4, 1);

	make_file("file", 0777);
	WORKS(set_acl("file", ACCESS, &acl));
	IS(mode_of("file"), 0641);
	FAILS(ENODATA, getxattr("file", ACCESS, NULL, 0));
	IS(listxattr("file", NULL, 0), 0);
}

static void default_ones_are_inherited(void)
{
	const struct acl given = acl_with(6, 5, 4, 7, 1);
	struct acl expected;

	make_dir("dir", 0755);
	WORKS(set_acl("dir", DEFAULT, &given));
	HOLDS(has("dir", DEFAULT, &given));
	IS(mode_of("dir"), 0755);
	umask(077); /* does not count where there is a default */
	WORKS(open("dir/file", O_CREAT | O_WRONLY, 0666));
	WORKS(mkdir("dir/sub", 0777));
	WORKS(mknod("dir/fifo", S_IFIFO | 0640, 0));
	WORKS(symlink("x", "dir/link"));
	umask(0);
	HOLDS(has("dir/sub", DEFAULT, &given));
	HOLDS(has("dir/sub", ACCESS, &given));
	IS(mode_of("dir/sub"), 0771);
	expected = acl_with(6, 5, 4, 6, 0);
	expected.entries[0].e_perm = 6;
	HOLDS(has("dir/file", ACCESS, &expected));
	IS(mode_of("dir/file"), 0660);
	FAILS(ENODATA, getxattr("dir/file", DEFAULT, NULL, 0));
	IS(mode_of("dir/fifo"), 0640);
	FAILS(EOPNOTSUPP, lgetxattr("dir/link", ACCESS, NULL, 0));
	WORKS(removexattr("dir", DEFAULT));
	WORKS(open("dir/plain", O_CREAT | O_WRONLY, 0666));
	IS(mode_of("dir/plain"), 0666);
	FAILS(ENODATA, getxattr("dir/plain", ACCESS, NULL, 0));
}

static void minimal_default_is_a_umask(void)
{
	const struct acl acl = acl_minimal(7, 5, 0);

	make_dir("dir", 0755);
	WORKS(set_acl("dir", DEFAULT, &acl));
	umask(0777);
	WORKS(open("dir/file", O_CREAT | O_WRONLY, 0666));
	WORKS(mkdir("dir/sub", 0777));
	umask(0);
	IS(mode_of("dir/file"), 0640);
	IS(mode_of("dir/sub"), 0750);
	FAILS(ENODATA, getxattr("dir/file", ACCESS, NULL, 0));
	HOLDS(has("dir/sub", DEFAULT, &acl));
}

static void nameless_file_inherits(void)
{
	const struct acl given = acl_with(6, 5, 4, 7, 1);
	struct stat attr;
	int fd;

	make_dir("dir", 0755);
	WORKS(set_acl("dir", DEFAULT, &given));
	umask(077);
	fd = (int)WORKS(open("dir", O_TMPFILE | O_RDWR, 0666));
	WORKS(fstat(fd, &attr));
	IS(attr.st_mode, S_IFREG | 0660);
	IS(fgetxattr(fd, ACCESS, NULL, 0), bytes_of(&given));
}

static void removing_leaves_the_mode(void)
{
	const struct acl acl = acl_with(7, 5, 7, 6, 1);

	make_file("file", 0600);
	WORKS(set_acl("file", ACCESS, &acl));
	WORKS(removexattr("file", ACCESS));
	FAILS(ENODATA, getxattr("file", ACCESS, NULL, 0));
	IS(mode_of("file"), 0761);
	WORKS(removexattr("file", ACCESS));
	HOLDS(!may("file", O_RDWR, USER, USER, GROUP));
}

static void lists_are_refused(void)
{
	struct acl acl = acl_with(7, 7, 7, 7, 0);

	make_file("file", 0666);
	make_dir("dir", 0777);
	symlink("file", "link");
	FAILS(EACCES, set_acl("file", DEFAULT, &acl));
	FAILS(EINVAL, setxattr("file", ACCESS, &acl, 3, 0));
	FAILS(EINVAL, setxattr("file", ACCESS, &acl, bytes_of(&acl) - 1, 0));
	FAILS(EOPNOTSUPP, lsetxattr("link", ACCESS, &acl, bytes_of(&acl), 0));
	acl.count = 2; /* no group, no other */
	FAILS(EINVAL, set_acl("file", ACCESS, &acl));
	acl = acl_with(8, 7, 7, 7, 0);
	FAILS(EINVAL, set_acl("file", ACCESS, &acl));
	acl = acl_with(7, 7, 7, 7, 0);
	acl.entries[4].e_tag = ACL_OTHER; /* named ones and no mask */
	acl.count = 5;
	FAILS(EINVAL, set_acl("file", ACCESS, &acl));
	acl = acl_with(7, 7, 7, 7, 0);
	acl.header.a_version = 77;
	FAILS(EOPNOTSUPP, set_acl("file", ACCESS, &acl));
	acl = acl_with(7, 7, 7, 7, 0);
	become(USER, USER, 0);
	FAILS(EPERM, set_acl("file", ACCESS, &acl));
	FAILS(EPERM, set_acl("dir", DEFAULT, &acl));
	FAILS(ENODATA, getxattr("file", ACCESS, NULL, 0));
}

/* chown and rename keep it; the owner may set it. */
static void list_stays_with_the_file(void)
{
	const struct acl acl = acl_with(6, 0, 4, 6, 0);

	make_file("file", 0600);
	give("file", OTHER, OTHER);
	become(OTHER, OTHER, 0);
	WORKS(set_acl("file", ACCESS, &acl));
	become_root();
	WORKS(rename("file", "new"));
	WORKS(link("new", "link"));
	WORKS(chown("new", GROUP, GROUP));
	HOLDS(has("link", ACCESS, &acl));
	HOLDS(may("link", O_RDWR, USER, USER, 0));
}

const struct family family_acl = {
	.name = "acl",
	.cases =
		(const struct check_case[]){
			CASE(named_ones_may),
			CASE(mask_limits_them),
			CASE(chmod_changes_the_mask),
			CASE(minimal_one_is_a_mode),
			CASE(default_ones_are_inherited),
			CASE(minimal_default_is_a_umask),
			CASE(nameless_file_inherits),
			CASE(removing_leaves_the_mode),
			CASE(lists_are_refused),
			CASE(list_stays_with_the_file),
			CASES_END,
		},
};
