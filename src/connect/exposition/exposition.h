/*
 * Reads what Prometheus targets expose: the text format 0.0.4 and OpenMetrics 1.0, both with the
 * quoted UTF-8 names of Prometheus 3.
 *
 *     lw_exposition_begin(exposition, LW_EXPOSITION_TEXT, body, n_bytes);
 *     while ((outcome = lw_exposition_next(exposition, &sample)) != LW_EXPOSITION_END) { ... }
 *
 * One pass over the body, nothing copied. In the text format a line that cannot be is told
 * (LW_EXPOSITION_BAD) and left out; comments and metadata are passed over unread. OpenMetrics is
 * held to the whole of its rules: the first breach ends the reading, and what was read before it
 * must be thrown away. Checked there: one space between tokens, no blank line, no CR, UTF-8, one
 * HELP, TYPE and UNIT a family before its samples, units as suffix, clashing and interleaved
 * families and groups, time stamps that go back or are there for half a group, histograms (order,
 * +Inf, counts and sums), summaries, statesets, infos, counters below 0, where exemplars may stand
 * and how long they are, `# EOF`.
 *
 * Numbers are decimal, or any case of NaN, Inf and Infinity; hexadecimal ones and ones too large
 * for a double are refused.
 *
 * Not checked: label names given twice beyond the 64th label, in either format. Groups and family
 * names are told apart by 64-bit hashes.
 */
#ifndef LW_CONNECT_EXPOSITION_EXPOSITION_H
#define LW_CONNECT_EXPOSITION_EXPOSITION_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Metric, label names and values of one series, each with a terminator. */
#define LW_EXPOSITION_KEY_BYTES 4096

enum lw_exposition_format { LW_EXPOSITION_TEXT, LW_EXPOSITION_OPENMETRICS };

enum lw_exposition_outcome {
    LW_EXPOSITION_SAMPLE,
    LW_EXPOSITION_BAD, /* lw_exposition_line and lw_exposition_message say what; OpenMetrics ends
                          with it. */
    LW_EXPOSITION_END
};

/* Views into the body. */
struct lw_exposition_sample {
    const char *series; /* Name and labels as they are written. */
    uint32_t n_bytes;
    bool has_time;
    int64_t time_ns; /* 0 without. */
    double value;    /* NaN and infinities as they are. */
    uint64_t line;   /* From 1. */
};

/* A series spelt out; the texts of `key` lie in it. */
struct lw_exposition_key {
    struct lw_series_key key;
    struct lw_label labels[LW_LABELS_MAX];
    char bytes[LW_EXPOSITION_KEY_BYTES];
};

struct lw_exposition;

/* LW_ENOMEM. */
enum lw_status lw_exposition_create(struct lw_exposition **ret_exposition,
                                    struct lw_error *reterr) LW_MUST_USE;
/* Takes NULL. */
void lw_exposition_destroy(struct lw_exposition *exposition);
/* The body is borrowed until the next begin. One thread. */
void lw_exposition_begin(struct lw_exposition *exposition, enum lw_exposition_format format,
                         const char *body, size_t n_bytes);
/* The next sample, or a line that is none. Should memory be short, LW_EXPOSITION_BAD says so. */
enum lw_exposition_outcome lw_exposition_next(struct lw_exposition *exposition,
                                              struct lw_exposition_sample *ret_sample);
/* Of the line read last. */
uint64_t lw_exposition_line(const struct lw_exposition *exposition);
/* Why that line is bad: a static sentence. */
const char *lw_exposition_message(const struct lw_exposition *exposition);

/*
 * Spells a sample's series out. LW_ETOOLONG beyond LW_LABELS_MAX labels or LW_EXPOSITION_KEY_BYTES,
 * LW_EINVAL for a byte 0 in a value.
 */
enum lw_status lw_exposition_spell(const char *series, size_t n_bytes,
                                   struct lw_exposition_key *ret_key,
                                   struct lw_error *reterr) LW_MUST_USE;

/*
 * The format that a Content-Type names. LW_EINVAL for any other, also a newer version of these;
 * NULL and text/plain without a version are the text format.
 */
enum lw_status lw_exposition_format_of(const char *content_type,
                                       enum lw_exposition_format *ret_format,
                                       struct lw_error *reterr) LW_MUST_USE;

#endif
