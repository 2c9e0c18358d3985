/*
 * Columns of a CSV file that an evaluation needs: scores, alarms, labels, times, row by row.
 *
 * A file that names entities and series in its rows, as `lapwing replay --out` writes them, is
 * taken apart: each entity is a group of its own. A row's lines, one a series and the entity's as a
 * whole last, become one row: the entity's own line where it tells a score, else the highest of its
 * series, with an alarm where any has one.
 */
#ifndef LW_CLI_EVAL_TABLE_H
#define LW_CLI_EVAL_TABLE_H

#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Entities of one file, series of them where they are told apart. */
#define LW_EVAL_GROUPS_MAX 100000

/* Which columns; a NULL name is one of the usual names. */
struct lw_eval_columns {
    const char *score, *alarm, *label;
    char separator;                               /* 0: the one that the first line has most of. */
    bool wants_scores, wants_labels, wants_times; /* It is an error when there are none. */
    bool ignores_times;                           /* They are not even looked at. */
    bool by_series;                               /* Each series of an entity is a group. */
};

/* Rows of one entity, or of the whole file. */
struct lw_eval_rows {
    char name[2 * LW_NAME_MAX]; /* "" where the file names none. */
    double *scores;             /* NaN: none; NULL where the file has none at all. */
    uint8_t *alarms, *labels;   /* NULL likewise. */
    int64_t *times;
    size_t n, capacity;
    uint32_t last_place, n_places; /* Of series among those of the entity. */
};

struct lw_eval_table {
    struct lw_eval_rows *groups;
    size_t n_groups, capacity;
    bool has_scores, has_alarms, has_labels, has_times;
};

/*
 * Reads a file, gzip or not. The message names path, line and reason. LW_ENOTFOUND, LW_EIO,
 * LW_EFORMAT, LW_ELIMIT, LW_ENOMEM.
 */
enum lw_status lw_eval_table_read(const char *path, const struct lw_eval_columns *columns,
                                  struct lw_eval_table *ret_table,
                                  struct lw_error *reterr) LW_MUST_USE;
/* The same of bytes in memory; `path` is their name in messages. */
enum lw_status lw_eval_table_read_bytes(const char *path, const void *bytes, size_t n_bytes,
                                        const struct lw_eval_columns *columns,
                                        struct lw_eval_table *ret_table,
                                        struct lw_error *reterr) LW_MUST_USE;
void lw_eval_table_fini(struct lw_eval_table *table);

#endif
