/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lease_client FILE library|deaf [RANGES]: map a whole file directly, in that
 * many equal ranges, then do what stdin says, a line each, and answer each with
 * one line. `library` is libudax; `deaf` speaks the protocol itself, never
 * hears what the daemon asks, and lets its children inherit.
 * lease_client FILE dies STEP: SIGKILL to itself at that step of the protocol.
 *
 *   load OFFSET | store OFFSET BYTE → the byte or ok, or SIGBUS as mapper's
 *   spin      → ok: a thread stores at random places of all ranges until SIGBUS
 *   spun      → spinning, or SIGBUS CODE right|wrong
 *   save PATH → ok: what the file should be, by the stores that were made
 *   pin | unpin → ok, or errno's name: the first page of the first range
 *   remap     → ok, or errno's name: all ranges again, somewhere else
 *   quit      → nothing; the end of the input does as well
 *   storm | calm → ok: a thread that forks children without end | and its end
 */
#include "lib/direct_client.h"
#include "udax/udax.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGES_MAX 256

static struct {
	int fd;
	bool deaf;
	unsigned int count;
	size_t length; /* of a range */
	unsigned char *at[RANGES_MAX];
	unsigned char *shadow; /* of the whole file */
	struct direct_client client;
	uint32_t handle;
	uint64_t leases[RANGES_MAX];
	uint64_t pin;
} my;

/* ------------------------------------------------------------------ SIGBUS */

static __thread sigjmp_buf escape;
static __thread void *volatile fault_at;
static __thread volatile int fault_code;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	fault_at = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(escape, 1);
}

static void tell_fault(char *out, size_t bytes, const volatile void *touched)
{
	snprintf(out, bytes, "SIGBUS %s %s",
		 fault_code == BUS_ADRERR ? "BUS_ADRERR" : "other",
		 fault_at == touched ? "right" : "wrong");
}

static void tell(int err)
{
	puts(err ? strerrorname_np(err < 0 ? -err : err) : "ok");
}

/* ----------------------------------------------------------------- mapping */

static int deaf_connect(void)
{
	struct udax_ioc_token token;
	int err;

	if (ioctl(my.fd, UDAX_IOC_TOKEN, &token) < 0)
		return -errno;
	err = client_connect(&my.client, token.socket);
	if (!err)
		err = client_hello(&my.client);
	return err ? err : client_open(&my.client, token.token, &my.handle);
}

static int deaf_map(unsigned int i)
{
	int err = client_map(&my.client, my.handle, i * my.length, my.length,
			     true);

	if (err)
		return err;
	if (my.client.in.map.length != my.length)
		return -ERANGE;
	my.leases[i] = my.client.in.map.lease;
	my.at[i] = client_memory(&my.client, true);
	return my.at[i] ? 0 : -ENOMEM;
}

static int library_map(unsigned int i)
{
	void *at = udax_mmap(NULL, my.length, PROT_READ | PROT_WRITE,
			     MAP_SHARED, my.fd, (off_t)(i * my.length));

	if (at == MAP_FAILED)
		return -errno;
	my.at[i] = at;
	return 0;
}

static int map_all(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < my.count && !err; i++)
		err = my.deaf ? deaf_map(i) : library_map(i);
	return err;
}

/* ---------------------------------------------------------------- touching */

static void touch(const char *verb, unsigned long offset, int byte)
{
	volatile unsigned char *at = my.at[offset / my.length] +
				     offset % my.length;
	char fault[64];

	if (sigsetjmp(escape, 1)) {
		tell_fault(fault, sizeof(fault), at);
		puts(fault);
	} else if (!strcmp(verb, "load")) {
		printf("%u\n", *at);
	} else {
		*at = (unsigned char)byte;
		my.shadow[offset] = (unsigned char)byte;
		puts("ok");
	}
}

static struct {
	atomic_bool done;
	char fault[64];
} spin;

/* A store is made, and noted; the one that faults is not made. */
static void *spin_thread(void *arg)
{
	volatile uint64_t *volatile at = NULL;
	volatile uint64_t random = (uint64_t)getpid() << 32 | 1;

	(void)arg;
	if (sigsetjmp(escape, 1) == 0) {
		for (;;) {
			uint64_t r = random * UINT64_C(6364136223846793005) + 1;
			size_t where = (r >> 20) % (my.count * my.length / 8);
			size_t range = where * 8 / my.length;

			random = r;
			at = (volatile uint64_t *)(my.at[range] +
						   where * 8 % my.length);
			*at = r;
			((volatile uint64_t *)my.shadow)[where] = r;
		}
	}
	tell_fault(spin.fault, sizeof(spin.fault), at);
	atomic_store(&spin.done, true);
	return NULL;
}

static void start_spin(void)
{
	pthread_t thread;
	int error;

	atomic_store(&spin.done, false);
	error = pthread_create(&thread, NULL, spin_thread, NULL);
	if (!error)
		pthread_detach(thread);
	tell(error);
}

static void save(const char *path)
{
	FILE *file = fopen(path, "we");
	size_t bytes = my.count * my.length;

	if (!file || fwrite(my.shadow, 1, bytes, file) != bytes ||
	    fclose(file) != 0)
		tell(EIO);
	else
		tell(0);
}

/* --------------------------------------------------------------- fork storm */

static struct {
	pthread_t thread;
	atomic_bool calm;
} storm;

/* Each lives on the mapping for a while; a few have a child themselves. */
static void live(unsigned int n)
{
	volatile unsigned char *at = my.at[0];
	unsigned int i;

	signal(SIGBUS, SIG_DFL);
	if (n % 4 == 0 && fork() == 0)
		n++;
	for (i = 0; i < 20 + n % 100; i++) {
		at[n % my.length]++;
		usleep(1000);
	}
	_exit(0);
}

static void *storm_thread(void *arg)
{
	unsigned int n;

	(void)arg;
	for (n = 0; !atomic_load(&storm.calm); n++) {
		if (fork() == 0)
			live(n);
		usleep(2000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return NULL;
}

/* -------------------------------------------------------------------- pins */

static void pin(void)
{
	uint64_t pin = 0;
	int err;

	if (my.deaf) {
		err = client_range(&my.client, UDAX_PIN, my.leases[0], 0, 4096);
		pin = my.client.in.pin.pin;
	} else {
		err = udax_pin(my.at[0], 4096, &pin) ? errno : 0;
	}
	if (!err)
		my.pin = pin;
	tell(err);
}

static void unpin(void)
{
	if (my.deaf)
		tell(client_unpin(&my.client, my.pin));
	else
		tell(udax_unpin(my.pin) ? errno : 0);
}

static void obey(const char *verb, const char *argument, int byte)
{
	if (!strcmp(verb, "load") || !strcmp(verb, "store")) {
		touch(verb, strtoul(argument, NULL, 10), byte);
	} else if (!strcmp(verb, "spin")) {
		start_spin();
	} else if (!strcmp(verb, "spun")) {
		puts(atomic_load(&spin.done) ? spin.fault : "spinning");
	} else if (!strcmp(verb, "save")) {
		save(argument);
	} else if (!strcmp(verb, "pin")) {
		pin();
	} else if (!strcmp(verb, "unpin")) {
		unpin();
	} else if (!strcmp(verb, "remap")) {
		tell(map_all());
	} else if (!strcmp(verb, "storm")) {
		tell(pthread_create(&storm.thread, NULL, storm_thread, NULL));
	} else if (!strcmp(verb, "calm")) {
		atomic_store(&storm.calm, true);
		tell(pthread_join(storm.thread, NULL));
	} else {
		printf("unknown verb %s\n", verb);
	}
}

/* ------------------------------------------------------------ sudden deaths */

/* Prints "here" before it goes, so that a step not reached is seen. */
static void die_at(const char *step, const char *here)
{
	if (strcmp(step, here) == 0) {
		puts("here");
		fflush(stdout);
		raise(SIGKILL);
	}
}

static void send_map(void)
{
	struct udax_map message = {
		.header = wire_header(UDAX_MAP, 0, sizeof(message)),
		.handle = my.handle,
		.flags = UDAX_MAP_WRITABLE,
		.length = my.length,
	};

	(void)client_send(&my.client, &message);
}

static int die(const char *step)
{
	struct udax_ioc_token token;
	int err;

	if (ioctl(my.fd, UDAX_IOC_TOKEN, &token) < 0)
		return 1;
	die_at(step, "token");
	err = client_connect(&my.client, token.socket);
	die_at(step, "connected");
	err = err ? err : client_hello(&my.client);
	die_at(step, "hello");
	err = err ? err : client_open(&my.client, token.token, &my.handle);
	die_at(step, "opened");
	if (!strcmp(step, "asked"))
		send_map();
	die_at(step, "asked");
	err = err ? err : client_map(&my.client, my.handle, 0, my.length, true);
	die_at(step, "granted");
	if (err || !(my.at[0] = client_memory(&my.client, true)))
		return 1;
	my.leases[0] = my.client.in.map.lease;
	my.at[0][0] = 1;
	die_at(step, "mapped");
	err = client_range(&my.client, UDAX_PIN, my.leases[0], 0, 4096);
	die_at(step, "pinned");
	err = err ? err : client_unpin(&my.client, my.client.in.pin.pin);
	puts("waits");
	fflush(stdout);
	err = err ? err : client_await(&my.client, UDAX_RECALL, 0, 20000);
	die_at(step, "recalled");
	munmap(my.at[0], my.length);
	die_at(step, "unmapped");
	err = err ? err : client_returned(&my.client);
	die_at(step, "returned");
	printf("no step %s: %s\n", step, strerrorname_np(-err));
	return 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };
	char line[4096], verb[32], argument[4000];
	struct stat st;
	int err;

	if (argc < 3 || (my.fd = open(argv[1], O_RDWR | O_CLOEXEC)) < 0 ||
	    fstat(my.fd, &st) < 0)
		return 2;
	my.deaf = strcmp(argv[2], "library") != 0;
	my.count = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 1;
	my.length = 0;
	if (!strcmp(argv[2], "dies")) {
		my.length = (size_t)st.st_size;
		return die(argv[3]);
	}
	if (my.count == 0 || my.count > RANGES_MAX)
		return 2;
	my.length = (size_t)st.st_size / my.count;
	my.shadow = malloc((size_t)st.st_size);
	if (!my.shadow || pread(my.fd, my.shadow, (size_t)st.st_size, 0) !=
				  (ssize_t)st.st_size)
		return 2;
	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = my.deaf ? deaf_connect() : 0;
	err = err ? err : map_all();
	puts(err ? strerrorname_np(-err) : "mapped");
	while (!err && fgets(line, sizeof(line), stdin)) {
		int byte = 0, n;

		argument[0] = '\0';
		n = sscanf(line, "%31s %3999s %i", verb, argument, &byte);
		if (n > 0 && !strcmp(verb, "quit"))
			break;
		if (n > 0)
			obey(verb, argument, byte);
	}
	return err != 0;
}
