/* SPDX-License-Identifier: BSD-3-Clause */
/* A program to be zapped: see zap_victim.h. */
#include "lib/zap_victim.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct victim_page *page;
static int device;

static void wrong(const char *what)
{
	if (atomic_fetch_add(&page->wrong, 1) == 0)
		snprintf(page->what, sizeof(page->what), "%s (%m)", what);
}

static void nap_us(long us)
{
	struct timespec nap = { .tv_sec = us / 1000000,
				.tv_nsec = us % 1000000 * 1000 };

	while (nanosleep(&nap, &nap) < 0 && errno == EINTR)
		;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static bool quits(void)
{
	return atomic_load(&page->quit);
}

static void *map_device(void)
{
	void *at = mmap(NULL, VICTIM_DEVICE_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED, device, 0);

	if (at == MAP_FAILED) {
		wrong("mmap of the device");
		_exit(1);
	}
	atomic_store(&page->mapping, (uintptr_t)at);
	return at;
}

static void start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg) != 0) {
		wrong("pthread_create");
		_exit(1);
	}
	pthread_detach(thread);
}

/* ------------------------------------------------------------------ SIGBUS */

static __thread sigjmp_buf *escape;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	atomic_store(&page->bus_address, (uintptr_t)info->si_addr);
	atomic_store(&page->bus_code, info->si_code);
	if (escape)
		siglongjmp(*escape, 1);
	_exit(VICTIM_BUS);
}

static void catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

/* Does touching it raise a SIGBUS that names it? */
static bool is_gone(char *at)
{
	sigjmp_buf here;
	volatile bool gone = true;

	escape = &here;
	if (sigsetjmp(here, 1) == 0) {
		*(volatile char *)at += 1;
		gone = false;
	} else if (atomic_load(&page->bus_code) != BUS_ADRERR ||
		   atomic_load(&page->bus_address) != (uintptr_t)at) {
		wrong("SIGBUS of another kind or place");
	}
	escape = NULL;
	return gone;
}

/* ------------------------------------------------- threads that do no harm */

/* Everything in registers and in the red zone: a leaf with a known result. */
static uint64_t sum(uint64_t seed)
{
	uint64_t a = seed, b = ~seed, c = seed << 7, d = seed ^ 0x5555;
	unsigned i;

	for (i = 0; i < 20000; i++) {
		a += b ^ (c >> 3);
		b = (b << 5 | b >> 59) + a;
		c ^= d + i;
		d = d * 6364136223846793005u + c;
	}
	return a ^ b ^ c ^ d;
}

static void *sum_thread(void *arg)
{
	uint64_t expected = sum(1);

	while (!quits()) {
		if (sum(1) != expected)
			wrong("a checksum");
		atomic_fetch_add(&page->turns[VICTIM_SUM], 1);
	}
	return NULL;
}

static double series(double x)
{
	double total = 0, term = 1;
	int i;

	for (i = 1; i < 5000; i++) {
		total += term;
		term *= x / (1 + i % 7);
		if (term < 1e-9)
			term = 1;
	}
	return total;
}

static void *float_thread(void *arg)
{
	volatile double x = 0.625;
	double expected = series(x);

	while (!quits()) {
		if (series(x) != expected)
			wrong("a sum of floating point");
		atomic_fetch_add(&page->turns[VICTIM_FLOAT], 1);
	}
	return NULL;
}

/* Interrupted often, and still no more than its time, and no less. */
static void *sleep_thread(void *arg)
{
	while (!quits()) {
		struct timespec nap = { .tv_nsec = 200 * 1000000 };
		int64_t begin = now_us();

		if (nanosleep(&nap, NULL) != 0)
			wrong("nanosleep");
		begin = now_us() - begin;
		if (begin < 200 * 1000)
			wrong("nanosleep was short");
		if (begin > 600 * 1000 && !quits())
			wrong("nanosleep was long");
		atomic_fetch_add(&page->turns[VICTIM_SLEEP], 1);
	}
	return NULL;
}

static void *futex_thread(void *arg)
{
	int word = 0;

	while (!quits()) {
		struct timespec most = { .tv_nsec = 5 * 1000000 };
		int64_t begin = now_us();

		if (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &most,
			    NULL, 0) != -1 ||
		    errno != ETIMEDOUT)
			wrong("futex");
		if (now_us() - begin < 5000)
			wrong("futex was short");
		atomic_fetch_add(&page->turns[VICTIM_FUTEX], 1);
	}
	return NULL;
}

static void *poll_thread(void *arg)
{
	while (!quits()) {
		if (poll(NULL, 0, 7) != 0)
			wrong("poll");
		atomic_fetch_add(&page->turns[VICTIM_POLL], 1);
	}
	return NULL;
}

/* signal(7): after a stop, too, this one says EINTR. */
static void *epoll_thread(void *arg)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event;

	while (!quits()) {
		int n = epoll_wait(epoll, &event, 1, 5);

		if (n > 0 || (n < 0 && errno != EINTR))
			wrong("epoll_wait");
		atomic_fetch_add(&page->turns[VICTIM_EPOLL], 1);
	}
	return NULL;
}

static int pipe_ends[2];

static void *write_thread(void *arg)
{
	uint64_t n;

	for (n = 0; !quits(); n++) {
		if (write(pipe_ends[1], &n, sizeof(n)) != sizeof(n))
			wrong("write");
		nap_us(300);
	}
	n = UINT64_MAX;
	return write(pipe_ends[1], &n, sizeof(n)) < 0 ? &pipe_ends : NULL;
}

static void *read_thread(void *arg)
{
	uint64_t n, expected = 0;

	while (!quits()) {
		if (read(pipe_ends[0], &n, sizeof(n)) != sizeof(n))
			wrong("read");
		else if (n != expected++ && !quits())
			wrong("read something else");
		atomic_fetch_add(&page->turns[VICTIM_READ], 1);
	}
	return NULL;
}

/* One that has all signals blocked, and ignores SIGTRAP. */
static void *masked_thread(void *arg)
{
	sigset_t all, seen;
	struct sigaction action;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (!quits()) {
		pthread_sigmask(SIG_SETMASK, NULL, &seen);
		if (!sigismember(&seen, SIGTRAP) || !sigismember(&seen, SIGHUP))
			wrong("the signal mask");
		sigaction(SIGTRAP, NULL, &action);
		if (action.sa_handler != SIG_IGN)
			wrong("the action of SIGTRAP");
		atomic_fetch_add(&page->turns[VICTIM_MASKED], 1);
		sched_yield();
	}
	return NULL;
}

static void start_harmless(void)
{
	signal(SIGTRAP, SIG_IGN);
	if (pipe(pipe_ends) < 0)
		wrong("pipe");
	start(sum_thread, NULL);
	start(float_thread, NULL);
	start(sleep_thread, NULL);
	start(futex_thread, NULL);
	start(poll_thread, NULL);
	start(epoll_thread, NULL);
	start(read_thread, NULL);
	start(write_thread, NULL);
	start(masked_thread, NULL);
}

/* --------------------------------------------------------------- questions */

/* Ready, and then for each question: which pages are gone? Then anew. */
static void answer_questions(char *at)
{
	int asked = 0;
	unsigned i;

	atomic_store(&page->ready, 1);
	while (!quits()) {
		if (atomic_load(&page->ask) == asked) {
			nap_us(100);
			continue;
		}
		for (i = 0; i < VICTIM_DEVICE_PAGES; i++)
			page->gone[i] = is_gone(at + i * VICTIM_PAGE + 8 * i);
		munmap(at, VICTIM_DEVICE_BYTES);
		at = map_device();
		atomic_store(&page->answer, ++asked);
	}
	_exit(page->wrong ? 1 : VICTIM_DONE);
}

/* ------------------------------------------------------------------- modes */

static void mode_spin(void)
{
	char *at = map_device();

	atomic_store(&page->ready, 1);
	for (;;) {
		*(volatile char *)(at + VICTIM_TOUCH) += 1;
		atomic_fetch_add(&page->stores, 1);
	}
}

static void mode_asked(void)
{
	answer_questions(map_device());
}

static void mode_harmless(void)
{
	start_harmless();
	answer_questions(map_device());
}

/* The calls are injected into the first thread: so it is that one's turn. */
static void *answer_thread(void *arg)
{
	answer_questions(map_device());
	return NULL;
}

static void *(*const harmless[VICTIM_THREADS])(void *) = {
	[VICTIM_SUM] = sum_thread,     [VICTIM_FLOAT] = float_thread,
	[VICTIM_SLEEP] = sleep_thread, [VICTIM_FUTEX] = futex_thread,
	[VICTIM_POLL] = poll_thread,   [VICTIM_EPOLL] = epoll_thread,
	[VICTIM_READ] = read_thread,   [VICTIM_MASKED] = masked_thread,
};

static void mode_first(const char *number)
{
	signal(SIGTRAP, SIG_IGN);
	if (pipe(pipe_ends) < 0)
		wrong("pipe");
	start(write_thread, NULL);
	start(answer_thread, NULL);
	harmless[strtol(number, NULL, 10)](NULL);
	pause(); /* the other one ends it */
}

static void mode_unmapped(void)
{
	close(device);
	atomic_store(&page->ready, 1);
	while (!quits())
		nap_us(1000);
	_exit(VICTIM_DONE);
}

static void *one_life(void *arg)
{
	if (sum(2) != *(uint64_t *)arg)
		wrong("a newborn's checksum");
	atomic_fetch_add(&page->born, 1);
	return NULL;
}

static void *mother(void *arg)
{
	static uint64_t expected;
	pthread_t thread;

	expected = sum(2);
	while (!quits()) {
		if (pthread_create(&thread, NULL, one_life, &expected) != 0)
			wrong("pthread_create");
		else
			pthread_join(thread, NULL);
	}
	return NULL;
}

static void mode_births(void)
{
	int i;

	for (i = 0; i < 4; i++)
		start(mother, NULL);
	answer_questions(map_device());
}

/* Children, which have the mapping too and end at once. */
static void *forker(void *arg)
{
	while (!quits()) {
		pid_t child = fork();
		int status = -1;

		if (child == 0)
			_exit(3);
		if (child < 0 || waitpid(child, &status, 0) != child ||
		    WEXITSTATUS(status) != 3)
			wrong("fork");
		atomic_fetch_add(&page->born, 1);
	}
	return NULL;
}

static void mode_forks(void)
{
	start(forker, NULL);
	answer_questions(map_device());
}

static void on_signal(int number)
{
	atomic_fetch_add(&page->signals, 1);
}

static void mode_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };

	sigaction(SIGRTMIN, &action, NULL);
	start(sum_thread, NULL);
	start(sum_thread, NULL);
	answer_questions(map_device());
}

static void mode_short_lived(void)
{
	map_device();
	start(mother, NULL);
	start(mother, NULL);
	atomic_store(&page->ready, 1);
	nap_us(200 + getpid() * 7919L % 3000);
	_exit(VICTIM_DONE);
}

static void *execs(void *arg)
{
	nap_us(200 + getpid() * 7919L % 3000);
	execl("/bin/true", "true", NULL);
	_exit(1);
}

/* By a thread that is not the first: it takes the first one's number. */
static void mode_execs(void)
{
	map_device();
	start(mother, NULL);
	atomic_store(&page->ready, 1);
	start(execs, NULL);
	for (;;)
		pause();
}

static int sleeping_child(void *arg)
{
	while (!quits())
		nap_us(1000);
	_exit(0);
}

/* The parent of a vfork(2) sleeps uninterruptibly until its child is gone. */
static void *vfork_thread(void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child = clone(sleeping_child, stack + sizeof(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		wrong("vfork");
	return NULL;
}

static void mode_vfork(void)
{
	map_device();
	atomic_store(&page->ready, 1);
	vfork_thread(NULL);
	_exit(page->wrong ? 1 : VICTIM_DONE);
}

static void mode_vfork_beside(void)
{
	start(vfork_thread, NULL);
	answer_questions(map_device());
}

static char *first_mapping;

static void *second_thread(void *arg)
{
	nap_us(20000);
	answer_questions(first_mapping);
	return NULL;
}

static void mode_leader_gone(void)
{
	first_mapping = map_device();
	start(second_thread, NULL);
	pthread_exit(NULL);
}

static void mode_many_fds(void)
{
	struct rlimit few = { 64, 64 };
	char *at = map_device();

	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		wrong("setrlimit");
	while (dup(device) >= 0)
		;
	answer_questions(at);
}

/* memfd_create is death: ours must not be; its own still is, afterwards. */
static void mode_seccomp(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	char *at = map_device();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		wrong("seccomp");
	atomic_store(&page->ready, 1);
	while (!quits())
		nap_us(1000);
	page->gone[0] = is_gone(at);
	memfd_create("its own", 0);
	_exit(VICTIM_DONE);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "spin", mode_spin },
	{ "asked", mode_asked },
	{ "harmless", mode_harmless },
	{ "unmapped", mode_unmapped },
	{ "births", mode_births },
	{ "forks", mode_forks },
	{ "signals", mode_signals },
	{ "short-lived", mode_short_lived },
	{ "execs", mode_execs },
	{ "vfork", mode_vfork },
	{ "vfork-beside", mode_vfork_beside },
	{ "leader-gone", mode_leader_gone },
	{ "many-fds", mode_many_fds },
	{ "seccomp", mode_seccomp },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 4)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
		    (int)strtol(argv[2], NULL, 10), 0);
	device = (int)strtol(argv[3], NULL, 10);
	if (page == MAP_FAILED)
		return 2;
	catch_sigbus();
	if (!strncmp(argv[1], "first-", 6))
		mode_first(argv[1] + 6);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run();
	}
	return 2;
}
