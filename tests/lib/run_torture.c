/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run_torture FILE MODEL SEED CALLS: the same random calls on two files, every
 *     result compared: what is read, counts, errors, offsets, sizes, SIGBUS.
 *     MODEL lies on a filesystem that can be trusted. Children share offsets
 *     and mappings; some are another program that inherited descriptors.
 * run_torture share FILE WRITERS RECORDS: so many threads and processes write
 *     records through one open file at once; then they read them, all through
 *     one again: each exactly once.
 * For udax-run; by itself it is a test of the mount.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES 400000
#define IO_BYTES 20000
#define PAGE 4096
#define FDS 6
#define MAPS 4

static const char *path[2], *self;
static unsigned long seed, calls, call;
static uint64_t rng;

static struct {
	int fd[2];
	int flags; /* -1: closed */
} files[FDS];

static struct {
	unsigned char *at[2];
	size_t length;
	off_t offset;
	int prot;
	bool private;
} maps[MAPS];

static char history[16][120];
static sigjmp_buf escape;
static volatile sig_atomic_t armed;

static uint32_t pick(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16) % below;
}

__attribute__((format(printf, 1, 2))) static void note(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(history[call % 16], sizeof(history[0]), text, args);
	va_end(args);
}

__attribute__((noreturn)) static void fail(const char *what, long a, long b)
{
	fprintf(stderr, "seed %lu, call %lu: %s: %ld, expected %ld\n", seed,
		call, what, a, b);
	for (unsigned long i = call < 16 ? 0 : call - 15; i <= call; i++)
		fprintf(stderr, "  %lu %s\n", i, history[i % 16]);
	exit(1);
}

static void equal(const char *what, long a, long b)
{
	if (a != b)
		fail(what, a, b);
}

/* Result and errno of the same call on both. */
#define BOTH(what, call_on_side)                                               \
	do {                                                                   \
		long results[2];                                               \
		int errors[2];                                                 \
		for (int s = 0; s < 2; s++) {                                  \
			errno = 0;                                             \
			results[s] = (long)(call_on_side);                     \
			errors[s] = results[s] < 0 ? errno : 0;                \
		}                                                              \
		equal(what, results[0], results[1]);                           \
		equal(what " errno", errors[0], errors[1]);                    \
	} while (0)

static void on_sigbus(int number)
{
	(void)number;
	if (!armed)
		_exit(9);
	siglongjmp(escape, 1);
}

static off_t size_of(int side)
{
	struct stat at;

	if (stat(path[side], &at))
		fail("stat", errno, 0);
	return at.st_size;
}

static int some_file(void)
{
	int i = (int)pick(FDS);

	return files[i].flags == -1 ? -1 : i;
}

/* ------------------------------------------------------------ descriptors */

static void do_open(void)
{
	static const int flags[] = {
		O_RDWR,	  O_RDWR,  O_RDWR, O_RDWR, O_RDWR | O_APPEND,
		O_RDONLY, O_WRONLY
	};
	int i = (int)pick(FDS), how = flags[pick(7)];

	note("open [%d] %#x", i, how);
	if (files[i].flags != -1)
		return;
	BOTH("open", (files[i].fd[s] = open(path[s], how | O_CREAT, 0600)) < 0);
	files[i].flags = how;
}

static void do_close(void)
{
	int i = some_file();

	note("close [%d]", i);
	if (i < 0)
		return;
	BOTH("close", close(files[i].fd[s]));
	files[i].flags = -1;
}

/* dup, or dup2 over an open one. */
static void do_dup(void)
{
	int i = some_file(), k = (int)pick(FDS);

	note("dup [%d] to [%d]", i, k);
	if (i < 0 || i == k)
		return;
	for (int s = 0; s < 2; s++) {
		if (files[k].flags == -1)
			files[k].fd[s] = dup(files[i].fd[s]);
		else if (dup2(files[i].fd[s], files[k].fd[s]) < 0)
			fail("dup2", errno, 0);
	}
	files[k].flags = files[i].flags;
}

static void do_seek(void)
{
	int i = some_file(), whence = (int)pick(3);
	off_t by = (off_t)pick(FILE_BYTES / (whence == SEEK_SET ? 1 : 20));

	note("lseek [%d] %ld %d", i, (long)by, whence);
	if (i >= 0)
		BOTH("lseek", lseek(files[i].fd[s], by, whence));
}

/* O_APPEND comes and goes, and is shared by duplicates. */
static void do_setfl(void)
{
	int i = some_file(), append = pick(2) ? O_APPEND : 0;

	note("fcntl [%d] F_SETFL %#x", i, append);
	if (i >= 0)
		BOTH("fcntl", fcntl(files[i].fd[s], F_SETFL, append));
}

/* --------------------------------------------------------- reads and writes */

static unsigned char data[IO_BYTES], got[2][IO_BYTES];

static ssize_t read_by(int form, int fd, unsigned char *to, size_t n, off_t at)
{
	struct iovec iov[3] = { { to, n / 3 },
				{ to + n / 3, 0 },
				{ to + n / 3, n - n / 3 } };

	switch (form) {
	case 0:
		return read(fd, to, n);
	case 1:
		return pread(fd, to, n, at);
	case 2:
		return readv(fd, iov, 3);
	case 3:
		return preadv(fd, iov, 3, at);
	default:
		return preadv2(fd, iov, 3, form == 4 ? -1 : at, 0);
	}
}

static ssize_t write_by(int form, int fd, unsigned char *from, size_t n,
			off_t at)
{
	struct iovec iov[3] = { { from, n / 3 },
				{ from + n / 3, 0 },
				{ from + n / 3, n - n / 3 } };

	switch (form) {
	case 0:
		return write(fd, from, n);
	case 1:
		return pwrite(fd, from, n, at);
	case 2:
		return writev(fd, iov, 3);
	case 3:
		return pwritev(fd, iov, 3, at);
	default:
		return pwritev2(fd, iov, 3, form == 4 ? -1 : at, 0);
	}
}

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (unsigned char)pick(255) + 1;
}

static void do_io(bool writing)
{
	int i = some_file(), form = (int)pick(6);
	size_t n = 1 + pick(pick(2) ? 200 : IO_BYTES - 1);
	off_t at = pick(FILE_BYTES - IO_BYTES);
	ssize_t count = 0;

	note("%s form %d [%d] %zu at %ld", writing ? "write" : "read", form, i,
	     n, (long)at);
	if (i < 0 || lseek(files[i].fd[1], 0, SEEK_CUR) > FILE_BYTES)
		return;
	if (writing && files[i].flags != -1 && size_of(1) > FILE_BYTES)
		return;
	if (writing) {
		fill(n);
		BOTH("write", write_by(form, files[i].fd[s], data, n, at));
	} else {
		BOTH("read",
		     count = read_by(form, files[i].fd[s], got[s], n, at));
		if (count > 0)
			equal("bytes read",
			      memcmp(got[0], got[1], (size_t)count), 0);
	}
	BOTH("offset", lseek(files[i].fd[s], 0, SEEK_CUR));
}

/* Inside libc, where nobody stands between; on the same descriptor's copy. */
static void do_stdio(void)
{
	int i = some_file();
	bool writing = pick(2);
	size_t n = 1 + pick(6000);
	off_t at = pick(FILE_BYTES / 2);

	note("stdio %s [%d] %zu at %ld", writing ? "fwrite" : "fread", i, n,
	     (long)at);
	if (i < 0 || (files[i].flags & O_ACCMODE) != O_RDWR)
		return;
	fill(n);
	for (int s = 0; s < 2; s++) {
		FILE *file = fdopen(dup(files[i].fd[s]), "r+");

		fseeko(file, at, SEEK_SET);
		if (writing && fwrite(data, 1, n, file) != n)
			fail("fwrite", errno, 0);
		if (!writing)
			memset(got[s], 0, n);
		if (!writing && fread(got[s], 1, n, file) > n)
			fail("fread", errno, 0);
		fclose(file);
	}
	if (!writing)
		equal("bytes of fread", memcmp(got[0], got[1], n), 0);
	BOTH("offset", lseek(files[i].fd[s], 0, SEEK_CUR));
}

static void do_size(void)
{
	int i = some_file(), form = (int)pick(6);
	off_t at = pick(FILE_BYTES), n = 1 + pick(50000);
	static unsigned char whole[FILE_BYTES];

	note("size form %d [%d] %ld %ld", form, i, (long)at, (long)n);
	if (i < 0)
		return;
	switch (form) {
	case 0:
		BOTH("ftruncate", ftruncate(files[i].fd[s], at));
		break;
	case 1:
		BOTH("punch",
		     fallocate(files[i].fd[s],
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			       n));
		break;
	case 2:
		BOTH("fallocate", fallocate(files[i].fd[s], 0, at, n));
		break;
	case 3:
	case 4: /* no holes */
		if (fcntl(files[i].fd[1], F_GETFL) & O_APPEND)
			break;
		memset(whole, (int)pick(256), sizeof(whole));
		BOTH("pwrite of all",
		     pwrite(files[i].fd[s], whole, sizeof(whole), 0));
		break;
	default:
		BOTH("fsync", fsync(files[i].fd[s]));
	}
	BOTH("size", size_of(s));
}

/* ----------------------------------------------------------------- mappings */

static void do_map(void)
{
	int i = some_file(), k = (int)pick(MAPS);
	int prot = pick(3) ? PROT_READ | PROT_WRITE : PROT_READ;
	bool private = pick(8) == 0;
	size_t length = PAGE * (1 + pick(30));
	off_t offset = PAGE * (off_t)pick(FILE_BYTES / PAGE);
	long result = 0;

	note("mmap [%d] in %d prot %d %s %zu at %ld", i, k, prot,
	     private ? "private" : "shared", length, (long)offset);
	if (i < 0 || maps[k].length)
		return;
	BOTH("mmap",
	     ((maps[k].at[s] = mmap(NULL, length, prot,
				    private ? MAP_PRIVATE : MAP_SHARED,
				    files[i].fd[s], offset)) == MAP_FAILED
		      ? (result = -1)
		      : 0));
	if (result < 0)
		return;
	maps[k].length = length;
	maps[k].offset = offset;
	maps[k].prot = prot;
	maps[k].private = private;
}

/* The end of it, or all. */
static void do_unmap(void)
{
	int k = (int)pick(MAPS);
	size_t left = pick(2) ? 0 : PAGE * pick(10);

	note("munmap %d, %zu left", k, left);
	if (maps[k].length <= left)
		return;
	BOTH("munmap", munmap(maps[k].at[s] + left, maps[k].length - left));
	maps[k].length = left;
}

static void do_remap(void)
{
	int k = (int)pick(MAPS);
	size_t length = PAGE * (1 + pick(40));

	note("mremap %d from %zu to %zu", k, maps[k].length, length);
	if (!maps[k].length)
		return;
	for (int s = 0; s < 2; s++) {
		maps[k].at[s] = mremap(maps[k].at[s], maps[k].length, length,
				       MREMAP_MAYMOVE);
		if (maps[k].at[s] == MAP_FAILED)
			fail("mremap", errno, 0);
	}
	maps[k].length = length;
}

static void do_protect(void)
{
	int k = (int)pick(MAPS),
	    prot = pick(2) ? PROT_READ | PROT_WRITE : PROT_READ;

	note("mprotect %d %d", k, prot);
	if (!maps[k].length)
		return;
	BOTH("mprotect", mprotect(maps[k].at[s], maps[k].length, prot));
	if (prot & PROT_WRITE && maps[k].prot & PROT_WRITE)
		maps[k].prot = prot;
	else
		maps[k].prot = PROT_READ;
	BOTH("mprotect back",
	     mprotect(maps[k].at[s], maps[k].length, maps[k].prot));
}

/* 0: a byte changed or read; 1: SIGBUS. */
static int touch(unsigned char *at, bool writing, unsigned char *byte)
{
	if (sigsetjmp(escape, 1)) {
		armed = 0;
		return 1;
	}
	armed = 1;
	if (writing)
		*(volatile unsigned char *)at = *byte;
	else
		*byte = *(volatile unsigned char *)at;
	armed = 0;
	return 0;
}

/* Bytes behind the end of file, in its last page, are nobody's. */
static void do_touch(void)
{
	int k = (int)pick(MAPS);
	bool writing = pick(2);
	unsigned char byte[2];
	off_t size = size_of(1);
	size_t at;

	note("%s in %d", writing ? "store" : "load", k);
	if (!maps[k].length || (writing && !(maps[k].prot & PROT_WRITE)) ||
	    maps[k].private)
		return;
	at = pick((uint32_t)maps[k].length);
	if (maps[k].offset + (off_t)at >= size)
		at = 0;
	if (maps[k].offset + (off_t)at >= size &&
	    maps[k].offset + (off_t)at < (size + PAGE - 1) / PAGE * PAGE)
		return;
	byte[0] = byte[1] = (unsigned char)pick(256);
	note("%s in %d at %zu, file's %ld of %ld", writing ? "store" : "load",
	     k, at, (long)(maps[k].offset + (off_t)at), (long)size);
	BOTH("SIGBUS", touch(maps[k].at[s] + at, writing, &byte[s]));
	if (maps[k].offset + (off_t)at >= size)
		usleep(20000); /* udax.h: so long it may be believed */
	if (!writing)
		equal("byte loaded", byte[0], byte[1]);
}

static void do_sync(void)
{
	int k = (int)pick(MAPS);

	note("msync %d", k);
	if (maps[k].length)
		BOTH("msync", msync(maps[k].at[s], maps[k].length, MS_SYNC));
}

/* ---------------------------------------------------------------- processes */

/* What the other program does with a descriptor it has inherited. */
static int inherited(int fd)
{
	char word[8] = "";

	if (write(fd, "inherit", 7) != 7)
		return 1;
	if (lseek(fd, -7, SEEK_CUR) < 0 || read(fd, word, 7) != 7)
		return 2;
	return memcmp(word, "inherit", 7) ? 3 : 0;
}

static void child_of(int i, int k, bool exec, unsigned long state)
{
	char number[2][12];

	rng = state;
	if (maps[k].length && maps[k].prot & PROT_WRITE && !maps[k].private) {
		unsigned char byte = (unsigned char)pick(256);

		for (int s = 0; s < 2; s++)
			(void)touch(maps[k].at[s], true, &byte);
	}
	for (int s = 0; s < 2; s++)
		snprintf(number[s], sizeof(number[s]), "%d", files[i].fd[s]);
	if (exec)
		execl("/proc/self/exe", self, "inherited", number[0], number[1],
		      NULL);
	_exit(exec ? 8 : inherited(files[i].fd[0]) | inherited(files[i].fd[1]));
}

static void do_fork(void)
{
	int i = some_file(), k = (int)pick(MAPS), status;
	bool exec = pick(2);
	unsigned long state = rng;
	pid_t child;

	note("fork [%d] map %d %s", i, k, exec ? "exec" : "");
	if (i < 0 || files[i].flags != O_RDWR || size_of(1) > FILE_BYTES ||
	    lseek(files[i].fd[1], 0, SEEK_CUR) > FILE_BYTES ||
	    fcntl(files[i].fd[1], F_GETFL) & O_APPEND)
		return;
	if (maps[k].offset >= size_of(1))
		return;
	fflush(NULL);
	child = fork();
	if (child == 0)
		child_of(i, k, exec, state);
	if (child < 0 || waitpid(child, &status, 0) != child)
		fail("fork", errno, 0);
	equal("child", status, 0);
	BOTH("offset", lseek(files[i].fd[s], 0, SEEK_CUR));
}

/* -------------------------------------------------------------------- whole */

static void compare_all(void)
{
	static unsigned char all[2][2 * FILE_BYTES];
	ssize_t n = 0, sum = 0;
	int fd;

	for (int s = 0; s < 2; s++) {
		sum = 0;
		fd = open(path[s], O_RDONLY);
		while ((n = read(fd, all[s] + sum,
				 sizeof(all[s]) - (size_t)sum)) > 0)
			sum += n;
		close(fd);
		equal("size in the end", sum, size_of(s));
	}
	BOTH("size", size_of(s));
	for (off_t i = 0; i < sum; i++)
		if (all[0][i] != all[1][i])
			fail("differs in the end, at", (long)i, -1);
}

static void one(void)
{
	switch (pick(24)) {
	case 0:
	case 1:
		return do_open();
	case 2:
		return do_close();
	case 3:
		return do_dup();
	case 4:
		return do_seek();
	case 5:
		return do_setfl();
	case 6:
	case 7:
	case 8:
	case 9:
		return do_io(false);
	case 10:
	case 11:
	case 12:
		return do_io(true);
	case 13:
		return do_stdio();
	case 14:
		return pick(3) ? do_io(pick(2)) : do_size();
	case 15:
		return do_map();
	case 16:
		return do_unmap();
	case 17:
		return pick(2) ? do_remap() : do_protect();
	case 18:
		return pick(4) ? do_sync() : do_fork();
	default:
		return do_touch();
	}
}

static int torture(char **argv)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	self = argv[0];
	path[0] = argv[1];
	path[1] = argv[2];
	seed = strtoul(argv[3], NULL, 10);
	calls = strtoul(argv[4], NULL, 10);
	rng = seed * 0x9e3779b97f4a7c15ull + 1;
	sigaction(SIGBUS, &action, NULL);
	for (int i = 0; i < FDS; i++)
		files[i].flags = -1;
	for (int s = 0; s < 2; s++)
		close(open(path[s], O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (call = 0; call < calls; call++)
		one();
	compare_all();
	return 0;
}

/* ------------------------------------------------------------------ sharing */

#define RECORD 100
static int shared_fd;
static unsigned long records;
static unsigned char *seen; /* MAP_SHARED: how often each was read */

static void *write_records(void *arg)
{
	unsigned long me = (unsigned long)arg;
	char record[RECORD + 1];

	for (unsigned long i = 0; i < records; i++) {
		snprintf(record, sizeof(record), "%0*lu", RECORD,
			 me * records + i);
		if (write(shared_fd, record, RECORD) != RECORD)
			_exit(4);
	}
	return NULL;
}

static void *read_records(void *arg)
{
	char record[RECORD + 1] = "";
	ssize_t n;

	(void)arg;
	while ((n = read(shared_fd, record, RECORD)) == RECORD)
		__atomic_fetch_add(&seen[strtoul(record, NULL, 10)], 1,
				   __ATOMIC_RELAXED);
	if (n)
		_exit(5);
	return NULL;
}

/* Half of them threads of this process, half of a child. */
static int in_two(void *(*work)(void *), unsigned long workers)
{
	pthread_t threads[64];
	unsigned long half = workers / 2, from = 0;
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		from = half;
	for (unsigned long i = 0; i < half; i++)
		pthread_create(&threads[i], NULL, work, (void *)(from + i));
	for (unsigned long i = 0; i < half; i++)
		pthread_join(threads[i], NULL);
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	return status;
}

static int share(const char *file, unsigned long workers, unsigned long count)
{
	struct stat at;

	workers = workers > 64 ? 64 : workers & ~1ul;
	records = count;
	shared_fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	seen = mmap(NULL, workers * count, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared_fd < 0 || seen == MAP_FAILED)
		return 2;
	if (in_two(write_records, workers)) {
		fputs("a writer failed\n", stderr);
		return 1;
	}
	if (fstat(shared_fd, &at) ||
	    at.st_size != (off_t)(workers * count * RECORD)) {
		fprintf(stderr, "%ld bytes, expected %lu\n", (long)at.st_size,
			workers * count * RECORD);
		return 1;
	}
	lseek(shared_fd, 0, SEEK_SET);
	if (in_two(read_records, workers)) {
		fputs("a reader failed\n", stderr);
		return 1;
	}
	for (unsigned long i = 0; i < workers * count; i++)
		if (seen[i] != 1) {
			fprintf(stderr, "record %lu read %d times\n", i,
				seen[i]);
			return 1;
		}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "inherited"))
		return inherited(atoi(argv[2])) | inherited(atoi(argv[3]));
	if (argc == 5 && !strcmp(argv[1], "share"))
		return share(argv[2], strtoul(argv[3], NULL, 10),
			     strtoul(argv[4], NULL, 10));
	if (argc == 5)
		return torture(argv);
	fputs("usage: run_torture FILE MODEL SEED CALLS\n"
	      "       run_torture share FILE WRITERS RECORDS\n",
	      stderr);
	return 2;
}
