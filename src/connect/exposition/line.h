/* One line of an exposition taken apart: see exposition.h. */
#ifndef LW_CONNECT_EXPOSITION_LINE_H
#define LW_CONNECT_EXPOSITION_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Labels of a line that are kept; further ones are passed over and counted. */
#define LW_EXPOSITION_LINE_LABELS 64
/* Characters that the labels of an exemplar may have together. */
#define LW_EXPOSITION_EXEMPLAR_MAX 128

/* A view, without quotes, escapes as written. */
struct lw_exposition_text {
    const char *text;
    uint32_t n_bytes;
    bool has_escapes;
};

struct lw_exposition_pair {
    struct lw_exposition_text name, value;
};

struct lw_exposition_line {
    const char *series, *series_end; /* Name and labels. */
    struct lw_exposition_text name;
    uint32_t n_labels; /* Also those that are not kept. */
    struct lw_exposition_pair labels[LW_EXPOSITION_LINE_LABELS];
    double value;
    int64_t time_ns;
    bool has_time, has_exemplar;
};

/*
 * Takes a line of a sample apart. `strict`: as OpenMetrics has it (one space, seconds, exemplars),
 * else as the text format has it (blanks, milliseconds). NULL when it holds, else why not.
 */
const char *lw_exposition_line_read(const char *text, const char *end, bool strict,
                                    struct lw_exposition_line *ret_line);
/* Reads name and labels alone; *ret_end is behind them. */
const char *lw_exposition_series_read(const char *text, const char *end, bool strict,
                                      struct lw_exposition_line *ret_line, const char **ret_end);
/* The end of a metric name that begins at text, quoted or not; text itself where none begins. */
const char *lw_exposition_name_read(const char *text, const char *end,
                                    struct lw_exposition_text *ret_name);
/* The whole text as a number. */
bool lw_exposition_number(const char *text, size_t n_bytes, double *ret_value);

#endif
