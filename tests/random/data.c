/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * data [-vlab] [-k PID] [-p I/N] MODEL SEED STEPS FILE FILE
 *
 * So many random steps on two files, each compared with the model. MODEL is
 * made, with SEED, if it is not there, else the run before goes on: the files
 * are compared first, unless others are at work on them.
 *   -l      leases and libudax's reads and writes, too
 *   -a      without O_DIRECT, which others want aligned
 *   -b      stores behind the end through kernel mappings, which are to be lost
 *   -k PID  in the end the daemon is killed: all that was acknowledged counts
 *   -p I/N  as the program I of N that share the files
 *   -v      say every step
 */
#include "data.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct world world = { .programs = 1 };

static const struct {
	unsigned int weight;
	void (*step)(void);
} steps[] = {
	{ 12, step_read },    { 14, step_write },   { 3, step_append },
	{ 2, step_sync },     { 3, step_map },	    { 2, step_unmap },
	{ 10, step_load },    { 12, step_store },   { 2, step_msync },
	{ 2, step_evict },    { 6, step_truncate }, { 10, step_fallocate },
	{ 8, step_copy },     { 2, step_sendfile }, { 4, step_reopen },
	{ 1, step_flag_dax }, { 4, step_check },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void step(void)
{
	unsigned int all = 0, i;
	uint64_t at;

	for (i = 0; i < STEPS; i++)
		all += steps[i].weight;
	at = chance(all);
	for (i = 0; at >= steps[i].weight; i++)
		at -= steps[i].weight;
	steps[i].step();
	for (i = 0; i < FILES; i++)
		check_size(&world.files[i]);
}

/* True: it has been there before. */
static bool open_model(const char *path, uint64_t seed)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct chance *chances;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 ||
	    ftruncate(fd, sizeof(struct kept)) != 0)
		err(2, "%s", path);
	world.kept = mmap(NULL, sizeof(struct kept), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	if (world.kept == MAP_FAILED)
		err(2, "%s", path);
	close(fd);
	chances = world.kept->chance;
	if (chances[world.program].seed)
		return true;
	chances[world.program].seed = seed;
	chances[world.program].state = seed * 1000003 + world.program;
	return false;
}

static void open_files(char **paths)
{
	for (int i = 0; i < FILES; i++) {
		struct file *file = &world.files[i];

		*file = (struct file){ .path = paths[i],
				       .number = i,
				       .size = &world.kept->size[i],
				       .bytes = world.kept->bytes[i] };
		for (int way = 0; way < WAYS; way++)
			file->fd[way] = -1;
		descriptor(file, PLAIN);
	}
}

/* Nobody changes sizes when there are several. */
static void make_long(void)
{
	for (int i = 0; i < FILES; i++) {
		if (ftruncate(world.files[i].fd[PLAIN], FILE_MOST) != 0)
			fail_errno("ftruncate");
		*world.files[i].size = FILE_MOST;
	}
}

/* Stores through a mapping are acknowledged by fsync(2) alone. */
static void kill_daemon(pid_t pid)
{
	note("kill");
	sync_maps();
	if (kill(pid, SIGKILL) != 0)
		err(2, "kill");
}

/* Where, in which file and mapping? */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	const unsigned char *at = info->si_addr;

	for (int i = 0; i < FILES * MAPS; i++) {
		const struct file *file = &world.files[i / MAPS];
		const struct map *map = &file->maps[i % MAPS];

		if (map->at && at >= map->at && at < map->at + map->length)
			fail("SIGBUS at %zu of %c; size %llu",
			     (size_t)(at - map->at) + map->offset, letter(file),
			     (unsigned long long)*file->size);
	}
	fail("SIGBUS at %p", info->si_addr);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_sigaction = on_sigbus,
					  .sa_flags = SA_SIGINFO };
	bool say_all = false, there;
	pid_t daemon = 0;
	int option;

	while ((option = getopt(argc, argv, "vlabk:p:")) != -1) {
		if (option == 'v')
			say_all = true;
		else if (option == 'l')
			world.leases = true;
		else if (option == 'a')
			world.aligned = true;
		else if (option == 'b')
			world.behind = true;
		else if (option == 'k')
			daemon = atoi(optarg);
		else if (option != 'p' ||
			 sscanf(optarg, "%u/%u", &world.program,
				&world.programs) != 2)
			return 2;
	}
	if (argc - optind != 3 + FILES || world.programs > PROGRAMS_MOST ||
	    world.program >= world.programs)
		errx(2,
		     "usage: data [-vlab] [-k PID] [-p I/N] MODEL SEED STEPS "
		     "FILE FILE");
	argv += optind;
	there = open_model(argv[0], strtoull(argv[1], NULL, 0));
	chance_use(&world.kept->chance[world.program], say_all);
	sigaction(SIGBUS, &action, NULL);
	note("begin");
	open_files(argv + 3);
	if (there && alone())
		check_all();
	else if (!there && !alone())
		make_long();
	for (long left = atol(argv[2]); left > 0; left--)
		step();
	if (daemon)
		kill_daemon(daemon);
	else
		close_everything();
	return 0;
}
