/* SPDX-License-Identifier: BSD-3-Clause */
/* libudax against a daemon that does as the test says. */
#include "lib/fake_daemon.h"
#include "udax/udax.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE FAKE_PAGE
#define MIB (1ul << 20)
#define BOTH (PROT_READ | PROT_WRITE)

static struct fake *fake;
static int file; /* stands for one of the mount */

static void begin(void)
{
	fake = fake_start();
	ck_assert_ptr_nonnull(fake);
	file = memfd_create("file", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(posix_fallocate(file, 0, 64 * MIB), 0);
	fake_set_size(fake, 64 * MIB);
}

static void end(void)
{
	fake_stop(fake);
	close(file);
}

static unsigned char *map(size_t length, int prot, int flags)
{
	unsigned char *at = udax_mmap(NULL, length, prot, MAP_SHARED | flags,
				      file, 0);

	ck_assert_msg(at != MAP_FAILED, "%s", strerror(errno));
	return at;
}

static bool drained(void)
{
	for (int i = 0; i < 2000 && fake_leased(fake); i++)
		usleep(1000);
	return fake_leased(fake) == 0;
}

/* -------------------------------------------------------------- SIGBUS */

static sigjmp_buf back;
static void *volatile bus_address;
static volatile int bus_code;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	bus_address = info->si_addr;
	bus_code = info->si_code;
	siglongjmp(back, 1);
}

/* Does a touch raise SIGBUS, with the exact address? */
static bool touch_is_bus(volatile unsigned char *at)
{
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	if (sigsetjmp(back, 1) == 0) {
		(void)*at;
		return false;
	}
	ck_assert_ptr_eq(bus_address, (void *)at);
	ck_assert_int_eq(bus_code, BUS_ADRERR);
	return true;
}

/* --------------------------------------------------------------- mappings */

START_TEST(stores_reach_the_device_through_every_run)
{
	unsigned char *at;

	fake->run_pages = 4;
	at = map(8 * MIB, BOTH, 0);
	for (uint64_t offset = 0; offset < 8 * MIB; offset += PAGE)
		at[offset + offset / PAGE % 100] =
			(unsigned char)(offset / PAGE);
	for (uint64_t offset = 0; offset < 8 * MIB; offset += PAGE)
		ck_assert_int_eq(*fake_at(fake, offset + offset / PAGE % 100),
				 (unsigned char)(offset / PAGE));
	ck_assert_int_eq(udax_munmap(at, 8 * MIB), 0);
	ck_assert(drained());
	ck_assert_uint_ne(fake->stored[0], 0);
}
END_TEST

START_TEST(parts_of_a_mapping_go_and_stay_apart)
{
	unsigned char *at = map(4 * MIB, BOTH, 0);

	ck_assert_int_eq(udax_munmap(at + MIB, MIB), 0);
	for (int i = 0; i < 2000 && fake_lease_of(fake, 256); i++)
		usleep(1000);
	ck_assert_uint_eq(fake_lease_of(fake, 256), 0);
	ck_assert_uint_ne(fake_lease_of(fake, 255), 0);
	at[0] = 1;
	at[2 * MIB] = 2;
	ck_assert_int_eq(*fake_at(fake, 0), 1);
	ck_assert_int_eq(*fake_at(fake, 2 * MIB), 2);
	ck_assert_uint_eq(fake_leased(fake), 3 * MIB / PAGE);
	/* a munmap over ours, a gap, and memory of others */
	ck_assert_int_eq(udax_munmap(at - 0, 4 * MIB), 0);
	ck_assert(drained());
}
END_TEST

START_TEST(a_fixed_mapping_replaces_what_was_there)
{
	unsigned char *at = map(4 * MIB, BOTH, 0), *again;
	uint64_t before = fake_lease_of(fake, 0);

	again = udax_mmap(at + MIB, MIB, BOTH, MAP_SHARED | MAP_FIXED, file,
			  8 * MIB);
	ck_assert_ptr_eq(again, at + MIB);
	*again = 7;
	ck_assert_int_eq(*fake_at(fake, 8 * MIB), 7);
	ck_assert_uint_eq(fake_lease_of(fake, 0), before);
	for (int i = 0; i < 2000 && fake_lease_of(fake, 256); i++)
		usleep(1000);
	ck_assert_uint_eq(fake_lease_of(fake, 256), 0);
	/* and one that must not replace, does not */
	ck_assert_ptr_eq(udax_mmap(at, MIB, BOTH,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EEXIST);
	at[0] = 9;
	ck_assert_int_eq(*fake_at(fake, 0), 9);
	/* anything else may come in its place, too */
	again = udax_mmap_over(at, 4 * MIB, BOTH,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ck_assert_ptr_eq(again, at);
	ck_assert_int_eq(at[0], 0);
	ck_assert(drained());
}
END_TEST

START_TEST(a_hole_reads_as_zeros_and_gets_a_block_when_writable)
{
	unsigned char *at;

	fake->hole_page = 3;
	memset(fake_at(fake, 3 * PAGE), 0xee, PAGE);
	*fake_at(fake, 2 * PAGE) = 2;
	*fake_at(fake, 4 * PAGE) = 4;
	at = map(MIB, PROT_READ, 0);
	ck_assert_int_eq(at[2 * PAGE], 2);
	ck_assert_int_eq(at[3 * PAGE + 5], 0);
	ck_assert_int_eq(at[4 * PAGE], 4);
	ck_assert_int_eq(udax_mprotect(at, MIB, BOTH), 0);
	at[3 * PAGE] = 33;
	ck_assert_int_eq(*fake_at(fake, 3 * PAGE), 33);
}
END_TEST

START_TEST(mprotect_asks_for_a_writable_lease_and_gives_the_other_back)
{
	unsigned char *at = map(4 * MIB, PROT_READ, 0);

	ck_assert_int_eq(udax_mprotect(at + MIB, MIB, BOTH), 0);
	at[MIB] = 5;
	ck_assert_int_eq(*fake_at(fake, MIB), 5);
	for (int i = 0; i < 2000 && fake_leased(fake) > 4 * MIB / PAGE; i++)
		usleep(1000);
	ck_assert_uint_eq(fake_leased(fake), 4 * MIB / PAGE);
	ck_assert_int_eq(udax_mprotect(at, 4 * MIB, PROT_READ), 0);
	ck_assert_int_eq(at[MIB], 5);
}
END_TEST

START_TEST(a_file_open_for_reading_is_not_made_writable)
{
	char path[64];
	unsigned char *at;
	int reader;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_SHARED, reader, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EACCES);
	at = udax_mmap(NULL, MIB, PROT_READ, MAP_SHARED, reader, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_int_eq(udax_mprotect(at, MIB, BOTH), -1);
	ck_assert_int_eq(errno, EACCES);
	close(reader);
}
END_TEST

START_TEST(mremap_shrinks_grows_and_moves)
{
	unsigned char *at = map(2 * MIB, BOTH, 0), *moved;

	at[0] = 1;
	at[MIB] = 2;
	ck_assert_ptr_eq(udax_mremap(at, 2 * MIB, MIB, 0, NULL), at);
	moved = udax_mremap(at, MIB, 16 * MIB, MREMAP_MAYMOVE, NULL);
	ck_assert_ptr_ne(moved, MAP_FAILED);
	ck_assert_int_eq(moved[0], 1);
	ck_assert_int_eq(moved[MIB], 2);
	moved[15 * MIB] = 3;
	ck_assert_int_eq(*fake_at(fake, 15 * MIB), 3);
	ck_assert_int_eq(udax_munmap(moved, 16 * MIB), 0);
	ck_assert(drained());
}
END_TEST

START_TEST(what_is_refused_is_an_errno_and_leaves_nothing)
{
	static const int refused[] = { EACCES, ENXIO, EBUSY, ENOSPC };
	int pipes[2];

	for (size_t i = 0; i < 4; i++) {
		fake->refuse = -refused[i];
		ck_assert_ptr_eq(
			udax_mmap(NULL, MIB, BOTH, MAP_SHARED, file, 0),
			MAP_FAILED);
		ck_assert_int_eq(errno, refused[i]);
	}
	ck_assert_uint_eq(fake_leased(fake), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_SHARED, pipes[0], 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, ENOTSUP);
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_PRIVATE, file, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_SHARED, -1, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(again_is_asked_again)
{
	unsigned char *at;

	fake->again = 5;
	at = map(MIB, BOTH, 0);
	at[0] = 1;
	ck_assert_int_eq(*fake_at(fake, 0), 1);
	ck_assert_uint_ge(fake->maps, 6);
}
END_TEST

/* ----------------------------------------------------------- end of file */

START_TEST(beyond_the_end_is_sigbus_until_the_file_is_longer)
{
	unsigned char *at;

	fake_set_size(fake, 5000);
	at = map(MIB, BOTH, _i ? UDAX_MAP_LAZY : 0);
	at[4999] = 1;
	ck_assert_int_eq(*fake_at(fake, 4999), 1);
	ck_assert(touch_is_bus(at + 2 * PAGE + 17));
	ck_assert(touch_is_bus(at + 2 * PAGE + 17));
	ck_assert(touch_is_bus(at + MIB - 1));
	fake_set_size(fake, MIB);
	usleep(400000);
	at[2 * PAGE + 17] = 3;
	ck_assert_int_eq(*fake_at(fake, 2 * PAGE + 17), 3);
	ck_assert_int_eq(at[MIB - 1], 0);
}
END_TEST

/* ------------------------------------------------------------------- lazy */

static unsigned char *shared;
static pthread_barrier_t together;

static void *touch_all(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	pthread_barrier_wait(&together);
	for (uint64_t offset = 0; offset < 32 * MIB; offset += PAGE)
		__atomic_fetch_add((uint64_t *)(shared + offset), 1 + me,
				   __ATOMIC_RELAXED);
	return NULL;
}

START_TEST(eight_threads_touch_a_lazy_mapping_at_once)
{
	pthread_t thread[8];

	pthread_barrier_init(&together, NULL, 8);
	shared = map(32 * MIB, BOTH, UDAX_MAP_LAZY);
	ck_assert_uint_eq(fake->maps, 0);
	for (uintptr_t i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, touch_all, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	for (uint64_t offset = 0; offset < 32 * MIB; offset += PAGE)
		ck_assert_uint_eq(*(uint64_t *)fake_at(fake, offset), 36);
	ck_assert_uint_le(fake->maps, 32);
	ck_assert_int_eq(udax_munmap(shared, 32 * MIB), 0);
	ck_assert(drained());
}
END_TEST

START_TEST(a_system_call_may_touch_a_lazy_mapping)
{
	unsigned char *at = map(4 * MIB, BOTH, UDAX_MAP_LAZY);
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(write(pipes[1], "hello", 5), 5);
	ck_assert_int_eq(read(pipes[0], at + 3 * MIB, 5), 5);
	ck_assert_mem_eq(fake_at(fake, 3 * MIB), "hello", 5);
}
END_TEST

/* ---------------------------------------------------------------- recalls */

static atomic_bool stop;
static atomic_ulong stored;

static void *store_on(void *arg)
{
	while (!atomic_load(&stop)) {
		for (uint64_t offset = 0; offset < 4 * MIB; offset += PAGE)
			__atomic_fetch_add((uint64_t *)(shared + offset), 1,
					   __ATOMIC_RELAXED);
		atomic_fetch_add(&stored, 1);
	}
	return NULL;
}

START_TEST(no_store_is_lost_while_parts_are_recalled)
{
	pthread_t thread[2];

	shared = map(4 * MIB, BOTH, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, store_on, NULL);
	for (unsigned int i = 0; i < 300; i++) {
		uint64_t page = i * 37 % 1000;

		if (fake_lease_of(fake, page))
			ck_assert(fake_recall(fake, page, 1 + i % 24));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (uint64_t offset = 0; offset < 4 * MIB; offset += PAGE)
		ck_assert_uint_eq(*(uint64_t *)fake_at(fake, offset),
				  atomic_load(&stored));
}
END_TEST

START_TEST(a_recalled_part_is_fetched_when_touched_and_only_that)
{
	unsigned char *at = map(4 * MIB, BOTH, 0);
	unsigned int maps = fake->maps;

	ck_assert(fake_recall(fake, 10, 5));
	ck_assert_uint_eq(fake_lease_of(fake, 12), 0);
	at[9 * PAGE] = 1;
	at[15 * PAGE] = 1;
	at[12 * PAGE] = 6;
	ck_assert_int_eq(*fake_at(fake, 12 * PAGE), 6);
	ck_assert_uint_ne(fake_lease_of(fake, 12), 0);
	ck_assert_uint_eq(fake->maps, maps + 1);
}
END_TEST

START_TEST(a_recall_that_overtakes_the_grant_holds)
{
	unsigned char *at;

	fake->recall_first = true;
	at = map(MIB, BOTH, 0);
	at[0] = 1;
	ck_assert_int_eq(*fake_at(fake, 0), 1);
	/* what was recalled is not what is mapped */
	ck_assert_uint_gt(fake_lease_of(fake, 0), 1);
}
END_TEST

static _Atomic(void *) told_addr;
static _Atomic size_t told_length;

static void on_revoke(void *addr, size_t length, void *arg)
{
	told_addr = addr;
	told_length = length;
	atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(a_removed_device_is_sigbus_and_efault_and_told)
{
	unsigned char *at = map(4 * MIB, BOTH, 0);
	atomic_int told = 0;
	int null = open("/dev/null", O_WRONLY), pipes[2];

	memset(at, 1, 4 * MIB);
	ck_assert_int_eq(udax_on_revoke(on_revoke, (void *)&told), 0);
	ck_assert(fake_remove(fake));
	ck_assert(touch_is_bus(at + 12345));
	ck_assert(touch_is_bus(at + 4 * MIB - 1));
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(write(pipes[1], at, 5), -1);
	ck_assert_int_eq(errno, EFAULT);
	for (int i = 0; i < 2000 && !told; i++)
		usleep(1000);
	ck_assert_int_eq(told, 1);
	ck_assert_ptr_eq(told_addr, at);
	ck_assert_uint_eq(told_length, 4 * MIB);
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_SHARED, file, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, ENXIO);
	ck_assert_int_eq(udax_persist(at, 10), -1);
	ck_assert_int_eq(errno, ENXIO);
	/* the device is back: the old range stays as it is, a new one is good
	 */
	fake_send_live(fake);
	told_addr = map(MIB, BOTH, 0);
	*(unsigned char *)told_addr = 9;
	ck_assert_int_eq(*fake_at(fake, 0), 9);
	ck_assert(touch_is_bus(at));
	ck_assert_int_eq(udax_munmap(at, 4 * MIB), 0);
	close(null);
}
END_TEST

START_TEST(a_pinned_part_stays_until_it_is_unpinned)
{
	unsigned char *at = map(4 * MIB, BOTH, 0);
	uint64_t token, other;

	ck_assert_int_eq(udax_pin(at + MIB + 100, 5000, &token), 0);
	ck_assert_uint_eq(fake->pins, 1);
	ck_assert(fake_remove(fake));
	ck_assert(touch_is_bus(at + MIB - 1));
	at[MIB] = 4;
	ck_assert_int_eq(*fake_at(fake, MIB), 4);
	ck_assert(touch_is_bus(at + MIB + 2 * PAGE));
	ck_assert_int_eq(udax_pin(at, 1, &other), -1);
	ck_assert_int_eq(errno, ENXIO);
	ck_assert_int_eq(udax_unpin(token), 0);
	ck_assert(touch_is_bus(at + MIB));
	for (int i = 0; i < 2000 && fake->pins; i++)
		usleep(1000);
	ck_assert_uint_eq(fake->pins, 0);
	ck_assert_int_eq(udax_unpin(token), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_is_unmapped_while_pinned_is_given_back_at_unpin)
{
	unsigned char *at = map(MIB, BOTH, 0);
	uint64_t token;

	ck_assert_int_eq(udax_pin(at + 4 * PAGE, PAGE, &token), 0);
	ck_assert_int_eq(udax_munmap(at, MIB), 0);
	for (int i = 0; i < 2000 && fake_leased(fake) > 1; i++)
		usleep(1000);
	ck_assert_uint_eq(fake_leased(fake), 1);
	ck_assert_uint_ne(fake_lease_of(fake, 4), 0);
	ck_assert_int_eq(udax_unpin(token), 0);
	ck_assert(drained());
}
END_TEST

/* ------------------------------------------------------- reads and writes */

START_TEST(reads_and_writes_go_to_the_device)
{
	char buf[10000], got[10000];

	memset(buf, 'x', sizeof(buf));
	fake->run_pages = 2;
	for (unsigned int i = 0; i < 64; i++) {
		off_t offset = (off_t)(i * 777777 % (60 * MIB));
		size_t count = 1 + i * 157 % sizeof(buf);

		buf[0] = (char)i;
		buf[count - 1] = (char)(i + 1);
		ck_assert_int_eq(udax_pwrite(file, buf, count, offset),
				 (ssize_t)count);
		for (size_t j = 0; j < count; j++)
			ck_assert_int_eq(*fake_at(fake, (uint64_t)offset + j),
					 (unsigned char)buf[j]);
		ck_assert_int_eq(udax_pread(file, got, count, offset),
				 (ssize_t)count);
		ck_assert_mem_eq(got, buf, count);
	}
	ck_assert_uint_ne(fake->stored[0], 0);
	ck_assert_int_eq(udax_forget(file), 0);
	ck_assert(drained());
}
END_TEST

START_TEST(a_read_at_the_end_is_short_and_beyond_it_is_empty)
{
	char buf[8192];

	fake_set_size(fake, 10000);
	ck_assert_int_eq(udax_pread(file, buf, 8192, 4096), 10000 - 4096);
	ck_assert_int_eq(udax_pread(file, buf, 1, 10000), 0);
	ck_assert_int_eq(udax_pread(file, buf, 1, 9999), 1);
	ck_assert_int_eq(udax_pread(file, buf, 1, -1), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_write_past_the_end_is_the_system_calls)
{
	char got[4];

	ck_assert_int_eq(ftruncate(file, 5000), 0);
	fake_set_size(fake, 5000);
	ck_assert_int_eq(udax_pwrite(file, "a", 1, 4999), 1);
	ck_assert_int_eq(*fake_at(fake, 4999), 'a');
	ck_assert_int_eq(udax_pwrite(file, "bc", 2, 4999), 2);
	ck_assert_int_eq(*fake_at(fake, 4999), 'a');
	ck_assert_int_eq(pread(file, got, 4, 4999), 2);
}
END_TEST

START_TEST(other_files_are_said_to_be_others)
{
	int pipes[2];
	char byte;

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(udax_pread(pipes[0], &byte, 1, 0), -1);
	ck_assert_int_eq(errno, ENOTSUP);
	ck_assert_int_eq(udax_pwrite(-1, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

static void *read_on(void *arg)
{
	uint64_t page[PAGE / 8];
	uint64_t i = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		i = i * 6364136223846793005ull + 1442695040888963407ull;
		ck_assert_int_eq(udax_pread(file, page, PAGE,
					    (off_t)((i >> 33) % 1024 * PAGE)),
				 PAGE);
		ck_assert_uint_eq(page[0], page[PAGE / 8 - 1]);
		if (i >> 40 & 1)
			ck_assert_int_eq(
				udax_pwrite(file, page, PAGE,
					    (off_t)((i >> 33) % 1024 * PAGE)),
				PAGE);
		atomic_fetch_add(&stored, 1);
	}
	return NULL;
}

START_TEST(recalls_wait_for_copies_and_nobody_dies)
{
	pthread_t thread[3];

	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, read_on, (void *)i);
	while (atomic_load(&stored) < 1000)
		usleep(1000);
	for (unsigned int i = 0; i < 300; i++) {
		uint64_t page = i * 37 % 1000;

		if (fake_lease_of(fake, page))
			ck_assert(fake_recall(fake, page, 1 + i % 24));
	}
	ck_assert(fake_remove(fake)); /* then it is system calls */
	usleep(50000);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_gt(atomic_load(&stored), 1000);
}
END_TEST

START_TEST(a_file_that_grows_gets_a_larger_region)
{
	char byte = 0;

	ck_assert_int_eq(udax_pread(file, &byte, 1, 0), 1);
	ck_assert_int_eq(ftruncate(file, 5ll << 30), 0);
	fake_set_size(fake, 5ull << 30);
	/* the fake device is not so long: the mapping is, that is all */
	ck_assert_int_eq(udax_pread(file, &byte, 1, 32 * MIB), 1);
	*fake_at(fake, 40 * MIB) = 'z';
	ck_assert_int_eq(udax_pread(file, &byte, 1, 40 * MIB), 1);
	ck_assert_int_eq(byte, 'z');
}
END_TEST

/* ------------------------------------------------------------------- fork */

static int in_child(void)
{
	char byte;

	for (int fd = 512; fd < 600; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 10; /* one of ours has come along */
	if (mincore(shared, PAGE, (void *)&byte) == 0)
		return 11;
	return 0;
}

START_TEST(a_child_has_neither_mappings_nor_descriptors)
{
	int status;
	pid_t child;
	char byte;

	shared = map(MIB, BOTH, 0);
	ck_assert_int_eq(udax_pread(file, &byte, 1, 0), 1);
	child = fork();
	if (child == 0)
		_exit(in_child());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	shared[0] = 3;
	ck_assert_int_eq(*fake_at(fake, 0), 3);
}
END_TEST

static void *fork_on(void *arg)
{
	while (!atomic_load(&stop)) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	return NULL;
}

START_TEST(forks_and_mappings_do_not_wait_for_each_other)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fork_on, NULL);
	for (int i = 0; i < 200; i++) {
		unsigned char *at = map(MIB, BOTH, i & 1 ? UDAX_MAP_LAZY : 0);

		at[i * PAGE] = 1;
		ck_assert_int_eq(udax_munmap(at, MIB), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert(drained());
}
END_TEST

/* ------------------------------------------------------- the daemon's end */

START_TEST(without_its_daemon_a_range_is_poison_and_reads_are_system_calls)
{
	unsigned char *at = map(MIB, BOTH, 0);
	char byte;

	ck_assert_int_eq(pwrite(file, "s", 1, 0), 1);
	*fake_at(fake, 0) = 'd';
	ck_assert_int_eq(udax_pread(file, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 'd');
	fake_crash(fake);
	usleep(100000);
	ck_assert(touch_is_bus(at));
	ck_assert_int_eq(udax_pread(file, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 's');
	ck_assert_ptr_eq(udax_mmap(NULL, MIB, BOTH, MAP_SHARED, file, 0),
			 MAP_FAILED);
	ck_assert_int_eq(errno, ENXIO);
	ck_assert_int_eq(udax_munmap(at, MIB), 0);
	ck_assert(fake_restart(fake));
}
END_TEST

START_TEST(a_range_that_resumes_waits_for_the_next_daemon)
{
	char path[] = "/tmp/udax-test-XXXXXX";
	unsigned char *at;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	at = udax_mmap(NULL, MIB, BOTH, MAP_SHARED | UDAX_MAP_RESUME, fd, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	at[0] = 1;
	fake_crash(fake);
	usleep(100000);
	ck_assert(fake_restart(fake));
	at[1] = 2; /* waits */
	ck_assert_int_eq(*fake_at(fake, 0), 1);
	ck_assert_int_eq(*fake_at(fake, 1), 2);
	ck_assert_int_eq(udax_munmap(at, MIB), 0);
	ck_assert(drained());
	unlink(path);
	close(fd);
}
END_TEST

START_TEST(msync_asks_the_daemon_and_persist_does_not)
{
	unsigned char *at = map(4 * MIB, BOTH, 0);
	unsigned int syncs = fake->syncs;

	fake->stored[0] = 0;
	at[0] = 1;
	ck_assert_int_eq(udax_persist(at, 1), 0);
	ck_assert_uint_eq(fake->syncs, syncs);
	ck_assert_uint_ne(fake->stored[0], 0);
	ck_assert_int_eq(udax_msync(at, 4 * MIB, MS_SYNC), 0);
	ck_assert_uint_eq(fake->syncs, syncs + 1);
	ck_assert_int_eq(udax_msync(at, 4 * MIB, MS_ASYNC), 0);
	ck_assert_uint_eq(fake->syncs, syncs + 1);
	ck_assert_int_eq(udax_msync(at + 1, 1, MS_SYNC), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static TCase *group(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static Suite *client_suite(void)
{
	Suite *suite = suite_create("client");
	TCase *tcase = group(suite, "mappings");

	tcase_add_test(tcase, stores_reach_the_device_through_every_run);
	tcase_add_test(tcase, parts_of_a_mapping_go_and_stay_apart);
	tcase_add_test(tcase, a_fixed_mapping_replaces_what_was_there);
	tcase_add_test(tcase,
		       a_hole_reads_as_zeros_and_gets_a_block_when_writable);
	tcase_add_test(
		tcase,
		mprotect_asks_for_a_writable_lease_and_gives_the_other_back);
	tcase_add_test(tcase, a_file_open_for_reading_is_not_made_writable);
	tcase_add_test(tcase, mremap_shrinks_grows_and_moves);
	tcase_add_test(tcase, what_is_refused_is_an_errno_and_leaves_nothing);
	tcase_add_test(tcase, again_is_asked_again);
	tcase_add_test(tcase, msync_asks_the_daemon_and_persist_does_not);
	tcase = group(suite, "holes");
	tcase_add_loop_test(
		tcase, beyond_the_end_is_sigbus_until_the_file_is_longer, 0, 2);
	tcase_add_test(tcase, eight_threads_touch_a_lazy_mapping_at_once);
	tcase_add_test(tcase, a_system_call_may_touch_a_lazy_mapping);
	tcase = group(suite, "recalls");
	tcase_add_test(tcase, no_store_is_lost_while_parts_are_recalled);
	tcase_add_test(tcase,
		       a_recalled_part_is_fetched_when_touched_and_only_that);
	tcase_add_test(tcase, a_recall_that_overtakes_the_grant_holds);
	tcase_add_test(tcase, a_removed_device_is_sigbus_and_efault_and_told);
	tcase_add_test(tcase, a_pinned_part_stays_until_it_is_unpinned);
	tcase_add_test(tcase,
		       what_is_unmapped_while_pinned_is_given_back_at_unpin);
	tcase = group(suite, "reads and writes");
	tcase_add_test(tcase, reads_and_writes_go_to_the_device);
	tcase_add_test(tcase,
		       a_read_at_the_end_is_short_and_beyond_it_is_empty);
	tcase_add_test(tcase, a_write_past_the_end_is_the_system_calls);
	tcase_add_test(tcase, other_files_are_said_to_be_others);
	tcase_add_test(tcase, recalls_wait_for_copies_and_nobody_dies);
	tcase_add_test(tcase, a_file_that_grows_gets_a_larger_region);
	tcase = group(suite, "processes");
	tcase_add_test(tcase, a_child_has_neither_mappings_nor_descriptors);
	tcase_add_test(tcase, forks_and_mappings_do_not_wait_for_each_other);
	tcase_add_test(
		tcase,
		without_its_daemon_a_range_is_poison_and_reads_are_system_calls);
	tcase_add_test(tcase, a_range_that_resumes_waits_for_the_next_daemon);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(client_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
