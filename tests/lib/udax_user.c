/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udax_user FILE [ro] [lazy] [resume] [populate] [length=N]: map a file
 * with libudax, then do what stdin says, a line each, and answer each with one
 * line.
 *
 *   load OFFSET           → the byte, or SIGBUS
 *   store OFFSET BYTE     → ok, or SIGBUS
 *   fill BYTE             → ok: every page's first byte, or SIGBUS
 *   count                 → ok: one more in the first word of every page
 *   threads N             → ok: so many threads do that at once
 *   pread OFFSET          → the byte, eof, or errno's name
 *   pwrite OFFSET BYTE    → ok, or errno's name
 *   loop N                → ok: so many pread and pwrite of 4 KiB each
 *   pipe OFFSET           → ok: write(2) of mapped memory to a pipe, or errno
 *   unmap OFFSET LENGTH | protect OFFSET LENGTH | deny OFFSET LENGTH
 *   remap LENGTH          → ok, or errno's name
 *   map OFFSET LENGTH     → ok: another mapping, which is used from then on
 *   pin OFFSET LENGTH | unpin | msync | persist
 *   fork                  → what a child's touch came to
 *   exec                  → descriptors that a program finds after exec(2)
 *   told                  → how many bytes were said to be revoked
 *   run N                 → ok: N threads store from now on; halt → ok
 *
 * SIGBUS is told as "SIGBUS CODE right|wrong": whether si_addr was the address
 * touched.
 */
#include "udax/udax.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define THREADS 16

static int file;
static unsigned char *map;
static size_t length;
static int prot = PROT_READ | PROT_WRITE;
static uint64_t token;
static _Atomic size_t told;

/* ------------------------------------------------------------------ touch */

static __thread sigjmp_buf escape;
static __thread bool guarded;
static void *volatile fault_at;
static volatile int fault_code;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	if (!guarded) {
		signal(SIGBUS, SIG_DFL);
		return;
	}
	fault_at = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(escape, 1);
}

static void tell(long result)
{
	if (result < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		puts("ok");
}

static bool count_all(void)
{
	for (size_t i = 0; i < length; i += PAGE)
		__atomic_fetch_add((uint64_t *)(map + i), 1, __ATOMIC_RELAXED);
	return true;
}

static void touch(const char *verb, unsigned long offset, int byte)
{
	volatile unsigned char *volatile at = map + offset;

	if (sigsetjmp(escape, 1)) {
		guarded = false;
		printf("SIGBUS %s %s\n",
		       fault_code == BUS_ADRERR ? "BUS_ADRERR" : "other",
		       fault_at == (void *)at ? "right" : "wrong");
		return;
	}
	guarded = true;
	if (strcmp(verb, "load") == 0) {
		int value = *at;

		guarded = false;
		printf("%u\n", value);
		return;
	}
	if (strcmp(verb, "store") == 0)
		*at = (unsigned char)byte;
	else if (strcmp(verb, "count") == 0)
		count_all();
	else
		for (size_t i = 0; i < length; i += PAGE)
			*(at = map + i) = (unsigned char)offset;
	guarded = false;
	puts("ok");
}

/* ---------------------------------------------------------------- threads */

static pthread_t thread[THREADS];
static int running;
static atomic_bool halt;
static atomic_ulong rounds;

static void *count_once(void *arg)
{
	return (void *)(uintptr_t)count_all();
}

static void *count_on(void *arg)
{
	while (!atomic_load(&halt)) {
		count_all();
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static void start(int count, void *(*what)(void *))
{
	atomic_store(&halt, false);
	for (running = 0; running < count && running < THREADS; running++)
		pthread_create(&thread[running], NULL, what, NULL);
}

static void join(void)
{
	atomic_store(&halt, true);
	while (running > 0)
		pthread_join(thread[--running], NULL);
}

/* ----------------------------------------------------------- system calls */

static void to_pipe(const unsigned char *from)
{
	int ends[2];

	if (pipe(ends) < 0) {
		tell(-1);
		return;
	}
	tell(write(ends[1], from, 1));
	close(ends[0]);
	close(ends[1]);
}

static void read_one(unsigned long offset)
{
	unsigned char value;
	ssize_t n = udax_pread(file, &value, 1, (off_t)offset);

	if (n == 1)
		printf("%u\n", value);
	else if (n == 0)
		puts("eof");
	else
		tell(n);
}

static void loop(unsigned long count)
{
	static char page[PAGE];

	for (unsigned long i = 0; i < count; i++) {
		off_t at = (off_t)(i * 7919 % (length / PAGE) * PAGE);

		if (udax_pread(file, page, PAGE, at) != (ssize_t)PAGE ||
		    udax_pwrite(file, page, PAGE, at) != (ssize_t)PAGE) {
			tell(-1);
			return;
		}
	}
	puts("ok");
}

static void in_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(map[0] ? 1 : 2);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s\n", strsignal(WTERMSIG(status)));
	else
		printf("exit %d\n", WEXITSTATUS(status));
}

/* Those that no shell has: from 3 on, our own file aside. */
static void after_exec(void)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "ls -l /proc/self/fd | grep -c 'memfd\\|socket\\|userfault\\|"
		 "eventfd\\|pmem'");
	fflush(stdout);
	if (system(command) < 0)
		puts("system");
}

/* --------------------------------------------------------------- mappings */

static void use(void *at, size_t bytes)
{
	if (at == MAP_FAILED) {
		tell(-1);
		return;
	}
	map = at;
	length = bytes;
	puts("ok");
}

static void mappings(const char *verb, unsigned long a, unsigned long b)
{
	if (strcmp(verb, "unmap") == 0)
		tell(udax_munmap(map + a, b));
	else if (strcmp(verb, "protect") == 0)
		tell(udax_mprotect(map + a, b, PROT_READ | PROT_WRITE));
	else if (strcmp(verb, "deny") == 0)
		tell(udax_mprotect(map + a, b, PROT_READ));
	else if (strcmp(verb, "remap") == 0)
		use(udax_mremap(map, length, a, MREMAP_MAYMOVE, NULL), a);
	else if (strcmp(verb, "map") == 0)
		use(udax_mmap(NULL, b, prot, MAP_SHARED, file, (off_t)a), b);
	else if (strcmp(verb, "pin") == 0)
		tell(udax_pin(map + a, b, &token));
	else if (strcmp(verb, "unpin") == 0)
		tell(udax_unpin(token));
	else if (strcmp(verb, "msync") == 0)
		tell(udax_msync(map, length, MS_SYNC));
	else if (strcmp(verb, "persist") == 0)
		tell(udax_persist(map, length));
	else
		printf("unknown verb %s\n", verb);
}

static void obey(const char *verb, unsigned long a, unsigned long b)
{
	unsigned char value = (unsigned char)b;

	if (strcmp(verb, "load") == 0 || strcmp(verb, "store") == 0 ||
	    strcmp(verb, "fill") == 0 || strcmp(verb, "count") == 0) {
		touch(verb, a, (int)b);
	} else if (strcmp(verb, "pread") == 0) {
		read_one(a);
	} else if (strcmp(verb, "pwrite") == 0) {
		tell(udax_pwrite(file, &value, 1, (off_t)a));
	} else if (strcmp(verb, "loop") == 0) {
		loop(a);
	} else if (strcmp(verb, "pipe") == 0) {
		to_pipe(map + a);
	} else if (strcmp(verb, "threads") == 0) {
		start((int)a, count_once);
		join();
		puts("ok");
	} else if (strcmp(verb, "run") == 0) {
		start((int)a, count_on);
		puts("ok");
	} else if (strcmp(verb, "halt") == 0) {
		join();
		printf("%lu\n", atomic_load(&rounds));
	} else if (strcmp(verb, "fork") == 0) {
		in_child();
	} else if (strcmp(verb, "exec") == 0) {
		after_exec();
	} else if (strcmp(verb, "told") == 0) {
		printf("%zu\n", atomic_load(&told));
	} else {
		mappings(verb, a, b);
	}
}

static void on_revoke(void *addr, size_t bytes, void *arg)
{
	atomic_fetch_add(&told, bytes);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };
	int flags = MAP_SHARED;
	char line[256], verb[32];
	struct stat st;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "ro") == 0)
			prot = PROT_READ;
		else if (strcmp(argv[i], "lazy") == 0)
			flags |= UDAX_MAP_LAZY;
		else if (strcmp(argv[i], "resume") == 0)
			flags |= UDAX_MAP_RESUME;
		else if (strcmp(argv[i], "populate") == 0)
			flags |= MAP_POPULATE;
		else if (strncmp(argv[i], "length=", 7) == 0)
			length = strtoul(argv[i] + 7, NULL, 0);
	}
	file = argc < 2
		       ? -1
		       : open(argv[1], (prot & PROT_WRITE ? O_RDWR : O_RDONLY) |
					       O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0) {
		printf("open %s\n", strerrorname_np(errno));
		return 1;
	}
	if (!length)
		length = (size_t)st.st_size;
	map = udax_mmap(NULL, length, prot, flags, file, 0);
	if (map == MAP_FAILED) {
		printf("mmap %s\n", strerrorname_np(errno));
		return 1;
	}
	udax_on_revoke(on_revoke, NULL);
	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("mapped");
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long a = 0, b = 0;

		if (sscanf(line, "%31s %lu %lu", verb, &a, &b) >= 1)
			obey(verb, a, b);
	}
	return 0;
}
