/*
 * Whole numbers as few bytes: the entropy coder under the chunks of the history.
 *
 * One stream holds up to LW_CHUNK_SAMPLES_MAX numbers. It knows no time and no float: store/chunk.h
 * makes numbers of both.
 */
#ifndef LW_STORE_CHUNK_CODER_H
#define LW_STORE_CHUNK_CODER_H

#include "base/bytes.h"

/* Numbers a stream may hold. */
#define LW_CHUNK_SAMPLES_MAX 4096

/* Scratch of one thread: coding allocates nothing but what the writer grows by. */
struct lw_chunk_coder;

/* NULL when there is no memory. */
struct lw_chunk_coder *lw_chunk_coder_create(void);
/* Takes NULL. */
void lw_chunk_coder_destroy(struct lw_chunk_coder *coder);

/* Room for LW_CHUNK_SAMPLES_MAX numbers; whoever calls below may fill it. */
int64_t *lw_chunk_coder_numbers(struct lw_chunk_coder *coder);

/*
 * Which prediction suits numbers best, and about how many bits they would then take. Arithmetic is
 * modulo 2^64, so any numbers will do.
 */
struct lw_chunk_plan {
    uint8_t predictor;
    uint64_t divisor; /* Of all differences to the first number; 0 where all are equal. */
    uint64_t slope;   /* Of the line that is subtracted, and its height; in divisors. */
    uint64_t height;
    uint64_t n_bits; /* Estimate. */
};
void lw_chunk_plan(struct lw_chunk_coder *coder, const int64_t *numbers, size_t n,
                   struct lw_chunk_plan *ret_plan);
/* Appends the stream of 0 < n <= LW_CHUNK_SAMPLES_MAX numbers, by a plan made of the same ones. */
void lw_chunk_numbers_write(struct lw_chunk_coder *coder, const struct lw_chunk_plan *plan,
                            const int64_t *numbers, size_t n, struct lw_writer *writer);
/* Reads a stream that takes all that is left in the reader. Any bytes are safe; LW_EFORMAT for what
 * no writer makes (some of it reads as wrong numbers: checksums are the file's business). */
enum lw_status lw_chunk_numbers_read(struct lw_reader *reader, size_t n,
                                     int64_t *ret_numbers) LW_MUST_USE;

/* LEB128: 7 bits a byte, the lowest first. */
void lw_write_varint(struct lw_writer *writer, uint64_t value);
uint64_t lw_read_varint(struct lw_reader *reader);
/* The same with the sign in the lowest bit. */
void lw_write_signed(struct lw_writer *writer, int64_t value);
int64_t lw_read_signed(struct lw_reader *reader);

#endif
