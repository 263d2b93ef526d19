/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.h -- descriptors that are read and written by loads and stores
 *
 * A table by descriptor number, read without a lock, inside a section. What a
 * number means is learnt once and believed until udax_forget().
 */
#ifndef UDAX_CLIENT_IO_H
#define UDAX_CLIENT_IO_H

/* A forked child: all forgotten. */
void io_after_fork(void);

#endif
