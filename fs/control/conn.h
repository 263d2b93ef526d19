/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn.h -- one client of the control socket, from its request to its answer
 *
 * RECEIVING → WORKING (in the helper's hands) → SENDING, or → WAITING (for a
 * device state, looked at by the loop) → SENDING.
 */
#ifndef UDAX_CONTROL_CONN_H
#define UDAX_CONTROL_CONN_H

#include "dax/removal.h"
#include "util/deadline.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

enum conn_phase { CONN_RECEIVING, CONN_WORKING, CONN_WAITING, CONN_SENDING };

/* What a verb that cannot answer yet waits for. */
enum wait_kind { WAIT_NOTHING, WAIT_STATE, WAIT_DONE, WAIT_LIVE, WAIT_STOP };

struct answer {
	int status;		  /* as udaxctl exits */
	char error[256];	  /* "" = none */
	struct json_object *json; /* owned; NULL = none */
	enum wait_kind wait;
	unsigned device;
	enum removal_state state; /* WAIT_STATE */
	struct deadline deadline;
};

struct conn {
	struct conn *next;
	int fd;
	enum conn_phase phase;
	bool receiving; /* an operation of the ring has our pointer */
	bool sending;
	bool closing;
	char *in;
	size_t in_used;
	char *out;
	size_t out_bytes, out_sent;
	struct deadline idle;
	struct answer answer;
};

#endif
