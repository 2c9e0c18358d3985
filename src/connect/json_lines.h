/*
 * One sample, or the samples of one moment, as a JSON object:
 *
 *     {"metric": "cpu", "labels": {"host": "a"}, "time": 1700000000.5, "value": 0.3}
 *     {"labels": {"host": "a"}, "time": "2023-11-14T22:13:20Z", "values": {"cpu": 0.3, "mem": 0.5}}
 *
 * A series is known by the bytes of its metric's name and labels as written, so a known one is
 * never spelt out; other orders and other blanks are other spellings of the same series.
 */
#ifndef LW_CONNECT_JSON_LINES_H
#define LW_CONNECT_JSON_LINES_H

#include "base/time_text.h"
#include "connect/json_scan.h"
#include "lapwing/plugin.h"

/* Entries of "values". */
#define LW_JSON_LINES_VALUES_MAX 256
/* Bytes of a metric's name and its labels, as written. */
#define LW_JSON_LINES_NAME_MAX 8192
/* Bytes of one object. */
#define LW_JSON_LINES_BYTES_MAX (1 << 20)
/* Bytes of metric, label names and values of one series, each with a terminator. */
#define LW_JSON_LINES_SPELLED_MAX 2048
#define LW_JSON_LINES_WRONG_MAX 192

struct lw_json_reading {
    struct lw_json_text metric;
    double value; /* NaN: null. */
};

/* Views into the object's text. */
struct lw_json_line {
    const char *labels; /* With its braces; NULL: none. */
    uint32_t n_labels;  /* Bytes. */
    bool is_plain; /* The metric's name, a quote, and the labels stand in the text one behind the
                      other. */
    bool has_time;
    int64_t time_ns;
    uint32_t n_readings;
    struct lw_json_reading readings[LW_JSON_LINES_VALUES_MAX];
};

/* Reads one object, and nothing behind it; numbers of "time" are in `unit`. False: ret_wrong says
 * what is wrong, with the byte of the text, from 1. */
bool lw_json_line_read(const char *text, size_t n_bytes, enum lw_time_unit unit,
                       struct lw_json_line *ret_line, char ret_wrong[LW_JSON_LINES_WRONG_MAX]);
/*
 * The same for the usual line, {"metric":..,"labels":{..},"time":..,"value":..} with at most a
 * blank behind each comma and colon: of its names only the ends are looked for. What it takes is
 * good if the series is known by these bytes, since then they were read by the other once; if not,
 * or when false, the other must read the line.
 */
bool lw_json_line_skim(const char *text, size_t n_bytes, enum lw_time_unit unit,
                       struct lw_json_line *ret_line);

/* The bytes that a reading's series is known by: in the text, or in `scratch`; NULL when they are
 * too many. */
const char *lw_json_line_identity(const struct lw_json_line *line,
                                  const struct lw_json_reading *reading,
                                  char scratch[LW_JSON_LINES_NAME_MAX], size_t *ret_n_bytes);

/* A series spelt out. */
struct lw_json_name {
    struct lw_series_key key;
    struct lw_label labels[LW_LABELS_MAX];
    size_t n_bytes;
    char bytes[LW_JSON_LINES_SPELLED_MAX];
};

/* NULL when all is well, else what is wrong, static. */
const char *lw_json_line_spell(const struct lw_json_line *line,
                               const struct lw_json_reading *reading,
                               struct lw_json_name *ret_name);

#endif
