/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * place.h -- the memory of a lease, put where it is wanted
 *
 * By the udax thread, under client.lock. Each contiguous piece of a device is
 * one mmap(2), over what was there.
 */
#ifndef UDAX_CLIENT_PLACE_H
#define UDAX_CLIENT_PLACE_H

#include "client/conn.h"
#include "wire/wire.h"

/* 0, or an error: then all of the grant has been given back. */
int place_grant(struct conn *conn, struct call *call,
		const struct udax_map_reply *reply, struct wire_fds *fds);

/* fetch_early_recall() */
void place_remember(struct conn *conn, const struct udax_recall *recall);
void place_forget(struct conn *conn);

#endif
