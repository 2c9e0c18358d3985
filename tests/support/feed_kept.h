/*
 * A feed for tests of sources and recordings: it keeps what it is given, in order, as text one can
 * compare.
 *
 * Keys are kept as metric{a="b"} in the order of the labels as given. Every call adds a line to the
 * log: "point 3 1000 0.5 flags 0 tag 7", "watermark 2000", "dropped bad_line 1", "series
 * node_load1{...}".
 */
#ifndef LW_TESTS_SUPPORT_FEED_KEPT_H
#define LW_TESTS_SUPPORT_FEED_KEPT_H

#include "lapwing/plugin.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FEED_KEPT_SERIES 512
#define FEED_KEPT_KEY 384
#define FEED_KEPT_LOG (1 << 18)

struct feed_kept {
    char keys[FEED_KEPT_SERIES][FEED_KEPT_KEY];
    double values[FEED_KEPT_SERIES]; /* The last of each. */
    uint32_t n_points[FEED_KEPT_SERIES];
    uint32_t n_series, series_limit;
    uint64_t n_dropped;
    int64_t watermark_ns;
    enum lw_status push_answer, unready; /* What push and ready answer. */
    uint64_t n_pushes;
    bool lags; /* Nothing is durable. */
    size_t n_log;
    char log[FEED_KEPT_LOG];
};

static inline void feed_kept_note(struct feed_kept *kept, const char *line)
{
    int n = snprintf(kept->log + kept->n_log, FEED_KEPT_LOG - kept->n_log, "%s\n", line);

    kept->n_log += n > 0 && (size_t)n < FEED_KEPT_LOG - kept->n_log ? (size_t)n : 0;
}

static inline enum lw_status feed_kept_series(void *context, const struct lw_series_key *key,
                                              uint32_t *ret_series, struct lw_error *reterr)
{
    struct feed_kept *kept = context;
    char text[FEED_KEPT_KEY];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", key->metric);

    (void)reterr;
    for (size_t i = 0; i < key->n_labels; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%c%s=\"%s\"", i == 0 ? '{' : ',',
                              key->labels[i].name, key->labels[i].value);
    }
    (void)snprintf(text + n, sizeof(text) - n, "%s", key->n_labels > 0 ? "}" : "");
    for (uint32_t i = 0; i < kept->n_series; i++) {
        if (strcmp(kept->keys[i], text) == 0) {
            *ret_series = i;
            return LW_OK;
        }
    }
    if (kept->n_series >= kept->series_limit) {
        return LW_ELIMIT;
    }
    memcpy(kept->keys[kept->n_series], text, sizeof(text));
    *ret_series = kept->n_series++;
    feed_kept_note(kept, text);
    return LW_OK;
}

static inline enum lw_status feed_kept_push(void *context, const struct lw_point *points, size_t n)
{
    struct feed_kept *kept = context;
    char line[128];

    if (kept->push_answer != LW_OK) {
        return kept->push_answer;
    }
    kept->n_pushes++;
    for (size_t i = 0; i < n; i++) {
        kept->values[points[i].series] = points[i].value;
        kept->n_points[points[i].series]++;
        (void)snprintf(line, sizeof(line), "point %u %lld %a flags %u tag %llu", points[i].series,
                       (long long)points[i].time_ns, points[i].value, points[i].flags,
                       (unsigned long long)points[i].tag);
        feed_kept_note(kept, line);
    }
    return LW_OK;
}

static inline enum lw_status feed_kept_watermark(void *context, int64_t time_ns)
{
    struct feed_kept *kept = context;
    char line[64];

    kept->watermark_ns = time_ns;
    (void)snprintf(line, sizeof(line), "watermark %lld", (long long)time_ns);
    feed_kept_note(kept, line);
    return LW_OK;
}

static inline void feed_kept_dropped(void *context, const char *reason, uint64_t n)
{
    struct feed_kept *kept = context;
    char line[128];

    kept->n_dropped += n;
    (void)snprintf(line, sizeof(line), "dropped %s %llu", reason, (unsigned long long)n);
    feed_kept_note(kept, line);
}

/* Each push is a place; all of them are durable unless `lags` is set. */
static inline uint64_t feed_kept_position(void *context)
{
    return ((struct feed_kept *)context)->n_pushes;
}

static inline uint64_t feed_kept_durable(void *context)
{
    const struct feed_kept *kept = context;

    return kept->lags ? 0 : kept->n_pushes;
}

static inline enum lw_status feed_kept_ready(void *context, struct lw_error *reterr)
{
    (void)reterr;
    return ((struct feed_kept *)context)->unready;
}

/* Empties the keeper and gives its feed. */
static inline struct lw_feed feed_kept_start(struct feed_kept *kept)
{
    memset(kept, 0, sizeof(*kept));
    kept->series_limit = FEED_KEPT_SERIES;
    return (struct lw_feed){.series = feed_kept_series,
                            .push = feed_kept_push,
                            .watermark = feed_kept_watermark,
                            .dropped = feed_kept_dropped,
                            .position = feed_kept_position,
                            .durable = feed_kept_durable,
                            .ready = feed_kept_ready,
                            .context = kept};
}

/* The last value of a series; -1 where there is none of that key. */
static inline double feed_kept_value(const struct feed_kept *kept, const char *key)
{
    for (uint32_t i = 0; i < kept->n_series; i++) {
        if (strcmp(kept->keys[i], key) == 0) {
            return kept->values[i];
        }
    }
    return -1.0;
}

/* Whether any key begins with a text. */
static inline bool feed_kept_has(const struct feed_kept *kept, const char *start)
{
    for (uint32_t i = 0; i < kept->n_series; i++) {
        if (strncmp(kept->keys[i], start, strlen(start)) == 0) {
            return true;
        }
    }
    return false;
}

#endif
