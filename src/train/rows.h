/*
 * Rows kept for training: a bounded sample of everything an entity has seen, in blocks of
 * neighbouring rows, evenly spread and in time order.
 *
 * Models that look back need neighbours, so whole blocks are kept or dropped: every k-th, k a power
 * of two; when the store is full, every other block goes and k doubles. Of blocks in which there
 * was trouble, one in eight counts, so trouble does not come to look normal, but a new regime is
 * learnt in the end. Deterministic, no draw. Rows are float[n_columns]; columns may be added, and
 * then read NaN in rows from before. One thread.
 */
#ifndef LW_TRAIN_ROWS_H
#define LW_TRAIN_ROWS_H

#include "base/bytes.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_TRAINING_BLOCK 64u
#define LW_TRAINING_BLOCKS_MAX 16384u
/* One in so many blocks with trouble is counted. */
#define LW_TRAINING_TAINTED_KEPT 8u

/* Plain data but for `rows`, `starts` and `times_ns`, which are the caller's:
 * float[capacity][stride], stride >= n_columns, and uint64_t[capacity / LW_TRAINING_BLOCK]. */
struct lw_training_rows {
    float *rows;
    int64_t *times_ns; /* [capacity] Event time of each row; NULL: not kept. */
    int64_t now_ns;    /* Of the row that is offered next. */
    uint64_t *starts;  /* Of each block: how many rows had been offered before it. */
    uint32_t capacity; /* Whole blocks, at least three: one is being filled, two may be kept. */
    uint32_t stride;
    uint32_t n_rows;    /* In the store, the block being filled included. */
    uint32_t every;     /* A block is kept when n_counted is a multiple of it. */
    bool is_tainted;    /* There was trouble in the block being filled. */
    uint64_t n_seen;    /* Rows offered. */
    uint64_t n_counted; /* Blocks that counted. */
    uint64_t n_tainted; /* Blocks with trouble. */
};

/* Rows to give room for, so that at least `wanted` may be kept: whole blocks and one to fill. */
uint32_t lw_training_rows_capacity(uint64_t wanted);
void lw_training_rows_init(struct lw_training_rows *rows, float *memory, uint64_t *starts,
                           uint32_t capacity, uint32_t stride);
/* Offer the next row: float[stride]; `trouble` when it was anomalous. O(1), but O(capacity stride)
 * each time the store fills. */
void lw_training_rows_offer(struct lw_training_rows *rows, const float *row, bool trouble);
/* Lengths of the stretches of neighbouring rows, into size_t[capacity / LW_TRAINING_BLOCK]; returns
 * how many there are. */
size_t lw_training_rows_runs(const struct lw_training_rows *rows, size_t *ret_runs);
/* Move into memory of float[capacity][stride] with a larger stride; new columns are NaN. The old
 * memory is the caller's again. */
void lw_training_rows_widen(struct lw_training_rows *rows, float *memory, uint32_t stride);
void lw_training_rows_save(const struct lw_training_rows *rows, struct lw_writer *writer);
/* Into an initialised store of the same capacity and stride. LW_EFORMAT when the bytes do not fit
 * it. */
enum lw_status lw_training_rows_load(struct lw_training_rows *rows, struct lw_reader *reader,
                                     struct lw_error *reterr) LW_MUST_USE;

#endif
