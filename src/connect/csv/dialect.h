/*
 * The dialect of a CSV file: what separates, what the columns are, how times are written. Found
 * from the file's beginning; every part can be given instead.
 */
#ifndef LW_CONNECT_CSV_DIALECT_H
#define LW_CONNECT_CSV_DIALECT_H

#include "connect/csv/moment.h"
#include "connect/csv/record.h"
#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names that --ignore and the like may list. */
#define LW_CSV_NAMES_MAX 256

enum lw_csv_choice { LW_CSV_AUTO = 0, LW_CSV_YES = 1, LW_CSV_NO = 2 };
enum lw_csv_layout { LW_CSV_LAYOUT_AUTO = 0, LW_CSV_LONG, LW_CSV_WIDE };

/* What the user said; zero means "find out". Texts are borrowed and outlive the source. */
struct lw_csv_options {
    char separator;
    char decimal_mark; /* '.' or ',' */
    enum lw_csv_choice header;
    enum lw_csv_layout layout;
    const char *time;        /* Column name or number from 1; "none": the row number is the time. */
    const char *time_format; /* See lw_csv_moment_format. */
    const char *series, *value, *entity;
    const char *const *ignore; /* Column names. */
    size_t n_ignore;
    const char *const *use; /* Columns taken although they look like labels. */
    size_t n_use;
    int64_t interval_ns;   /* Between rows of a file without time; 0: 1 s. */
    const char *unit_name; /* Entity of a file that names none; NULL: the file's name without folder
                              and ending. */
};

enum lw_csv_role {
    LW_CSV_ROLE_VALUE,
    LW_CSV_ROLE_TIME,
    LW_CSV_ROLE_SERIES,
    LW_CSV_ROLE_ENTITY,
    LW_CSV_ROLE_LABEL,  /* Looks like an answer: left out, said. */
    LW_CSV_ROLE_ID,     /* Looks like a row number or key: left out, said. */
    LW_CSV_ROLE_SPARE,  /* Not asked for: another column was named, or the layout is long. */
    LW_CSV_ROLE_TEXT,   /* No numbers: left out, said. */
    LW_CSV_ROLE_EMPTY,  /* Nothing in it so far and no name: left out. */
    LW_CSV_ROLE_IGNORED /* The user said so. */
};

struct lw_csv_column {
    char name[LW_NAME_MAX];
    enum lw_csv_role role;
};

struct lw_csv_dialect {
    char separator, decimal_mark;
    bool has_header;
    enum lw_csv_layout layout;
    struct lw_csv_moment_format time;
    int time_column, series_column, entity_column; /* -1: none. */
    int value_column;                              /* Long layout; -1 in wide. */
    uint32_t n_columns;
    struct lw_csv_column *columns; /* Owned. */
    uint32_t n_values;             /* Columns of role VALUE. */
    size_t n_skip_bytes; /* Byte order mark, comments and empty lines before the header or first
                            row. */
    uint32_t n_skip_lines;
};

/*
 * Finds the dialect from the beginning of a file.
 *
 * text, n_bytes  The beginning, as much as there is up to about 1 MiB; `is_last` when it is all.
 * LW_EFORMAT: what is missing or cannot be decided, and which option decides it; LW_ENOTFOUND: an
 * option names a column that is not there; LW_ENOMEM.
 */
enum lw_status lw_csv_dialect_find(const struct lw_csv_options *options, const char *text,
                                   size_t n_bytes, bool is_last, struct lw_csv_dialect *ret_dialect,
                                   struct lw_error *reterr) LW_MUST_USE;
void lw_csv_dialect_fini(struct lw_csv_dialect *dialect);
/* One line for people: separator, header, time, layout, what is left out and why. Returns the
 * length, as snprintf does. */
size_t lw_csv_dialect_describe(const struct lw_csv_dialect *dialect, char *ret_text,
                               size_t capacity);

#endif
