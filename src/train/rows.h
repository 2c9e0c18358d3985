/*
 * Rows kept for training: a bounded sample of everything an entity has seen, evenly spread and in
 * time order.
 *
 * Every k-th row is kept, k a power of two; when the store is full, every other row goes and k
 * doubles. Deterministic, no draw. Rows are float[n_columns]; columns may be added, and then read
 * NaN in rows from before. One thread.
 */
#ifndef LW_TRAIN_ROWS_H
#define LW_TRAIN_ROWS_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stddef.h>
#include <stdint.h>

/* Plain data but for `rows`, which is the caller's: float[capacity][stride], stride >= n_columns.
 */
struct lw_training_rows {
    float *rows;
    uint32_t capacity; /* Even, > 0. */
    uint32_t stride;
    uint32_t n_rows;
    uint32_t every; /* A row is kept when n_seen is a multiple of it. */
    uint64_t n_seen;
};

void lw_training_rows_init(struct lw_training_rows *rows, float *memory, uint32_t capacity,
                           uint32_t stride);
/* Offer the next row: float[stride]. O(1), but O(capacity * stride) each time the store fills. */
void lw_training_rows_offer(struct lw_training_rows *rows, const float *row);
/* Move into memory of float[capacity][stride] with a larger stride; new columns are NaN. The old
 * memory is the caller's again. */
void lw_training_rows_widen(struct lw_training_rows *rows, float *memory, uint32_t stride);
void lw_training_rows_save(const struct lw_training_rows *rows, struct lw_writer *writer);
/* Into an initialised store of the same capacity and stride. LW_EFORMAT when the bytes do not fit
 * it. */
enum lw_status lw_training_rows_load(struct lw_training_rows *rows, struct lw_reader *reader,
                                     struct lw_error *reterr) LW_MUST_USE;

#endif
