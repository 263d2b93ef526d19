/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names [-v] [-f] SEED STEPS DIR SHADOW
 *
 * So many random steps in DIR, and in SHADOW on a filesystem that is known to
 * be right, each compared (names.h); before and after, and now and then, all
 * that is in the trees. As root.
 *   -f  immutable and append-only files, too. Where those rights and others are
 *       missing the other reason may be given here, and access(2) knows none
 *       (doc/POSIX.md).
 */
#include "names.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID_BYTES 6000
#define WATCHED 4
#define TREE_EVERY 100

bool names_flags;

static struct side {
	struct chance chance;
	int tree; /* a memfd with the listing */
} side;

static char said[SAID_BYTES];
static size_t said_length;

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	said_length += (size_t)vsnprintf(
		said + said_length, SAID_BYTES - said_length, format, args);
	va_end(args);
	if (said_length >= SAID_BYTES)
		said_length = SAID_BYTES - 1;
}

/* ------------------------------------------------------------ how files look
 */

static bool timed; /* times of this step are compared */

static struct watched {
	char path[PATH_MOST];
	bool there;
	struct stat before;
} watched[WATCHED];
static unsigned int watched_count;

static void watch_one(const char *path, size_t length)
{
	struct watched *one = &watched[watched_count];

	if (watched_count == WATCHED || length == 0)
		return;
	snprintf(one->path, PATH_MOST, "%.*s", (int)length, path);
	one->there = lstat(one->path, &one->before) == 0;
	watched_count++;
}

void times_do_not_count(void)
{
	timed = false;
}

/* A change from now on is stamped with another time than any before. */
void tick(void)
{
	struct timespec before, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	do {
		if (!timed)
			return;
		usleep(500);
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

void watch(const char *path)
{
	const char *end = strrchr(path, '/');

	watch_one(path, strlen(path));
	watch_one(path, end ? (size_t)(end - path) : 0);
}

static bool moved(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static void say_stat(const struct stat *st)
{
	say("%o %u:%u links %lu ", st->st_mode, st->st_uid, st->st_gid,
	    (unsigned long)st->st_nlink);
	if (!S_ISDIR(st->st_mode))
		say("size %lld ", (long long)st->st_size);
}

void say_descriptor(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		say_stat(&st);
}

/* Times: of the same file before and after. */
static void say_watched(const struct watched *one)
{
	const struct stat *before = &one->before;
	struct stat st;

	if (lstat(one->path, &st) != 0)
		return;
	say("| %s: ", shown(one->path));
	say_stat(&st);
	if (timed && one->there && st.st_ino == before->st_ino)
		say("%s%s", moved(st.st_mtim, before->st_mtim) ? "mtime " : "",
		    moved(st.st_ctim, before->st_ctim) ? "ctime " : "");
}

/* ----------------------------------------------------------------- the steps
 */

static const struct {
	unsigned int weight;
	step_fn *step;
} steps[] = {
	{ 8, step_mkdir },     { 4, step_rmdir },    { 5, step_mknod },
	{ 4, step_symlink },   { 2, step_readlink }, { 6, step_link },
	{ 6, step_unlink },    { 12, step_rename },  { 8, step_chmod },
	{ 7, step_chown },     { 4, step_utimes },   { 3, step_access },
	{ 4, step_truncate },  { 2, step_stat },     { 3, step_flags },
	{ 6, step_setxattr },  { 3, step_getxattr }, { 3, step_removexattr },
	{ 2, step_listxattr }, { 5, step_acl },	     { 14, step_open },
	{ 3, step_tmpfile },   { 2, step_close },    { 5, step_io },
	{ 6, step_of_open },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void step(void)
{
	unsigned int all = 0, i;
	uint64_t at;
	long result;
	int error;

	said_length = watched_count = 0;
	said[0] = 0;
	timed = one_in(8);
	if (one_in(6))
		users_choose();
	for (i = 0; i < STEPS; i++)
		all += steps[i].weight;
	at = chance(all);
	for (i = 0; at >= steps[i].weight; i++)
		at -= steps[i].weight;
	paths_refresh();
	errno = 0;
	result = steps[i].step();
	error = errno;
	note_more(" as %s", user_now());
	say("→ %ld %s ", result, result < 0 ? strerrorname_np(error) : "");
	for (i = 0; i < watched_count; i++)
		say_watched(&watched[i]);
}

/* ------------------------------------------------------------------ in step */

static int to_peer, from_peer;

static void tell_peer(const char *text)
{
	size_t length = strlen(text) + 1;

	if (write(to_peer, text, length) != (ssize_t)length)
		_exit(1);
}

/* As much as was told at once. */
static void hear_peer(char *text)
{
	ssize_t got = 0, now;

	do {
		now = read(from_peer, text + got, SAID_BYTES - (size_t)got);
		if (now <= 0)
			_exit(1);
		got += now;
	} while (text[got - 1]);
}

/* With flags about: EPERM was expected, and it is another error, or access. */
static bool tolerated(const char *theirs)
{
	const char *expected = strstr(said, "→ -1 EPERM ");
	const char *got = strstr(theirs, "→ ");
	const char *end = expected ? strchr(expected, '|') : NULL;
	const char *got_end = got ? strchr(got, '|') : NULL;

	if (!expected || !got)
		return false;
	if (!end && !got_end)
		return true;
	return strncmp(got, "→ -1 ", strlen("→ -1 ")) == 0 && end && got_end &&
	       strcmp(end, got_end) == 0;
}

/* One side tells and waits, the other compares. */
static void agree(bool judges)
{
	static char theirs[SAID_BYTES];

	if (!judges) {
		tell_peer(said);
		hear_peer(theirs);
		return;
	}
	hear_peer(theirs);
	if (strcmp(said, theirs) != 0 && !(names_flags && tolerated(theirs)))
		fail("differs\n  got:      %s\n  expected: %s", theirs, said);
	tell_peer("");
}

static void compare_trees(int ours, int theirs)
{
	FILE *a = fdopen(dup(ours), "r"), *b = fdopen(dup(theirs), "r");
	static char expected[20000], got[20000];
	char *more, *more_got;

	rewind(a);
	rewind(b);
	do {
		more = fgets(expected, sizeof(expected), a);
		more_got = fgets(got, sizeof(got), b);
		if (!more != !more_got || (more && strcmp(expected, got) != 0))
			fail("the trees differ\n  got:      %s  expected: %s",
			     more_got ? got : "\n", more ? expected : "\n");
	} while (more);
	fclose(a);
	fclose(b);
}

static void agree_on_trees(bool judges, int theirs)
{
	tree_write(side.tree);
	snprintf(said, sizeof(said), "all");
	if (judges) {
		char text[SAID_BYTES];

		hear_peer(text);
		compare_trees(side.tree, theirs);
		tell_peer("");
	} else {
		agree(false);
	}
}

/* Anybody may change the top, whatever an earlier run has made of it. */
static bool top_is_free(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int flags = 0;
	bool is_free = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

	flags &= ~(unsigned int)(FS_IMMUTABLE_FL | FS_APPEND_FL);
	is_free = is_free && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 &&
		  fchmod(fd, 0777) == 0;
	close(fd);
	return is_free;
}

static void run(const char *top, long count, bool judges, int theirs)
{
	if (chroot(top) != 0 || chdir("/") != 0 || !top_is_free())
		err(2, "%s", top);
	agree_on_trees(judges, theirs);
	for (long i = 1; i <= count; i++) {
		step();
		agree(judges);
		if (i % TREE_EVERY == 0 || i == count)
			agree_on_trees(judges, theirs);
	}
}

int main(int argc, char **argv)
{
	int there[2], back[2], trees[2], option;
	bool say_all = false;
	long count;
	pid_t child;

	while ((option = getopt(argc, argv, "vf")) != -1) {
		say_all |= option == 'v';
		names_flags |= option == 'f';
	}
	argv += optind;
	if (argc - optind != 4 || geteuid() != 0)
		errx(2, "usage (root): names [-vf] SEED STEPS DIR SHADOW");
	side.chance.seed = side.chance.state = strtoull(argv[0], NULL, 0);
	count = atol(argv[1]);
	for (int i = 0; i < 2; i++)
		trees[i] = memfd_create("tree", MFD_CLOEXEC);
	if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		err(2, "pipe");
	child = fork();
	if (child < 0)
		err(2, "fork");
	side.tree = trees[!child];
	to_peer = child ? there[1] : back[1];
	from_peer = child ? back[0] : there[0];
	close(child ? there[0] : there[1]);
	close(child ? back[1] : back[0]);
	chance_use(&side.chance, say_all && child);
	run(argv[child ? 3 : 2], count, child != 0, trees[1]);
	/* When the last has gone DIR is not busy any more. */
	if (child)
		waitpid(child, NULL, 0);
	_exit(0); /* a leak checker finds nothing it needs in this root */
}
