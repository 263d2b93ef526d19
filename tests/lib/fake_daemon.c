/* SPDX-License-Identifier: BSD-3-Clause */
#include "lib/fake_daemon.h"
#include "client/probe.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct fake *current; /* one at a time */
static _Atomic bool gone;

int __wrap_probe_socket(int fd, char *path);
int __wrap_probe_token(int fd, struct udax_ioc_token *token);

int __wrap_probe_socket(int fd, char *path)
{
	struct stat st;

	if (!current || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -ENOTSUP;
	if (gone)
		return -ENOTCONN;
	if (path)
		memcpy(path, current->path, sizeof(current->path));
	return 0;
}

int __wrap_probe_token(int fd, struct udax_ioc_token *token)
{
	memset(token->token, fcntl(fd, F_GETFL) & O_RDWR ? 2 : 1,
	       sizeof(token->token));
	return gone ? -ENOTCONN : 0;
}

/* ------------------------------------------------------------------ leases */

static void drop(struct fake *fake, uint64_t id, uint64_t from, uint64_t to)
{
	for (unsigned int i = 0; i < fake->leases; i++) {
		struct fake_lease *lease = &fake->lease[i];
		uint64_t end = lease->offset + lease->length;
		struct fake_lease rest = *lease;

		if (lease->id != id || lease->offset >= to || end <= from)
			continue;
		if (lease->offset >= from && end <= to) {
			*lease = fake->lease[--fake->leases];
			i--;
		} else if (lease->offset >= from) {
			lease->offset = to;
			lease->length = end - to;
		} else {
			lease->length = from - lease->offset;
			if (end > to) {
				rest.offset = to;
				rest.length = end - to;
				fake->lease[fake->leases++] = rest;
			}
		}
	}
}

uint64_t fake_leased(struct fake *fake)
{
	uint64_t pages = 0;

	pthread_mutex_lock(&fake->lock);
	for (unsigned int i = 0; i < fake->leases; i++)
		pages += fake->lease[i].length / FAKE_PAGE;
	pthread_mutex_unlock(&fake->lock);
	return pages;
}

static uint64_t lease_of(struct fake *fake, uint64_t page)
{
	uint64_t at = page * FAKE_PAGE;

	for (unsigned int i = 0; i < fake->leases; i++)
		if (at - fake->lease[i].offset < fake->lease[i].length)
			return fake->lease[i].id;
	return 0;
}

uint64_t fake_lease_of(struct fake *fake, uint64_t page)
{
	uint64_t id;

	pthread_mutex_lock(&fake->lock);
	id = lease_of(fake, page);
	pthread_mutex_unlock(&fake->lock);
	return id;
}

/* Neighbouring runs of the file are swapped on the device. */
static uint64_t device_page(const struct fake *fake, uint64_t page)
{
	uint64_t run = page / fake->run_pages;

	return FAKE_SHIFT + (run ^ 1) * fake->run_pages +
	       page % fake->run_pages;
}

unsigned char *fake_at(struct fake *fake, uint64_t offset)
{
	return fake->device +
	       device_page(fake, offset / FAKE_PAGE) * FAKE_PAGE +
	       offset % FAKE_PAGE;
}

void fake_set_size(struct fake *fake, uint64_t bytes)
{
	fake->sizes[0] = bytes;
}

/* ----------------------------------------------------------------- answers */

static void answer(struct fake *fake, const void *message,
		   const struct wire_fds *fds)
{
	(void)!wire_send(fake->socket, message, fds, 0);
}

static void say(struct fake *fake, const struct udax_header *request,
		int status)
{
	struct udax_header reply = wire_reply(request, status, sizeof(reply));

	answer(fake, &reply, NULL);
}

static void answer_hello(struct fake *fake, const struct udax_header *request)
{
	struct wire_fds fds = { 2, { fake->sizes_fd, fake->stored_fd } };
	struct udax_hello_reply reply = { .header = wire_reply(request, 0,
							       sizeof(reply)),
					  .protocol = UDAX_PROTOCOL_VERSION,
					  .filesystem = "fake",
					  .lineage = 1,
					  .sizes_words = 512,
					  .stored_words = 512,
					  .leases_max = FAKE_LEASES };

	answer(fake, &reply, &fds);
}

static void answer_open(struct fake *fake, const struct udax_open *request)
{
	struct udax_open_reply reply = {
		.header = wire_reply(&request->header, 0, sizeof(reply)),
		.handle = fake->opens++ % 512,
		.access = request->token[0] == 2
				  ? UDAX_OPEN_READ | UDAX_OPEN_WRITE
				  : UDAX_OPEN_READ,
		.inode = 7,
		.generation = 1,
		.size = fake->sizes[0],
		.sizes_word = 0
	};

	answer(fake, &reply, NULL);
}

static void send_recall(struct fake *fake, uint64_t lease, uint64_t offset,
			uint64_t length, enum udax_recall_reason reason)
{
	struct udax_recall recall = { .header = wire_header(UDAX_RECALL, 0,
							    sizeof(recall)),
				      .recall = ++fake->recalls,
				      .lease = lease,
				      .offset = offset,
				      .length = length,
				      .device = 0,
				      .reason = reason,
				      .deadline_ms = 3000 };

	answer(fake, &recall, NULL);
}

static unsigned int make_runs(struct fake *fake, const struct udax_map *request,
			      struct udax_map_reply *reply, uint64_t end)
{
	uint64_t at = request->offset / FAKE_PAGE, last = end / FAKE_PAGE;
	unsigned int count = 0;

	while (at < last && count < UDAX_RUNS_MAX) {
		bool hole = at == fake->hole_page &&
			    !(request->flags & UDAX_MAP_WRITABLE);
		uint64_t to = at - at % fake->run_pages + fake->run_pages;

		if (hole)
			to = at + 1;
		else if (fake->hole_page > at && fake->hole_page < to)
			to = fake->hole_page;
		if (to > last)
			to = last;
		reply->runs[count++] = (struct udax_run){
			.offset = at * FAKE_PAGE,
			.length = (to - at) * FAKE_PAGE,
			.device_offset = device_page(fake, at) * FAKE_PAGE,
			.flags = hole ? UDAX_RUN_ZERO : 0
		};
		at = to;
	}
	return count;
}

static void grant(struct fake *fake, const struct udax_map *request,
		  struct udax_map_reply *reply, uint64_t end)
{
	bool writable = request->flags & UDAX_MAP_WRITABLE;
	struct wire_fds fds = { 0, { -1 } };
	uint64_t length;

	reply->run_count = make_runs(fake, request, reply, end);
	length = reply->runs[reply->run_count - 1].offset +
		 reply->runs[reply->run_count - 1].length - request->offset;
	reply->header = wire_reply(
		&request->header, 0,
		sizeof(*reply) + reply->run_count * sizeof(struct udax_run));
	reply->lease = ++fake->last_id;
	reply->offset = request->offset;
	reply->length = length;
	reply->granularity = fake->granularity;
	if (!fake->gave[writable]) {
		fds.count = 1;
		fds.fd[0] = writable ? fake->device_fd : fake->device_read_fd;
		reply->flags = UDAX_MAP_FD;
		fake->gave[writable] = true;
	}
	fake->lease[fake->leases++] = (struct fake_lease){
		reply->lease, reply->offset, reply->length, writable
	};
	if (fake->recall_first) {
		fake->recall_first = false;
		send_recall(fake, reply->lease, reply->offset, reply->length,
			    UDAX_RECALL_CHANGE);
	}
	answer(fake, reply, &fds);
}

static void answer_map(struct fake *fake, const struct udax_map *request)
{
	static union {
		struct udax_map_reply reply;
		char bytes[UDAX_MESSAGE_BYTES_MAX];
	} out;
	uint64_t size = (fake->sizes[0] + FAKE_PAGE - 1) & ~(FAKE_PAGE - 1);
	uint64_t end = request->offset + request->length;

	fake->maps++;
	memset(&out.reply, 0, sizeof(out.reply));
	if (fake->again > 0) {
		fake->again--;
		say(fake, &request->header, -EAGAIN);
	} else if (fake->refuse) {
		say(fake, &request->header, fake->refuse);
	} else if (request->offset >= size) {
		say(fake, &request->header, -ENODATA);
	} else {
		grant(fake, request, &out.reply, end < size ? end : size);
	}
}

static void serve(struct fake *fake, const struct udax_header *header)
{
	const struct udax_range *range = (const void *)header;
	const struct udax_returned *returned = (const void *)header;
	struct udax_pin_reply pin;

	if (fake->silent)
		return;
	switch (header->type) {
	case UDAX_HELLO:
		answer_hello(fake, header);
		return;
	case UDAX_OPEN:
		answer_open(fake, (const void *)header);
		return;
	case UDAX_MAP:
		answer_map(fake, (const void *)header);
		return;
	case UDAX_UNMAP:
		fake->unmaps++;
		drop(fake, range->lease, range->offset,
		     range->offset + range->length);
		break;
	case UDAX_RETURNED:
		if (returned->lease)
			drop(fake, returned->lease, returned->offset,
			     returned->offset + returned->length);
		else
			fake->gave[0] = fake->gave[1] = false;
		fake->returned++;
		return;
	case UDAX_PIN:
		pin = (struct udax_pin_reply){ .header = wire_reply(
						       header, 0, sizeof(pin)),
					       .pin = ++fake->last_id };
		fake->pins++;
		answer(fake, &pin, NULL);
		return;
	case UDAX_UNPIN:
		fake->pins--;
		break;
	case UDAX_SYNC:
		fake->syncs++;
		break;
	case UDAX_CLOSE:
		fake->closes++;
		break;
	default:
		break;
	}
	say(fake, header, 0);
}

static bool receive(struct fake *fake)
{
	union {
		struct udax_header header;
		char bytes[4096];
	} message;
	struct wire_fds fds;

	if (wire_receive(fake->socket, &message, sizeof(message), &fds,
			 WIRE_CLIENT, MSG_DONTWAIT) < 0)
		return false;
	serve(fake, &message.header);
	return true;
}

static void *run(void *arg)
{
	struct fake *fake = arg;

	for (;;) {
		struct pollfd wait[3] = {
			{ .fd = fake->quit[0], .events = POLLIN },
			{ .fd = fake->socket < 0 ? fake->listener : -1,
			  .events = POLLIN },
			{ .fd = fake->socket, .events = POLLIN }
		};

		poll(wait, 3, -1);
		if (wait[0].revents)
			return NULL;
		pthread_mutex_lock(&fake->lock);
		if (wait[1].revents)
			fake->socket = accept4(fake->listener, NULL, 0,
					       SOCK_CLOEXEC);
		if (wait[2].revents && !receive(fake)) {
			close(fake->socket);
			fake->socket = -1;
		}
		pthread_mutex_unlock(&fake->lock);
	}
}

/* ------------------------------------------------------------ begin and end */

static void *words(int *fd)
{
	*fd = memfd_create("words", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, 4096))
		return NULL;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
}

static bool open_device(struct fake *fake)
{
	char path[64];

	fake->device_fd = memfd_create("fake-device", MFD_CLOEXEC);
	if (fake->device_fd < 0 ||
	    ftruncate(fake->device_fd, FAKE_DEVICE_PAGES * FAKE_PAGE))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fake->device_fd);
	fake->device_read_fd = open(path, O_RDONLY | O_CLOEXEC);
	fake->device = mmap(NULL, FAKE_DEVICE_PAGES * FAKE_PAGE,
			    PROT_READ | PROT_WRITE, MAP_SHARED, fake->device_fd,
			    0);
	return fake->device_read_fd >= 0 && fake->device != MAP_FAILED;
}

static bool open_door(struct fake *fake)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(fake->path, sizeof(fake->path), "/tmp/udax-fake.%d",
		 (int)getpid());
	unlink(fake->path);
	memcpy(at.sun_path, fake->path, sizeof(at.sun_path));
	fake->socket = -1;
	fake->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(fake->listener, (void *)&at, sizeof(at)) ||
	    listen(fake->listener, 8) || pipe2(fake->quit, O_CLOEXEC))
		return false;
	return pthread_create(&fake->thread, NULL, run, fake) == 0;
}

struct fake *fake_start(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	pthread_mutex_init(&fake->lock, NULL);
	fake->hole_page = UINT64_MAX;
	fake->run_pages = 512;
	fake->sizes = words(&fake->sizes_fd);
	fake->stored = words(&fake->stored_fd);
	if (!fake->sizes || !fake->stored || !open_device(fake) ||
	    !open_door(fake))
		return NULL;
	current = fake;
	gone = false;
	return fake;
}

void fake_crash(struct fake *fake)
{
	gone = true;
	(void)!write(fake->quit[1], "x", 1);
	pthread_join(fake->thread, NULL);
	if (fake->socket >= 0)
		close(fake->socket);
	close(fake->listener);
	close(fake->quit[0]);
	close(fake->quit[1]);
	unlink(fake->path);
	fake->leases = 0;
	fake->gave[0] = fake->gave[1] = false;
}

bool fake_restart(struct fake *fake)
{
	bool open = open_door(fake);

	gone = false;
	return open;
}

void fake_stop(struct fake *fake)
{
	current = NULL;
	fake_crash(fake);
	munmap(fake->device, FAKE_DEVICE_PAGES * FAKE_PAGE);
	munmap((void *)fake->sizes, 4096);
	munmap((void *)fake->stored, 4096);
	close(fake->device_fd);
	close(fake->device_read_fd);
	close(fake->sizes_fd);
	close(fake->stored_fd);
	pthread_mutex_destroy(&fake->lock);
	free(fake);
}

/* ----------------------------------------------------------------- recalls */

bool fake_wait_returned(struct fake *fake, unsigned int count)
{
	for (int i = 0; i < 5000; i++) {
		bool there;

		pthread_mutex_lock(&fake->lock);
		there = fake->returned >= count;
		pthread_mutex_unlock(&fake->lock);
		if (there)
			return true;
		usleep(1000);
	}
	return false;
}

bool fake_recall(struct fake *fake, uint64_t page, uint64_t pages)
{
	unsigned int expected;
	uint64_t lease;

	pthread_mutex_lock(&fake->lock);
	lease = lease_of(fake, page);
	expected = fake->returned + 1;
	send_recall(fake, lease, page * FAKE_PAGE, pages * FAKE_PAGE,
		    UDAX_RECALL_CHANGE);
	pthread_mutex_unlock(&fake->lock);
	return fake_wait_returned(fake, expected);
}

void fake_send_remove(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->refuse = -ENXIO;
	send_recall(fake, 0, 0, 0, UDAX_RECALL_REMOVAL);
	pthread_mutex_unlock(&fake->lock);
}

bool fake_remove(struct fake *fake)
{
	unsigned int expected = fake->returned + 1;

	fake_send_remove(fake);
	return fake_wait_returned(fake, expected);
}

void fake_send_live(struct fake *fake)
{
	struct udax_device live = { .header = wire_header(UDAX_DEVICE, 0,
							  sizeof(live)) };

	pthread_mutex_lock(&fake->lock);
	fake->refuse = 0;
	answer(fake, &live, NULL);
	pthread_mutex_unlock(&fake->lock);
}
