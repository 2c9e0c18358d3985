/*
 * Names of series: a metric and its labels, in the text form of Prometheus.
 *
 * The canonical text sorts labels by name, has one form for each escape and no spaces: equal series
 * have equal texts. Text is UTF-8. A label with an empty value is the same as no label.
 */
#ifndef LW_STREAM_SERIES_NAME_H
#define LW_STREAM_SERIES_NAME_H

#include "lapwing/lapwing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LW_LABELS_MAX 48    /* Of one series. */
#define LW_KEY_LABELS_MAX 8 /* Of an entity key. */
#define LW_SERIES_BYTES_MAX                                                                        \
    2048 /* Metric, label names and values of one series, each with a terminator. */

/* Invariant: labels ascend by name; every offset is that of a terminated text inside bytes. Plain
 * data. */
struct lw_series_name {
    uint16_t n_bytes;
    uint16_t n_labels;
    uint16_t label_at[LW_LABELS_MAX]; /* Offsets into bytes; the value follows the name's
                                         terminator. */
    char bytes[LW_SERIES_BYTES_MAX];  /* The metric comes first. */
};

/* The labels whose values name an entity, as in the option "entity". */
struct lw_entity_key {
    uint32_t n_labels;
    char labels[LW_KEY_LABELS_MAX][LW_SHORT_NAME_MAX];
};

/*
 * A series without labels. LW_EINVAL for an empty metric, or one with control characters or not
 * UTF-8; LW_ETOOLONG from LW_NAME_MAX bytes on. *ret_name is undefined after a failure, here and
 * below.
 */
enum lw_status lw_series_name_init(struct lw_series_name *ret_name, const char *metric,
                                   struct lw_error *reterr) LW_MUST_USE;
/*
 * One label more; an empty value adds none. LW_EINVAL for an empty label name, one with control
 * characters or any of {}"=,\ or space, or not UTF-8; LW_EEXIST for a second one of that name;
 * LW_ETOOLONG beyond the limits above, or from LW_SHORT_NAME_MAX bytes of a name and LW_NAME_MAX of
 * a value on. On failure the name is unchanged.
 */
enum lw_status lw_series_name_add(struct lw_series_name *name, const char *label, const char *value,
                                  struct lw_error *reterr) LW_MUST_USE;
/*
 * Read text such as node_cpu_seconds_total{cpu="0",mode="user"}: labels in any order, spaces
 * between tokens inside the braces, one trailing comma; \\ \" \n as escapes in values, \\ \{ \n in
 * metrics. LW_EFORMAT says at which byte; else as the two above.
 */
enum lw_status lw_series_name_parse(const char *text, size_t n_bytes,
                                    struct lw_series_name *ret_name,
                                    struct lw_error *reterr) LW_MUST_USE;
/* The metric; valid as long as the name. */
const char *lw_series_name_metric(const struct lw_series_name *name);
/* A label's value, or NULL when there is none; valid as long as the name. */
const char *lw_series_name_value(const struct lw_series_name *name, const char *label);
/* Canonical text. LW_ETOOLONG when it has LW_NAME_MAX bytes or more. */
enum lw_status lw_series_name_format(const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                     struct lw_error *reterr) LW_MUST_USE;

/*
 * Read the option "entity": label names separated by commas; empty: no label, all series are one
 * entity. LW_EINVAL, LW_EEXIST, LW_ELIMIT as for labels.
 */
enum lw_status lw_entity_key_parse(const char *text, struct lw_entity_key *ret_key,
                                   struct lw_error *reterr) LW_MUST_USE;
/*
 * The entity a series belongs to: "" without key labels, the value ("web-1") with one, "a=x,b=y" in
 * the key's order with several (commas and backslashes inside values escaped by \). A label that
 * the series lacks counts as empty. LW_ETOOLONG when too long.
 */
enum lw_status lw_entity_key_name(const struct lw_entity_key *key,
                                  const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                  struct lw_error *reterr) LW_MUST_USE;
/* The series' name within its entity: canonical text without the key's labels. LW_ETOOLONG when
 * too long. */
enum lw_status lw_entity_key_rest(const struct lw_entity_key *key,
                                  const struct lw_series_name *name, char ret_text[LW_NAME_MAX],
                                  struct lw_error *reterr) LW_MUST_USE;

/* Does text match a pattern, in which * is any characters and ? one? At most length of pattern
 * times length of text steps. */
bool lw_glob_match(const char *pattern, const char *text);
/* Does text match one of several patterns separated by commas (spaces around them are ignored)? */
bool lw_glob_match_any(const char *patterns, const char *text);

#endif
