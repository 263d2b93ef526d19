/* SPDX-License-Identifier: BSD-3-Clause */
/* names_attr.c -- what is known of a file, and who may change it */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

long step_chmod(void)
{
	const char *path = any_path();
	mode_t mode = any_mode();

	note("chmod %s %o", shown(path), mode);
	watch(path);
	return AS_USER(chmod(path, mode));
}

long step_chown(void)
{
	int flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
	const char *path = any_path();
	uid_t uid = any_uid();
	gid_t gid = any_gid();

	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		gid = 12003; /* a change of nothing differs: doc/POSIX.md */
	note("%s %s %d %d", flags ? "lchown" : "chown", shown(path), (int)uid,
	     (int)gid);
	watch(path);
	return AS_USER(fchownat(AT_FDCWD, path, uid, gid, flags));
}

static struct timespec any_time(void)
{
	switch (chance(5)) {
	case 0:
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	case 1:
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	case 2:
		return (struct timespec){ .tv_nsec = 1000000000 };
	default:
		return (struct timespec){ .tv_sec = (time_t)chance(UINT64_C(4)
								   << 30),
					  .tv_nsec = (long)chance(1000000000) };
	}
}

/* Those that were set, not those of now. */
long step_utimes(void)
{
	struct timespec times[2] = { any_time(), any_time() };
	int flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
	const char *path = any_path();
	struct stat st;
	long result;

	note("utimensat %s %ld.%09ld %ld.%09ld", shown(path),
	     (long)times[0].tv_sec, times[0].tv_nsec, (long)times[1].tv_sec,
	     times[1].tv_nsec);
	watch(path);
	result = AS_USER(utimensat(AT_FDCWD, path, times, flags));
	if (result != 0 || fstatat(AT_FDCWD, path, &st, flags) != 0)
		return result;
	if (times[0].tv_nsec < 1000000000)
		say("atime %ld.%09ld ", (long)st.st_atim.tv_sec,
		    st.st_atim.tv_nsec);
	if (times[1].tv_nsec < 1000000000)
		say("mtime %ld.%09ld ", (long)st.st_mtim.tv_sec,
		    st.st_mtim.tv_nsec);
	return result;
}

long step_access(void)
{
	const char *path = any_path();
	int mode = (int)chance(8);

	note("access %s %d", shown(path), mode);
	return AS_USER(faccessat(AT_FDCWD, path, mode, AT_EACCESS));
}

long step_truncate(void)
{
	const char *path = any_path();
	off_t size = one_in(6) ? (off_t)-1 : (off_t)chance(9000);

	note("truncate %s %lld", shown(path), (long long)size);
	watch(path);
	return AS_USER(truncate(path, size));
}

long step_stat(void)
{
	int flags = one_in(2) ? AT_SYMLINK_NOFOLLOW : 0;
	const char *path = any_path();
	struct stat st;
	long result;

	note("stat %s", shown(path));
	result = AS_USER(fstatat(AT_FDCWD, path, &st, flags));
	if (result == 0)
		say("mode %o links %lu ", st.st_mode,
		    (unsigned long)st.st_nlink);
	return result;
}

unsigned int flags_of(int fd)
{
	unsigned int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return 0;
	return flags & FLAGS_COMPARED;
}

/* Each of the flags is seldom set, and taken away often. */
long step_flags(void)
{
	static const unsigned int each[] = { FS_NODUMP_FL, FS_NOATIME_FL,
					     FS_IMMUTABLE_FL, FS_APPEND_FL };
	const char *path = any_path();
	unsigned int wanted = one_in(3) ? each[chance(names_flags ? 4 : 2)] : 0,
		     flags = 0;

	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct statx stx;
	long result = -1;
	int error;

	note("flags %s %#x", shown(path), wanted);
	times_do_not_count(); /* a FUSE kernel does not ask for them again */
	watch(path);
	if (fd < 0)
		return -1;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags = (flags & ~(unsigned int)FLAGS_COMPARED) | wanted;
		result = AS_USER(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	}
	error = errno;
	say("flags %#x ", flags_of(fd));
	(void)!statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_CTIME,
		     &stx);
	close(fd);
	errno = error;
	return result;
}
