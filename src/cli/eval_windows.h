/*
 * Periods of time in which something was wrong, by series: as JSON, {"folder/file.csv": [[first,
 * last], ...]} as the Numenta Anomaly Benchmark has them, or one such list; or as CSV with columns
 * start and end, and, where there are several series, entity, series, name or file.
 */
#ifndef LW_CLI_EVAL_WINDOWS_H
#define LW_CLI_EVAL_WINDOWS_H

#include "lapwing/evaluate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file of periods; more is refused. */
#define LW_EVAL_WINDOWS_BYTES_MAX ((size_t)64 << 20)

/* Both ends belong to it. */
struct lw_eval_period {
    int64_t first_ns, last_ns;
};

struct lw_eval_periods {
    char *name; /* Of the series, without .csv or .csv.gz; "": of any. */
    struct lw_eval_period *items;
    size_t n, capacity;
    bool is_used;
};

struct lw_eval_windows {
    struct lw_eval_periods *entries;
    size_t n, capacity;
    bool is_complete; /* A series that it does not name is missing; else it has no windows. */
};

/* The file holds windows, not labels: JSON, or CSV with columns start and end. */
enum lw_status lw_eval_windows_are(const char *path, bool *ret_are,
                                   struct lw_error *reterr) LW_MUST_USE;
/* Reads a file. The message names path, line where there is one, and reason. */
enum lw_status lw_eval_windows_read(const char *path, struct lw_eval_windows *ret_windows,
                                    struct lw_error *reterr) LW_MUST_USE;
/* The same of bytes in memory. */
enum lw_status lw_eval_windows_read_bytes(const char *path, const void *bytes, size_t n_bytes,
                                          struct lw_eval_windows *ret_windows,
                                          struct lw_error *reterr) LW_MUST_USE;
void lw_eval_windows_fini(struct lw_eval_windows *windows);
/* The entry of a series: of its whole name, else of what is behind the last "/" where only one
 * entry has that, else the entry of any; NULL: none. */
struct lw_eval_periods *lw_eval_windows_find(const struct lw_eval_windows *windows,
                                             const char *name);
/*
 * Labels rows by their times, and finds the windows of rows: windows[periods->n] in order, those
 * that overlap joined. Returns how many windows there are; *ret_n_empty: periods without any row.
 */
size_t lw_eval_windows_apply(const struct lw_eval_periods *periods, const int64_t *times, size_t n,
                             uint8_t *ret_labels, struct lw_eval_window *ret_windows,
                             size_t *ret_n_empty);

#endif
