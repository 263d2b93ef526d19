/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * readiness.h -- becoming a daemon, and telling the parent how it went
 *
 * The child does everything; the parent waits for its word and exits with the
 * status in it. What the child has to say until then it says on the terminal
 * that both still have. Fork comes before threads, rings and the fault guard,
 * none of which a child would inherit whole.
 */
#ifndef UDAX_DAEMON_READINESS_H
#define UDAX_DAEMON_READINESS_H

#include <stdbool.h>

struct readiness {
	int fd; /* -1: nobody waits */
};

/*
 * In the child: 0, with a session of its own, deaf to SIGHUP, in "/". In the
 * parent: does not return. Negative errno: no child.
 */
int readiness_fork(struct readiness *readiness)
	__attribute__((warn_unused_result));
/*
 * Leave the terminal (streams to /dev/null, log to syslog), then let the
 * parent exit with 0. -EPIPE: the parent is gone, nobody will know.
 */
int readiness_up(struct readiness *readiness)
	__attribute__((warn_unused_result));
/* Let the parent exit with that status. */
void readiness_failed(struct readiness *readiness, int status);

#endif
