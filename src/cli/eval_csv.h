/* A CSV file with a header, row by row: what the readers of an evaluation share. */
#ifndef LW_CLI_EVAL_CSV_H
#define LW_CLI_EVAL_CSV_H

#include "connect/csv/input.h"
#include "connect/csv/moment.h"
#include "connect/csv/record.h"
#include "lapwing/lapwing.h"

struct lw_eval_csv {
    const char *path; /* Borrowed. */
    struct lw_csv_input *input;
    struct lw_csv_field *fields; /* Of the present row; valid until the next. */
    char (*names)[LW_NAME_MAX];
    uint32_t n_columns;
    uint64_t line, next_line; /* Of the present row, from 1. */
    size_t at;
    char separator;
    struct lw_csv_moment moment;
    bool has_moment;
};

/* Opens a file, or bytes where they are not NULL, and reads the header. Separator 0: the one that
 * the first line has most of. */
enum lw_status lw_eval_csv_open(const char *path, const void *bytes, size_t n_bytes, char separator,
                                struct lw_eval_csv *ret_csv, struct lw_error *reterr) LW_MUST_USE;
void lw_eval_csv_close(struct lw_eval_csv *csv);
/* The next row that is not empty; false in *ret_has_row at the end. LW_EFORMAT: a row with another
 * number of fields, and what lw_csv_record_read refuses. */
enum lw_status lw_eval_csv_next(struct lw_eval_csv *csv, bool *ret_has_row,
                                struct lw_error *reterr) LW_MUST_USE;
/* The column of a name, in either case; -1: none. */
int lw_eval_csv_column(const struct lw_eval_csv *csv, const char *name);
/* LW_EFORMAT "path:line: column "x": "text" what", for a field of the present row. */
enum lw_status lw_eval_csv_refuse(const struct lw_eval_csv *csv, int column, const char *what,
                                  struct lw_error *reterr) LW_MUST_USE;
/* The time in a column; the first one tells the form of the others. */
enum lw_status lw_eval_csv_time(struct lw_eval_csv *csv, int column, int64_t *ret_ns,
                                struct lw_error *reterr) LW_MUST_USE;

#endif
