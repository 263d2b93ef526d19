/* SPDX-License-Identifier: BSD-3-Clause */
/* fcntl(2) record locks, open file description locks, flock(2) */
#include "check.h"
#include "families.h"
#include "tree.h"

#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

static int record(int fd, int command, short type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type,
			      .l_whence = SEEK_SET,
			      .l_start = start,
			      .l_len = length };

	return fcntl(fd, command, &lock);
}

static int make_open(void)
{
	return (int)WORKS(open("file", O_CREAT | O_RDWR, 0644));
}

/* In another process; its answer is the parent's. */
#define IN_CHILD(statement)                                                    \
	do {                                                                   \
		pid_t child_ = fork();                                         \
		if (child_ == 0) {                                             \
			statement;                                             \
			check_child_exit();                                    \
		}                                                              \
		check_wait(child_);                                            \
	} while (0)

static void others_records_are_kept_out(void)
{
	int fd = make_open();

	WORKS(record(fd, F_SETLK, F_WRLCK, 10, 10));
	WORKS(record(fd, F_SETLK, F_RDLCK, 30, 10));
	WORKS(record(fd, F_SETLK, F_WRLCK, 15, 10)); /* one's own */
	IN_CHILD(FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 19, 1)));
	IN_CHILD(FAILS(EAGAIN, record(fd, F_SETLK, F_RDLCK, 0, 0)));
	IN_CHILD(FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 35, 1)));
	IN_CHILD(WORKS(record(fd, F_SETLK, F_RDLCK, 30, 10)));
	IN_CHILD(WORKS(record(fd, F_SETLK, F_WRLCK, 0, 10)));
	IN_CHILD(WORKS(record(fd, F_SETLK, F_WRLCK, 40, 0)));
	WORKS(record(fd, F_SETLK, F_UNLCK, 12, 3));
	IN_CHILD(WORKS(record(fd, F_SETLK, F_WRLCK, 12, 3)));
	IN_CHILD(FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 11, 1)));
}

static void who_holds_it(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = make_open();
	pid_t parent = getpid();

	WORKS(fcntl(fd, F_GETLK, &lock));
	IS(lock.l_type, F_UNLCK);
	WORKS(record(fd, F_SETLK, F_WRLCK, 100, 50));
	IN_CHILD({
		lock.l_type = F_RDLCK;
		WORKS(fcntl(fd, F_GETLK, &lock));
		IS(lock.l_type, F_WRLCK);
		IS(lock.l_pid, parent);
		IS(lock.l_start, 100);
		IS(lock.l_len, 50);
	});
}

/* Also of another descriptor of the same file. */
static void closing_lets_go_of_records(void)
{
	int fd = make_open();

	WORKS(record(fd, F_SETLK, F_WRLCK, 0, 0));
	IN_CHILD(FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 0, 1)));
	close(open("file", O_RDONLY));
	IN_CHILD(WORKS(record(fd, F_SETLK, F_WRLCK, 0, 1)));
}

static void records_are_refused(void)
{
	int r, w;

	make_open();
	r = open("file", O_RDONLY);
	w = open("file", O_WRONLY);
	FAILS(EBADF, record(r, F_SETLK, F_WRLCK, 0, 0));
	FAILS(EBADF, record(w, F_SETLK, F_RDLCK, 0, 0));
	FAILS(EBADF, record(1000, F_SETLK, F_RDLCK, 0, 0));
	FAILS(EINVAL, record(r, F_SETLK, 77, 0, 0));
	FAILS(EINVAL, record(r, F_SETLK, F_RDLCK, -1, 0));
	FAILS(EINVAL, record(r, F_SETLK, F_RDLCK, 10, -20));
	FAILS(EFAULT, fcntl(r, F_SETLK, bad_address()));
	WORKS(record(r, F_SETLK, F_RDLCK, 10, -5));
	IN_CHILD(FAILS(EAGAIN, record(w, F_SETLK, F_WRLCK, 5, 1)));
	IN_CHILD(WORKS(record(w, F_SETLK, F_WRLCK, 0, 5)));
}

static void on_alarm(int number)
{
}

static void waiting_can_be_interrupted(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int fd = make_open();

	WORKS(record(fd, F_SETLK, F_WRLCK, 0, 0));
	sigaction(SIGALRM, &action, NULL);
	IN_CHILD({
		ualarm(20000, 0);
		FAILS(EINTR, record(fd, F_SETLKW, F_WRLCK, 0, 0));
		WORKS(flock(fd, LOCK_EX));
		ualarm(20000, 0);
		FAILS(EINTR, flock(open("file", O_RDWR), LOCK_EX));
	});
}

/* Two that wait for each other. */
static void deadlocks_are_found(void)
{
	int fd = make_open();
	int told[2];
	pid_t child;
	char byte;

	WORKS(pipe(told));
	WORKS(record(fd, F_SETLK, F_WRLCK, 0, 1));
	child = fork();
	if (child == 0) {
		WORKS(record(fd, F_SETLK, F_WRLCK, 1, 1));
		IS(write(told[1], "x", 1), 1);
		WORKS(record(fd, F_SETLKW, F_WRLCK, 0, 1));
		check_child_exit();
	}
	IS(read(told[0], &byte, 1), 1);
	usleep(100000); /* until it waits */
	FAILS(EDEADLK, record(fd, F_SETLKW, F_WRLCK, 1, 1));
	WORKS(record(fd, F_SETLK, F_UNLCK, 0, 1));
	check_wait(child);
}

static void descriptions_have_records_of_their_own(void)
{
	int a = make_open(), b = make_open();

	WORKS(record(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	FAILS(EAGAIN, record(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	FAILS(EAGAIN, record(b, F_SETLK, F_WRLCK, 5, 1));
	WORKS(record(b, F_OFD_SETLK, F_WRLCK, 10, 1));
	IN_CHILD(WORKS(record(a, F_OFD_SETLK, F_WRLCK, 0, 5)));
	close(make_open());
	FAILS(EAGAIN, record(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	close(a);
	WORKS(record(b, F_OFD_SETLK, F_WRLCK, 5, 1));
}

static void whole_files(void)
{
	int a = make_open(), b = make_open();
	int copy = dup(a);

	WORKS(flock(a, LOCK_SH));
	WORKS(flock(b, LOCK_SH));
	FAILS(EWOULDBLOCK, flock(a, LOCK_EX | LOCK_NB));
	WORKS(flock(b, LOCK_UN));
	WORKS(flock(a, LOCK_EX | LOCK_NB));
	FAILS(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
	WORKS(flock(copy, LOCK_EX | LOCK_NB));
	close(a);
	FAILS(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
	/* the records are another matter */
	WORKS(record(b, F_SETLK, F_WRLCK, 0, 0));
	close(copy);
	WORKS(flock(b, LOCK_EX | LOCK_NB));
	FAILS(EINVAL, flock(b, 0));
	FAILS(EBADF, flock(1000, LOCK_SH));
	FAILS(EBADF, flock(open("file", O_PATH), LOCK_SH));
	WORKS(flock(open(".", O_RDONLY), LOCK_EX | LOCK_NB));
	WORKS(flock(open("file", O_RDONLY), LOCK_UN));
}

/* Of every kind: with whoever had them they are gone. */
static void the_dead_hold_nothing(void)
{
	int fd = make_open(), ends[2];
	pid_t child;
	char byte;

	WORKS(pipe(ends));
	child = fork();
	if (child == 0) {
		int a = make_open(), b = make_open();

		record(a, F_SETLK, F_WRLCK, 0, 10);
		record(b, F_OFD_SETLK, F_WRLCK, 20, 10);
		flock(b, LOCK_EX);
		if (write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	IS(read(ends[0], &byte, 1), 1);
	FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 5, 1));
	FAILS(EAGAIN, record(fd, F_SETLK, F_WRLCK, 25, 1));
	FAILS(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	WORKS(kill(child, SIGKILL));
	WORKS(waitpid(child, NULL, 0));
	WORKS(record(fd, F_SETLK, F_WRLCK, 0, 0));
	WORKS(flock(fd, LOCK_EX | LOCK_NB));
}

const struct family family_lock = {
	.name = "lock",
	.cases =
		(const struct check_case[]){
			CASE(others_records_are_kept_out),
			CASE(who_holds_it),
			CASE(closing_lets_go_of_records),
			CASE(records_are_refused),
			CASE(waiting_can_be_interrupted),
			CASE(deadlocks_are_found),
			CASE(descriptions_have_records_of_their_own),
			CASE(whole_files),
			CASE(the_dead_hold_nothing),
			CASES_END,
		},
};
