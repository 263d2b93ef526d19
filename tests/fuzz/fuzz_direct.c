/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_direct.c -- the server of direct mappings, given bytes
 *
 * The real decoder, state machine, threads and core, over the real socket, on a
 * small filesystem without a mount. An input is a script of packets:
 *
 *   'p' LENGTH(2) BYTES   a packet, as it is
 *   'm' TYPE BYTES(48)    a packet of that type, its length right
 *   'h'                   HELLO, as it should be
 *   'o' FLAGS             OPEN by a fresh token (1: to write)
 *   'f'                   a packet with a descriptor
 *   'r'                   read what has come, do as RECALL says
 *   'b' FIRST LAST        a break of those pages, ended before the next
 *   'd' MODE              the device is revoked (0-2), then not
 *   'n'                   a new connection
 *
 * It must not crash, leak a lease past its client, or hang. `make fuzz-direct`
 * runs it with libFuzzer; without, main() below runs the files it is given (the
 * corpus, in `make check`), and with -r N mutations of each.
 */
#include "core/dir.h"
#include "core/file.h"
#include "core/fs.h"
#include "core/inode.h"
#include "core/lease.h"
#include "core/request.h"
#include "core/token.h"
#include "direct/direct.h"
#include "lib/direct_client.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 32
#define DEVICE_BYTES "32M"
#define SETTLE_MS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fs *fs;
static struct direct *server;
static struct inode *file;
static struct request request;
static struct direct_client client;
static char device[64];

static void fail(const char *what)
{
	fprintf(stderr, "fuzz_direct: %s\n", what);
	abort();
}

static void remove_device(void)
{
	unlink(device);
}

static void make_file(void)
{
	static const char bytes[PAGES * UDAX_PAGE_BYTES] = "x";
	struct inode *root = inode_of(fs, INO_ROOT);
	const struct dir_new attr = { .mode = S_IFREG | 0644 };

	if (request_thread_init(fs, &request) ||
	    request_begin(&request, "fuzz", INO_ROOT, 0, false) ||
	    dir_create(&request, root, "file", &attr, &file))
		fail("no file");
	request_end(&request);
	if (inode_open(fs, file, true) ||
	    request_begin(&request, "fuzz", file->ino, 0, false) ||
	    file_write(&request, file, bytes, sizeof(bytes), 0, false) !=
		    sizeof(bytes))
		fail("no bytes");
	request_end(&request);
}

static void begin(void)
{
	const struct fs_options options = { .dax = DAX_ALWAYS };
	char *paths[1] = { device };
	char command[256], why[256] = "";

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(device, sizeof(device), "/dev/shm/fuzz-direct.%d", getpid());
	atexit(remove_device);
	snprintf(command, sizeof(command),
		 "./mkfs.udaxfs -q -f -s " DEVICE_BYTES " %s", device);
	if (system(command) != 0 ||
	    fs_mount(&fs, paths, 1, &options, why, sizeof(why)))
		fail(why[0] ? why : "no filesystem");
	make_file();
	if (direct_start(&server, fs, why, sizeof(why)))
		fail(why);
}

/* ------------------------------------------------------------------- script */

struct script {
	const uint8_t *at;
	size_t left;
};

static unsigned int byte_of(struct script *script)
{
	if (script->left == 0)
		return 0;
	script->left--;
	return *script->at++;
}

/* Some of what is left; the rest of `room` stays zero. */
static void bytes_of(struct script *script, void *to, size_t room)
{
	size_t take = script->left < room ? script->left : room;

	memset(to, 0, room);
	memcpy(to, script->at, take);
	script->at += take;
	script->left -= take;
}

static void send_raw(const void *bytes, size_t length)
{
	if (send(client.socket, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* closed, or full: both are fine */
}

static void raw_packet(struct script *script)
{
	static uint8_t packet[70000];
	size_t length = byte_of(script) | (size_t)byte_of(script) << 8;

	bytes_of(script, packet, length);
	send_raw(packet, length);
}

static void typed_packet(struct script *script)
{
	static const size_t lengths[] = {
		0, 32, 40, 32, 48, 48, 48, 48, 32, 64
	};
	uint8_t packet[64];
	unsigned int type = byte_of(script) % 10;
	struct udax_header header = wire_header((uint16_t)type, ++client.id,
						lengths[type]);

	memset(packet, 0, sizeof(packet));
	memcpy(packet, &header, sizeof(header));
	if (lengths[type] > sizeof(header))
		bytes_of(script, packet + sizeof(header),
			 lengths[type] - sizeof(header));
	send_raw(packet, lengths[type]);
}

static void open_packet(struct script *script)
{
	struct token_caller self = { getpid(), getuid() };
	struct udax_open open = { .header = wire_header(UDAX_OPEN, ++client.id,
							sizeof(open)) };

	if (token_issue(fs, file, byte_of(script) & 1, &self, open.token))
		return;
	send_raw(&open, sizeof(open));
}

static void packet_with_descriptor(void)
{
	struct udax_close message = {
		.header = wire_header(UDAX_CLOSE, ++client.id, sizeof(message))
	};
	struct wire_fds fds = { .count = 1, .fd = { STDERR_FILENO } };

	if (wire_send(client.socket, &message, &fds, MSG_DONTWAIT))
		return;
}

static void read_some(void)
{
	while (client_next(&client, 2) == 0)
		if (client.in.header.type == UDAX_RECALL &&
		    client_returned(&client))
			return;
}

static _Atomic int broken;

static void break_done(struct lease_break *brk, int err)
{
	atomic_store(&broken, 1);
}

/* Nobody maps anything here: to close the connection is to give all back. */
static void break_pages(struct script *script)
{
	struct lease_break brk = { .ino = file->ino, .done = break_done };
	int err;

	brk.first = byte_of(script) % PAGES;
	brk.last = brk.first + byte_of(script) % PAGES;
	atomic_store(&broken, 0);
	err = lease_break_start(fs, &brk);
	if (err == -EINPROGRESS) {
		read_some();
		if (!lease_break_cancel(fs, &brk))
			while (!atomic_load(&broken))
				usleep(100);
	}
	if (!err || err == -EINPROGRESS)
		lease_break_end(fs, &brk);
}

static void revoke_device(struct script *script)
{
	const struct removal_limits limits = { 1, 1, 1 };
	enum removal_mode mode = byte_of(script) % 2; /* never kill us */

	for (int i = 0; i < 2; i++)
		if (direct_revoke_device(server, 0, mode, &limits) == 0)
			break;
	read_some();
	direct_device_changed(server, 0, DEVICE_LIVE);
}

static void new_connection(void)
{
	client_end(&client);
	if (client_connect(&client, fs->direct_socket))
		fail("cannot connect");
}

static void step(struct script *script)
{
	struct udax_hello hello = { .header = wire_header(UDAX_HELLO, 1,
							  sizeof(hello)),
				    .magic = UDAX_PROTOCOL_MAGIC,
				    .protocol = UDAX_PROTOCOL_VERSION };

	switch (byte_of(script)) {
	case 'p':
		raw_packet(script);
		break;
	case 'm':
		typed_packet(script);
		break;
	case 'h':
		send_raw(&hello, sizeof(hello));
		break;
	case 'o':
		open_packet(script);
		break;
	case 'f':
		packet_with_descriptor();
		break;
	case 'r':
		read_some();
		break;
	case 'b':
		break_pages(script);
		break;
	case 'd':
		revoke_device(script);
		break;
	case 'n':
		new_connection();
		break;
	default:
		break;
	}
}

static void count_one(const struct lease_info *info, void *arg)
{
	++*(unsigned int *)arg;
}

/* When the client has gone, nothing of it is left. */
static void settle(void)
{
	for (int i = 0; i < SETTLE_MS; i++) {
		unsigned int count = 0;

		lease_for_each(fs, count_one, &count);
		if (count == 0)
			return;
		usleep(1000);
	}
	fail("leases outlive their client");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = { data, size };

	if (!fs)
		begin();
	if (client_connect(&client, fs->direct_socket))
		fail("cannot connect");
	while (script.left > 0)
		step(&script);
	client_end(&client);
	settle();
	return 0;
}

#ifndef UDAX_LIBFUZZER
static void run_mutations(uint8_t *bytes, size_t size, unsigned int count)
{
	unsigned int seed = 1;

	while (count-- > 0 && size > 0) {
		size_t at = (size_t)rand_r(&seed) % size;
		uint8_t before = bytes[at];

		bytes[at] = (uint8_t)rand_r(&seed);
		LLVMFuzzerTestOneInput(bytes, size);
		if (rand_r(&seed) % 4)
			bytes[at] = before;
	}
}

int main(int argc, char **argv)
{
	static uint8_t bytes[1 << 16];
	unsigned int mutations = 0;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		mutations = (unsigned int)strtoul(argv[2], NULL, 10);
		first = 3;
	}
	for (int i = first; i < argc; i++) {
		FILE *input = fopen(argv[i], "rb");
		size_t size = input ? fread(bytes, 1, sizeof(bytes), input) : 0;

		if (!input)
			fail(argv[i]);
		fclose(input);
		LLVMFuzzerTestOneInput(bytes, size);
		run_mutations(bytes, size, mutations);
	}
	if (!fs)
		return 0;
	direct_stop(server);
	inode_close(fs, file, true);
	inode_forget(fs, file, 1);
	request_thread_fini(&request);
	fs_unmount(fs);
	return 0;
}
#endif
