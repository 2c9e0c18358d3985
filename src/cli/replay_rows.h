/*
 * The verdicts of a replay as rows of a file: CSV or JSON lines, in the order of the input.
 *
 * Each shard's thread gathers verdicts into its own block; after a flush the main thread merges the
 * blocks by row number and writes.
 */
#ifndef LW_CLI_REPLAY_ROWS_H
#define LW_CLI_REPLAY_ROWS_H

#include "lapwing/engine.h"

#include <stdio.h>

enum lw_rows_format { LW_ROWS_CSV, LW_ROWS_JSON };

/* A verdict on its way to the file. */
struct lw_row {
    struct lw_verdict verdict;
    const struct lw_entity *entity;
    const struct lw_detector *detector;
    uint32_t entity_number;
    uint32_t n_features;
    size_t features_at; /* Into the block's. */
};

/* What one shard gathered since the last flush. */
struct lw_rows_block {
    struct lw_row *rows;
    size_t n_rows, capacity;
    float *features;
    size_t n_features, features_capacity;
    bool is_short; /* Memory ran out: rows are missing. */
};

void lw_rows_block_fini(struct lw_rows_block *block);
/* Adds a verdict; with `features` also the series' features. The shard's thread. */
void lw_rows_block_add(struct lw_rows_block *block, const struct lw_engine_verdict *verdict,
                       bool has_features);

/* How a file of rows is written. */
struct lw_rows_setup {
    FILE *stream;
    enum lw_rows_format format;
    bool is_by_time; /* Steps are durations: rows are ordered by time, not by row number. */
    bool has_times;  /* Else the time is the row's number, of row_ns each. */
    int64_t row_ns;
    bool has_detector;                        /* Name the detector: there are several. */
    const struct lw_feature_column *features; /* Columns of --wide; borrowed. */
    size_t n_features;
};

struct lw_rows;

/* A writer; writes the CSV header. NULL without memory. */
struct lw_rows *lw_rows_create(const struct lw_rows_setup *setup);
/* Takes NULL; does not close the stream. */
void lw_rows_destroy(struct lw_rows *rows);
/* Writes n_blocks blocks merged by row number, and empties them. False when memory ran out or the
 * stream failed. */
bool lw_rows_write(struct lw_rows *rows, struct lw_rows_block *blocks, uint32_t n_blocks);
/* Verdicts written. */
uint64_t lw_rows_written(const struct lw_rows *rows);

#endif
