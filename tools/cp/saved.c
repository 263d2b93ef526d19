/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * saved.c -- how far it got, for --resume
 *
 * One line of text in DESTINATION.udax-cp, while a copy is under way or after
 * it was interrupted:
 *
 *   udax-cp 1 size=N mtime_ns=N inode=N made=N done=N
 *
 * size, mtime and inode are the source's: when one has changed the line is of
 * something else. made: whether the destination is new (1). done bytes from the
 * start are durable in the destination, holes included. It is replaced by
 * rename(2), so it is old or new. There is none before the first window is
 * done, and after that one a second. Where it cannot be written the copy goes
 * on without.
 */
#include "cp.h"

#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".udax-cp"
#define LINE_MAX_BYTES 256
#define STORE_NS NS_PER_S

static int name_of(const struct cp *cp, const char *more, char *name,
		   size_t room)
{
	int n = snprintf(name, room, "%s" SUFFIX "%s", cp->destination.path,
			 more);

	return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

static int failed(const char *what, const char *name, int err)
{
	log_error("%s %s: %s", what, name, strerror(-err));
	return err;
}

/* ------------------------------------------------------------------- load */

static int read_line(const char *name, char line[LINE_MAX_BYTES])
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, line, LINE_MAX_BYTES - 1);
	close(fd);
	if (got < 0)
		return -errno;
	line[got] = '\0';
	return 0;
}

static int stale(const struct cp *cp, const char *reason)
{
	log_error("resume %s: %s", cp->destination.path, reason);
	return -ESTALE;
}

int saved_load(struct cp *cp)
{
	const struct stat *st = &cp->source.st;
	uint64_t size, inode, done;
	unsigned int made;
	char name[PATH_MAX], line[LINE_MAX_BYTES];
	int64_t mtime;
	int err = name_of(cp, "", name, sizeof(name));

	if (!err)
		err = read_line(name, line);
	if (err == -ENOENT)
		return err;
	if (err)
		return failed("read", name, err);
	if (sscanf(line, /* NOLINT(cert-err34-c): whatever it says is checked */
		   "udax-cp 1 size=%" SCNu64 " mtime_ns=%" SCNd64
		   " inode=%" SCNu64 " made=%u done=%" SCNu64,
		   &size, &mtime, &inode, &made, &done) != 5 ||
	    done > size)
		return stale(cp, "what an earlier run left is damaged");
	if (size != cp->size || mtime != mtime_ns(st) || inode != st->st_ino)
		return stale(cp, "the source has changed since");
	if ((uint64_t)cp->destination.st.st_size != size)
		return stale(cp, "the destination has changed since");
	cp->has_saved = true;
	/* Windows begin with a page. */
	cp->done = done < size ? page_down(done) : done;
	cp->resumed = cp->done;
	if (cp->done > 0)
		cp->destination.created = made;
	if (cp->options.verbose)
		log_info("%s: %" PRIu64 " bytes are there already",
			 cp->destination.path, cp->done);
	return 0;
}

/* ------------------------------------------------------------------ store */

static int write_line(const struct cp *cp, const char *name)
{
	const struct stat *st = &cp->source.st;
	char line[LINE_MAX_BYTES];
	int fd, length, err = 0;

	length = snprintf(line, sizeof(line),
			  "udax-cp 1 size=%" PRIu64 " mtime_ns=%" PRId64
			  " inode=%" PRIu64 " made=%d done=%" PRIu64 "\n",
			  cp->size, mtime_ns(st), (uint64_t)st->st_ino,
			  cp->destination.created, cp->done);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, line, (size_t)length) != length || fsync(fd) < 0)
		err = -errno;
	close(fd);
	if (err)
		unlink(name);
	return err;
}

static int store(struct cp *cp)
{
	char name[PATH_MAX], new[PATH_MAX];
	int err = name_of(cp, "", name, sizeof(name));

	if (!err)
		err = name_of(cp, "~", new, sizeof(new));
	if (!err)
		err = write_line(cp, new);
	if (err)
		return err;
	if (rename(new, name) == 0)
		return 0;
	err = -errno;
	unlink(new);
	return err;
}

int saved_store(struct cp *cp, bool now)
{
	int64_t time_ns = clock_monotonic_ns();

	if (!now && (cp->done == cp->size ||
		     (cp->saved_ns && time_ns - cp->saved_ns < STORE_NS)))
		return 0;
	cp->saved_ns = time_ns;
	/* What the line says is durable before the line is. */
	if (!cp->destination.udax && fdatasync(cp->destination.fd) < 0)
		return failed("sync", cp->destination.path, -errno);
	cp->saved_err = store(cp);
	if (!cp->saved_err)
		cp->has_saved = true;
	else if (cp->options.verbose)
		log_info("%s" SUFFIX ": %s", cp->destination.path,
			 strerror(-cp->saved_err));
	return 0;
}

void saved_remove(struct cp *cp)
{
	char name[PATH_MAX];

	if ((cp->has_saved || cp->options.resume) &&
	    name_of(cp, "", name, sizeof(name)) == 0)
		unlink(name);
}
