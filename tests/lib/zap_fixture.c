/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/zap_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char program[4096];

void victim_program(const char *argv0)
{
	char *copy = strdup(argv0);

	snprintf(program, sizeof(program), "%s/../lib/zap_victim",
		 dirname(copy));
	free(copy);
}

void victim_start(struct victim *victim, const char *mode)
{
	int page = memfd_create("page", 0);
	char page_fd[16], device_fd[16];

	victim->device = victim->path
				 ? open(victim->path, O_CREAT | O_RDWR, 0600)
				 : memfd_create("device", 0);
	ck_assert_int_eq(ftruncate(page, sizeof(*victim->page)), 0);
	ck_assert_int_eq(ftruncate(victim->device, VICTIM_DEVICE_BYTES), 0);
	ck_assert_int_eq(zap_file_of(victim->device, &victim->file), 0);
	victim->page = mmap(NULL, sizeof(*victim->page), PROT_READ | PROT_WRITE,
			    MAP_SHARED, page, 0);
	ck_assert_ptr_ne(victim->page, MAP_FAILED);
	snprintf(page_fd, sizeof(page_fd), "%d", page);
	snprintf(device_fd, sizeof(device_fd), "%d", victim->device);
	/* fork(2), perhaps into a namespace. */
	victim->pid = (pid_t)syscall(SYS_clone, victim->clone_flags | SIGCHLD,
				     NULL, NULL, NULL, NULL);
	ck_assert_int_ge(victim->pid, 0);
	if (victim->pid == 0) {
		execl(program, "zap_victim", mode, page_fd, device_fd, NULL);
		_exit(127);
	}
	close(page);
	ck_wait(atomic_load(&victim->page->ready));
}

struct zap_target victim_target(const struct victim *victim)
{
	return (struct zap_target){
		.pid = victim->pid,
		.pidfd = -1,
		.file = victim->file,
	};
}

int victim_zap(struct victim *victim, struct zap_report *report)
{
	struct zap_target target = victim_target(victim);

	return zap_process(&target, deadline_in(5000), report);
}

void victim_ask(struct victim *victim)
{
	int asked = atomic_fetch_add(&victim->page->ask, 1) + 1;

	ck_wait(atomic_load(&victim->page->answer) == asked);
}

unsigned int victim_pages_gone(const struct victim *victim)
{
	unsigned int i, gone = 0;

	for (i = 0; i < VICTIM_DEVICE_PAGES; i++)
		gone += victim->page->gone[i];
	return gone;
}

char victim_state(const struct victim *victim)
{
	char path[64], line[512] = "", *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)victim->pid);
	file = fopen(path, "re");
	if (!file)
		return '\0';
	at = fgets(line, sizeof(line), file);
	fclose(file);
	at = at ? strrchr(line, ')') : NULL;
	return at ? at[2] : '\0';
}

long victim_tracer(const struct victim *victim)
{
	char path[64], line[256];
	long tracer = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)victim->pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "TracerPid:", 10))
			tracer = strtol(line + 10, NULL, 10);
	}
	if (file)
		fclose(file);
	return tracer;
}

int victim_status(struct victim *victim)
{
	int status = 0;

	ck_wait(waitpid(victim->pid, &status, WNOHANG) == victim->pid);
	munmap(victim->page, sizeof(*victim->page));
	close(victim->device);
	return status;
}

void victim_end(struct victim *victim)
{
	int seen = atomic_load(&victim->page->wrong), status;

	atomic_store(&victim->page->quit, 1);
	ck_assert_msg(seen == 0, "%d wrong, first: %s", seen,
		      victim->page->what);
	status = victim_status(victim);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == VICTIM_DONE,
		      "wait status %#x", status);
}
