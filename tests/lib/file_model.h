/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_model.h -- a file as a plain array, and random calls for both
 *
 * A run is repeated exactly by its seed: a parent can apply to the model what
 * a child that died had performed on the file.
 */
#ifndef UDAX_TESTS_FILE_MODEL_H
#define UDAX_TESTS_FILE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MODEL_BYTES (8u << 20) /* no byte of the file from here on */
#define CALL_BYTES_MAX (1u << 20)

struct model {
	unsigned char *bytes; /* MODEL_BYTES of them, zeros from size on */
	uint64_t size;
};

enum call_kind {
	WRITE,
	APPEND,
	READ,
	FILL,
	TRUNCATE,
	PUNCH,
	ZERO,
	ALLOCATE,
	SEEK,
	KINDS
};

struct call {
	enum call_kind kind;
	uint64_t offset;
	uint64_t length;
	bool keep_size;
	unsigned char salt;
};

extern uint64_t model_seed;
uint64_t model_random(uint64_t below);

void model_init(struct model *model);
void model_fini(struct model *model);
void model_copy(struct model *to, const struct model *from);

struct call call_random(const struct model *model);
/* On fixture.file. What is read is compared with the model. Bytes, 0 or an
 * error, as the call has it. */
ssize_t call_perform(const struct model *model, const struct call *call);
void model_apply(struct model *model, const struct call *call);
/* What call_perform() answers when nothing goes wrong. */
ssize_t call_expected(const struct model *model, const struct call *call);

/* fixture.file is the model, byte for byte. */
void model_check(const struct model *model);
/* fixture.file is, byte for byte, one or the other; the model becomes it. */
void model_adopt(struct model *model, const struct model *before,
		 const struct model *after);

#endif
