/* SPDX-License-Identifier: BSD-3-Clause */
#include "names.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct user {
	const char *name;
	uid_t uid;
	gid_t gid;
	size_t count;
	gid_t groups[3];
} users[] = {
	{ "root", 0, 0, 0, { 0 } },
	{ "first", 12001, 12001, 1, { 12003 } },
	{ "second", 12002, 12002, 3, { 12003, 12004, 12005 } },
};

static const struct user *now = &users[0];

void users_choose(void)
{
	static const mode_t masks[] = { 0, 022, 027, 077, 0777 };

	now = &users[chance(3)];
	umask(masks[chance(5)]);
}

const char *user_now(void)
{
	return now->name;
}

void user_begin(void)
{
	tick();
	if (now->uid == 0)
		return;
	if (setgroups(now->count, now->groups) != 0 || setegid(now->gid) != 0 ||
	    seteuid(now->uid) != 0)
		fail_errno("seteuid");
}

void user_end(void)
{
	int error = errno;

	if (now->uid != 0 &&
	    (seteuid(0) != 0 || setegid(0) != 0 || setgroups(0, NULL) != 0))
		fail_errno("seteuid");
	errno = error;
}

uid_t any_uid(void)
{
	static const uid_t uids[] = { 0, 12001, 12002, (uid_t)-1 };

	return uids[chance(4)];
}

gid_t any_gid(void)
{
	static const gid_t gids[] = {
		0, 12001, 12002, 12003, 12004, (gid_t)-1
	};

	return gids[chance(6)];
}

mode_t any_mode(void)
{
	static const mode_t modes[] = { 0755,  0777,  0644,  0666, 01777,
					02775, 04755, 02755, 0700 };

	return one_in(3) ? (mode_t)chance(010000) : modes[chance(9)];
}
