/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * direct_holder FILE [ro] [deaf] [liar] [later]: lease a whole file, without
 * the library, then do what stdin says, a line each, and answer each with one
 * line.
 *
 *   load OFFSET         → the byte, or SIGBUS; beyond what was leased: beyond
 *   store OFFSET BYTE   → ok, or SIGBUS, or beyond
 *   pin OFFSET LENGTH   → ok, or errno's name; unpin → the same, the last one
 *   map OFFSET LENGTH   → ok, or errno's name: one more lease, not looked at
 *   fork                → a child's pid, that keeps the mapping and no more
 *   traced              → ok: a child traces us, so that nobody else can
 *   hangup              → ok: the socket is closed, the mapping stays
 *   recalls             → how many have come
 *   give                → ok: does what RECALL asked for last
 *   stamp               → ok: tells the daemon that it has stored just now
 *
 * It does what RECALL asks for; deaf: it takes no notice; later: it waits for
 * `give`; liar: it says that it has given back what it maps on. SIGBUS is told
 * as "SIGBUS CODE right|wrong": whether si_addr was the address touched.
 */
#include "lib/direct_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct direct_client client;
static uint32_t handle;
static uint64_t lease, pin, pin_offset, pin_length;
static char *memory;
static uint64_t length;
static bool writable = true, deaf, liar, later;
static struct udax_recall last;
static unsigned int recalls;

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

static void tell(int err)
{
	if (err)
		printf("%s\n", strerrorname_np(-err));
	else
		puts("ok");
}

static void tell_fault(const char *touched)
{
	printf("SIGBUS %s %s\n",
	       fault_code == BUS_ADRERR ? "BUS_ADRERR" : "other",
	       fault_at == touched ? "right" : "wrong");
}

static void touch(char *at, bool store, int byte)
{
	int seen;

	if (sigsetjmp(escape, 1)) {
		tell_fault(at);
		return;
	}
	if (store) {
		*(volatile char *)at = (char)byte;
		puts("ok");
		return;
	}
	seen = *(volatile unsigned char *)at;
	printf("%d\n", seen);
}

/* An empty file's pages: SIGBUS at the exact address. */
static void poison(uint64_t offset, uint64_t bytes)
{
	int empty;

	/* Of a lease that is not mapped. */
	if (offset >= length)
		return;
	if (bytes > length - offset)
		bytes = length - offset;
	empty = memfd_create("empty", MFD_CLOEXEC);
	if (mmap(memory + offset, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, empty, 0) == MAP_FAILED)
		_exit(3);
	close(empty);
}

static void give_back(const struct udax_recall *recall)
{
	if (recall->reason == UDAX_RECALL_CHANGE) {
		poison(recall->offset, recall->length);
		return;
	}
	if (!pin) {
		poison(0, length);
	} else {
		poison(0, pin_offset);
		poison(pin_offset + pin_length,
		       length - pin_offset - pin_length);
		return; /* the descriptors stay with what is pinned */
	}
	for (int i = 0; i < 2; i++) {
		if (client.device_fd[i] >= 0)
			close(client.device_fd[i]);
		client.device_fd[i] = -1;
	}
}

static void hear(struct direct_client *from)
{
	int err;

	if (from->in.header.type != UDAX_RECALL)
		return;
	recalls++;
	last = client.in.recall;
	if (deaf || later)
		return;
	if (!liar)
		give_back(&last);
	err = client_returned(from);
	if (err)
		client_disconnect(from);
}

static void take_news(void)
{
	if (client_next(&client, 0))
		client_disconnect(&client);
	else
		hear(&client);
}

static void give(void)
{
	if (!recalls) {
		puts("nothing");
		return;
	}
	give_back(&last);
	client.in.recall = last;
	tell(client_returned(&client));
}

static void stamp(void)
{
	uint64_t *words = mmap(NULL, (handle + 1) * sizeof(*words),
			       PROT_READ | PROT_WRITE, MAP_SHARED,
			       client.stored_fd, 0);
	struct timespec now;

	if (words == MAP_FAILED) {
		tell(-errno);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	__atomic_store_n(&words[handle],
			 (uint64_t)now.tv_sec * 1000000000 +
				 (uint64_t)now.tv_nsec,
			 __ATOMIC_RELEASE);
	munmap(words, (handle + 1) * sizeof(*words));
	puts("ok");
}

static void do_fork(void)
{
	pid_t child = fork();

	if (child == 0) {
		client_end(&client);
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		for (;;)
			pause();
	}
	printf("%d\n", child);
}

static void be_traced(void)
{
	pid_t parent = getpid();
	int ready[2];
	char byte = 0;

	if (pipe2(ready, O_CLOEXEC))
		_exit(3);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (fork() == 0) {
		client_end(&client);
		munmap(memory, length);
		byte = ptrace(PTRACE_SEIZE, parent, NULL, NULL) == 0;
		if (write(ready[1], &byte, 1) != 1)
			_exit(3);
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (waitpid(parent, NULL, __WALL) > 0)
			;
		_exit(0);
	}
	if (read(ready[0], &byte, 1) != 1)
		byte = 0;
	puts(byte ? "ok" : "failed");
}

static void do_pin(uint64_t offset, uint64_t bytes)
{
	int err = client_range(&client, UDAX_PIN, lease, offset, bytes);

	if (!err) {
		pin = client.in.pin.pin;
		pin_offset = offset;
		pin_length = bytes;
	}
	tell(err);
}

/* What was pinned goes first when it was recalled meanwhile. */
static void do_unpin(void)
{
	uint64_t which = pin;

	pin = 0;
	if (which && recalls && !deaf) {
		poison(pin_offset, pin_length);
		close(client.device_fd[writable]);
		client.device_fd[writable] = -1;
	}
	tell(client_unpin(&client, which));
}

static void obey(const char *line)
{
	unsigned long long a = 0, b = 0;
	char verb[16] = "";

	sscanf(line, "%15s %llu %llu", verb, &a, &b);
	if ((strcmp(verb, "load") == 0 || strcmp(verb, "store") == 0) &&
	    a >= length)
		puts("beyond");
	else if (strcmp(verb, "load") == 0)
		touch(memory + a, false, 0);
	else if (strcmp(verb, "store") == 0)
		touch(memory + a, true, (int)b);
	else if (strcmp(verb, "pin") == 0)
		do_pin(a, b);
	else if (strcmp(verb, "unpin") == 0)
		do_unpin();
	else if (strcmp(verb, "map") == 0)
		tell(client_map(&client, handle, a, b, writable));
	else if (strcmp(verb, "give") == 0)
		give();
	else if (strcmp(verb, "stamp") == 0)
		stamp();
	else if (strcmp(verb, "fork") == 0)
		do_fork();
	else if (strcmp(verb, "traced") == 0)
		be_traced();
	else if (strcmp(verb, "recalls") == 0)
		printf("%u\n", recalls);
	else if (strcmp(verb, "hangup") == 0)
		client_disconnect(&client), puts("ok");
	else
		puts("what?");
}

static int begin(const char *path)
{
	struct udax_ioc_token token;
	struct stat st;
	int fd = open(path, writable ? O_RDWR : O_RDONLY);
	int err;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    ioctl(fd, UDAX_IOC_TOKEN, &token) < 0)
		return -errno;
	length = (uint64_t)st.st_size;
	close(fd);
	err = client_connect(&client, token.socket);
	if (!err)
		err = client_hello(&client);
	if (!err)
		err = client_open(&client, token.token, &handle);
	if (!err)
		err = client_map(&client, handle, 0, length, writable);
	if (err)
		return err;
	lease = client.in.map.lease;
	length = client.in.map.length;
	memory = client_memory(&client, writable);
	client.other = hear;
	return memory ? 0 : -ENOMEM;
}

static void serve(void)
{
	struct pollfd wait[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				 { .events = POLLIN } };
	char line[256];

	for (;;) {
		wait[1].fd = client.socket;
		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[1].revents)
			take_news();
		if (!wait[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return;
		obey(line);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct sigaction bus = { .sa_sigaction = on_sigbus,
				 .sa_flags = SA_SIGINFO };
	int err;

	for (int i = 2; i < argc; i++) {
		writable = writable && strcmp(argv[i], "ro") != 0;
		deaf = deaf || strcmp(argv[i], "deaf") == 0;
		liar = liar || strcmp(argv[i], "liar") == 0;
		later = later || strcmp(argv[i], "later") == 0;
	}
	sigaction(SIGBUS, &bus, NULL);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdin, NULL, _IONBF, 0);
	err = argc < 2 ? -EINVAL : begin(argv[1]);
	if (err) {
		tell(err);
		return 1;
	}
	puts("mapped");
	fflush(stdout);
	serve();
	return 0;
}
