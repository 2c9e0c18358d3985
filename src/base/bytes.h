/*
 * Little-endian bytes out and in, for every versioned format of ours.
 *
 * A writer grows on the heap and remembers its first failure; a reader never reads past its end and
 * remembers the first short read: callers check once, at the end. Floats travel as their IEEE 754
 * bits.
 */
#ifndef LW_BASE_BYTES_H
#define LW_BASE_BYTES_H

#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

struct lw_writer {
    uint8_t *data; /* Owned; lw_writer_fini frees it. */
    size_t n_bytes;
    size_t capacity_bytes;
    enum lw_status status; /* LW_OK or LW_ENOMEM: once failed, nothing more is written. */
};

void lw_writer_init(struct lw_writer *writer);
void lw_writer_fini(struct lw_writer *writer);
/* Forget what was written, keep the memory. */
void lw_writer_reset(struct lw_writer *writer);
void lw_write_u8(struct lw_writer *writer, uint8_t value);
void lw_write_u16(struct lw_writer *writer, uint16_t value);
void lw_write_u32(struct lw_writer *writer, uint32_t value);
void lw_write_u64(struct lw_writer *writer, uint64_t value);
void lw_write_i64(struct lw_writer *writer, int64_t value);
void lw_write_f32(struct lw_writer *writer, float value);
void lw_write_f64(struct lw_writer *writer, double value);
void lw_write_f32s(struct lw_writer *writer, const float *values, size_t n);
void lw_write_f64s(struct lw_writer *writer, const double *values, size_t n);
void lw_write_raw(struct lw_writer *writer, const void *bytes, size_t n_bytes);
/* u32 length, then the bytes. */
void lw_write_text(struct lw_writer *writer, const char *text);

struct lw_reader {
    const uint8_t *data; /* Borrowed. */
    size_t n_bytes;
    size_t at;
    enum lw_status status; /* LW_OK or LW_EFORMAT (read past the end); after a failure every read
                              gives 0. */
};

void lw_reader_init(struct lw_reader *reader, const void *data, size_t n_bytes);
uint8_t lw_read_u8(struct lw_reader *reader);
uint16_t lw_read_u16(struct lw_reader *reader);
uint32_t lw_read_u32(struct lw_reader *reader);
uint64_t lw_read_u64(struct lw_reader *reader);
int64_t lw_read_i64(struct lw_reader *reader);
float lw_read_f32(struct lw_reader *reader);
double lw_read_f64(struct lw_reader *reader);
void lw_read_f32s(struct lw_reader *reader, float *ret_values, size_t n);
void lw_read_f64s(struct lw_reader *reader, double *ret_values, size_t n);
void lw_read_raw(struct lw_reader *reader, void *ret_bytes, size_t n_bytes);
/* A borrowed view of the next n_bytes; NULL (and failed) when they are not there. */
const uint8_t *lw_read_view(struct lw_reader *reader, size_t n_bytes);
/* Reads a text of at most capacity - 1 bytes into ret_text, terminated; longer fails. */
void lw_read_text(struct lw_reader *reader, char *ret_text, size_t capacity);
size_t lw_reader_left(const struct lw_reader *reader);

#endif
