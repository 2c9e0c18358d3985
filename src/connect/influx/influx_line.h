/*
 * One line of InfluxDB's line protocol: cut into its parts, values read, names left as written.
 *
 *     cpu,host=web-1,region=eu usage_user=12.5,usage_system=3i,state="ok" 1700000000000000000
 *
 * The rules are those of InfluxDB 1 and 2 (its messages too), but for these: a line end is always
 * the end outside of a quoted text, also behind a backslash; CR LF ends a line as LF does; unsigned
 * integers (42u) are taken from clients of either version.
 */
#ifndef LW_CONNECT_INFLUX_INFLUX_LINE_H
#define LW_CONNECT_INFLUX_INFLUX_LINE_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fields of one line. */
#define LW_INFLUX_FIELDS_MAX 1024
/* Bytes of measurement, tags and one field's key, as written. */
#define LW_INFLUX_NAME_MAX 4096
/* Bytes of a series' names with their terminators, escapes undone. */
#define LW_INFLUX_SPELLED_MAX (LW_INFLUX_NAME_MAX + 2)

struct lw_influx_field {
    const char *key;
    uint32_t n_key;
    bool is_text; /* A quoted text: there is nothing to watch in it. */
    double value; /* Booleans are 0 and 1. */
};

/* Views into the body. */
struct lw_influx_line {
    const char *begin;
    size_t n_bytes;     /* Without its line end. */
    uint32_t n_ends;    /* Line ends it took, its own and those in quoted texts. */
    const char *wrong;  /* NULL: it is good. Static. */
    const char *series; /* Measurement and tags; NULL: nothing but blanks or a comment. */
    size_t n_series;
    bool has_time;
    int64_t time; /* In the request's unit. */
    uint32_t n_fields;
    uint32_t n_numbers; /* Of the fields, those that are no texts. */
    uint32_t n_key_max; /* Of the longest field's key. */
    struct lw_influx_field fields[LW_INFLUX_FIELDS_MAX];
};

/* Reads the line at `at`, which is before `end`; returns where the next one begins. */
const char *lw_influx_line_read(const char *at, const char *end, struct lw_influx_line *ret_line);

/* A series spelt out. */
struct lw_influx_name {
    struct lw_series_key key;
    struct lw_label labels[LW_LABELS_MAX];
    size_t n_bytes;
    char bytes[LW_INFLUX_SPELLED_MAX];
};

/*
 * The series of a field: metric measurement_field, or measurement where the field is called
 * "value"; tags become labels. `field` NULL: only looks whether the tags are in order. NULL when
 * all is well, else what is wrong, static.
 */
const char *lw_influx_name_spell(const char *series, size_t n_series,
                                 const struct lw_influx_field *field,
                                 struct lw_influx_name *ret_name);

#endif
