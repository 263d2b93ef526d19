/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mapper FILE [ro|private]: map a whole file, then do what stdin says, a line
 * each, and answer each with one line. For tests and the demonstration.
 *
 *   load OFFSET           → the byte, or SIGBUS; beyond the mapping: beyond
 *   store OFFSET BYTE     → ok, or SIGBUS, or beyond
 *   fill BYTE             → ok: every page's first byte, or SIGBUS
 *   pread OFFSET          → the byte, or errno's name
 *   pwrite OFFSET BYTE    → ok, or errno's name
 *   pipe OFFSET           → ok: write(2) of mapped memory to a pipe, or errno
 *   msync | fsync | fstat | unmap → ok, or errno's name
 *
 * SIGBUS is told as "SIGBUS CODE right|wrong": whether si_addr was the address
 * touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static sigjmp_buf escape;
static void *volatile fault_at;
static volatile int fault_code;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	fault_at = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(escape, 1);
}

static const char *code_name(int code)
{
	switch (code) {
	case BUS_ADRERR:
		return "BUS_ADRERR";
	case BUS_ADRALN:
		return "BUS_ADRALN";
	case BUS_OBJERR:
		return "BUS_OBJERR";
	default:
		return "other";
	}
}

static void tell(long result)
{
	if (result < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		puts("ok");
}

static void touch(volatile unsigned char *map, size_t length, const char *verb,
		  unsigned long offset, int byte)
{
	volatile unsigned char *volatile at = map + offset;
	size_t i;

	if (offset / PAGE > (length - 1) / PAGE) {
		puts("beyond");
		return;
	}
	if (sigsetjmp(escape, 1)) {
		printf("SIGBUS %s %s\n", code_name(fault_code),
		       fault_at == (void *)at ? "right" : "wrong");
		return;
	}
	if (strcmp(verb, "load") == 0) {
		printf("%u\n", *at);
	} else if (strcmp(verb, "store") == 0) {
		*at = (unsigned char)byte;
		puts("ok");
	} else {
		for (i = 0; i < length; i += PAGE) {
			at = map + i;
			*at = (unsigned char)byte;
		}
		puts("ok");
	}
}

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

static void system_call(int fd, unsigned char *map, size_t length,
			const char *verb, unsigned long offset, int byte)
{
	unsigned char value = (unsigned char)byte;
	struct stat st;

	if (strcmp(verb, "pread") == 0) {
		ssize_t n = pread(fd, &value, 1, (off_t)offset);

		if (n == 1)
			printf("%u\n", value);
		else if (n == 0)
			puts("eof");
		else
			tell(n);
	} else if (strcmp(verb, "pwrite") == 0) {
		tell(pwrite(fd, &value, 1, (off_t)offset));
	} else if (strcmp(verb, "pipe") == 0) {
		to_pipe(map + offset);
	} else if (strcmp(verb, "msync") == 0) {
		tell(msync(map, length, MS_SYNC));
	} else if (strcmp(verb, "fsync") == 0) {
		tell(fsync(fd));
	} else if (strcmp(verb, "fstat") == 0) {
		tell(fstat(fd, &st));
	} else if (strcmp(verb, "unmap") == 0) {
		tell(munmap(map, length));
	} else {
		printf("unknown verb %s\n", verb);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };
	const char *how = argc > 2 ? argv[2] : "rw";
	int ro = strcmp(how, "ro") == 0, private = strcmp(how, "private") == 0;
	char line[256], verb[32];
	unsigned char *map;
	struct stat st;
	int fd;

	if (argc < 2)
		return 2;
	fd = open(argv[1], ro ? O_RDONLY : O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0) {
		printf("open %s\n", strerrorname_np(errno));
		return 1;
	}
	map = mmap(NULL, (size_t)st.st_size,
		   ro ? PROT_READ : PROT_READ | PROT_WRITE,
		   private ? MAP_PRIVATE : MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		printf("mmap %s\n", strerrorname_np(errno));
		return 1;
	}
	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("mapped");
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long offset = 0;
		int byte = 0,
		    n = sscanf(line, "%31s %lu %i", verb, &offset, &byte);

		if (n < 1)
			continue;
		if (strcmp(verb, "fill") == 0)
			touch(map, (size_t)st.st_size, verb, 0, (int)offset);
		else if (strcmp(verb, "load") == 0 ||
			 strcmp(verb, "store") == 0)
			touch(map, (size_t)st.st_size, verb, offset, byte);
		else
			system_call(fd, map, (size_t)st.st_size, verb, offset,
				    byte);
	}
	return 0;
}
