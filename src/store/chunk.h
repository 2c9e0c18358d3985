/*
 * Times and values of one series as few bytes, bit for bit.
 *
 * Times and values are coded apart, for series that are read together share their times. Any int64
 * and any double comes back as it was: NaN payloads, both zeros, infinities.
 */
#ifndef LW_STORE_CHUNK_H
#define LW_STORE_CHUNK_H

#include "store/chunk_coder.h"

/* What a column of times says of itself without being decoded. */
struct lw_chunk_span {
    size_t n;
    int64_t first_ns, last_ns;
};

/* Appends 0 < n <= LW_CHUNK_SAMPLES_MAX times, in ascending order (equal ones are fine). A failure
 * stays in the writer. */
void lw_chunk_times_write(struct lw_chunk_coder *coder, const int64_t *times_ns, size_t n,
                          struct lw_writer *writer);
/* Reads the span alone, from the beginning of what the reader holds. */
enum lw_status lw_chunk_span_read(struct lw_reader *reader,
                                  struct lw_chunk_span *ret_span) LW_MUST_USE;
/* Reads all that the reader holds: int64_t[span.n], room for LW_CHUNK_SAMPLES_MAX is enough.
 * LW_EFORMAT also where times do not ascend as the span says. */
enum lw_status lw_chunk_times_read(struct lw_reader *reader, struct lw_chunk_span *ret_span,
                                   int64_t *ret_times_ns) LW_MUST_USE;

/* Appends 0 < n <= LW_CHUNK_SAMPLES_MAX values. */
void lw_chunk_values_write(struct lw_chunk_coder *coder, const double *values, size_t n,
                           struct lw_writer *writer);
/* Reads n values from all that the reader holds. */
enum lw_status lw_chunk_values_read(struct lw_chunk_coder *coder, struct lw_reader *reader,
                                    size_t n, double *ret_values) LW_MUST_USE;

#endif
