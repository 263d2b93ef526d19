/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/steps.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static bool counting;

/* Both sides see it. */
static volatile uint64_t *counted;

/* Until it says "to there" by the same signal as "from here". */
static int step_to_the_end(pid_t pid)
{
	uint64_t count = 0;
	int status;

	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 ||
		    waitpid(pid, &status, 0) != pid)
			return -1;
		count++;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP &&
		 count < STEPS_MAX);
	*counted = count;
	if (count == STEPS_MAX && (ptrace(PTRACE_CONT, pid, NULL, NULL) != 0 ||
				   waitpid(pid, &status, 0) != pid))
		return -1;
	return status;
}

static int trace(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status);

		if (signal == SIGSTOP) {
			status = step_to_the_end(pid);
			if (!WIFSTOPPED(status))
				break;
			signal = WSTOPSIG(status);
		}
		if (signal == SIGSTOP)
			signal = 0;
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal) != 0)
			return -1;
	}
	return status;
}

void steps_main(char **argv)
{
	static const char tunables[] =
		"glibc.cpu.x86_rep_movsb_threshold=0x40000000:"
		"glibc.cpu.x86_rep_stosb_threshold=0x40000000";

	counting = true;
	if (getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", tunables, 1);
	execv("/proc/self/exe", argv);
	_exit(2);
}

int steps_in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)counted, MAP_FAILED);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (counting && ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(2);
		fn();
		fflush(NULL);
		_exit(0);
	}
	status = trace(pid);
	munmap((void *)counted, sizeof(*counted));
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

void steps_begin(void)
{
	if (counting)
		raise(SIGSTOP);
}

uint64_t steps_end(void)
{
	if (!counting)
		return 0;
	raise(SIGSTOP);
	return *counted;
}
