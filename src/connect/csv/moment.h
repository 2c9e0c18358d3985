/* Times of a CSV column: seconds, milliseconds, microseconds or nanoseconds since 1970, ISO 8601,
 * or a pattern. */
#ifndef LW_CONNECT_CSV_MOMENT_H
#define LW_CONNECT_CSV_MOMENT_H

#include "base/time_text.h"
#include "lapwing/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_CSV_PATTERN_MAX 64
#define LW_CSV_MOMENT_CACHE_BYTES 40

enum lw_csv_moment_kind {
    LW_CSV_MOMENT_EPOCH,
    LW_CSV_MOMENT_ISO,
    LW_CSV_MOMENT_PATTERN,
    LW_CSV_MOMENT_ROW
};

struct lw_csv_moment_format {
    enum lw_csv_moment_kind kind;
    enum lw_time_unit unit;           /* EPOCH only. */
    char pattern[LW_CSV_PATTERN_MAX]; /* PATTERN only. */
};

/* A column's reader: the last text and its time, because neighbouring rows often share both. */
struct lw_csv_moment {
    struct lw_csv_moment_format format;
    size_t n_cached;
    int64_t cached_ns;
    char cached[LW_CSV_MOMENT_CACHE_BYTES];
};

/* The forms tried when nothing is said, told apart by what fits. */
#define LW_CSV_PATTERNS 20
/* Of them, the one that looks like a number: 20150226214253. */
#define LW_CSV_PATTERN_COMPACT 18
extern const char *const LW_CSV_PATTERN_NAMES[LW_CSV_PATTERNS];

/*
 * Reads what a user says: "s", "ms", "us", "ns", "iso", or a pattern of %Y %y %m %d %H %I %M %S %f
 * (fraction) %p %b %z %% and other letters that stand for themselves; a blank stands for any number
 * of them. LW_EINVAL.
 */
enum lw_status lw_csv_moment_format_read(const char *text, struct lw_csv_moment_format *ret_format,
                                         struct lw_error *reterr) LW_MUST_USE;
/* The whole text as a time by a pattern; UTC where the pattern has no zone. */
bool lw_csv_pattern_parse(const char *pattern, const char *text, size_t n_bytes, int64_t *ret_ns);
/* The whole text as a time. Not for LW_CSV_MOMENT_ROW. */
bool lw_csv_moment_parse(struct lw_csv_moment *moment, const char *text, size_t n_bytes,
                         int64_t *ret_ns);

#endif
