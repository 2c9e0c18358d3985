/*
 * A feed that keeps what it is given and answers as a test tells it to.
 *
 * Included by files of a test program; each fake_feed is a source of its own. Its series are
 * numbered in the order in which they came.
 */
#ifndef LW_TESTS_SUPPORT_FEED_FAKE_H
#define LW_TESTS_SUPPORT_FEED_FAKE_H

#include "base/error.h"
#include "lapwing/plugin.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FAKE_FEED_SERIES 4096
#define FAKE_FEED_POINTS 8192
#define FAKE_FEED_NAME 512

struct fake_feed {
    pthread_mutex_t lock;
    char names[FAKE_FEED_SERIES][FAKE_FEED_NAME]; /* metric{label="value",...}, labels as given. */
    uint32_t n_series, n_asked;
    struct lw_point points[FAKE_FEED_POINTS]; /* The first ones. */
    size_t n_points;
    int64_t watermark_ns;
    size_t n_watermarks;
    struct {
        char reason[48];
        uint64_t n;
    } dropped[32];
    size_t n_dropped;
    uint64_t position, durable;                  /* position grows by one with each push. */
    enum lw_status on_series, on_push, on_ready; /* What to answer; LW_OK: as a good feed does. */
};

static inline enum lw_status fake_feed_series(void *context, const struct lw_series_key *key,
                                              uint32_t *ret_series, struct lw_error *reterr)
{
    struct fake_feed *fake = context;
    char name[FAKE_FEED_NAME];
    size_t used = (size_t)snprintf(name, sizeof(name), "%s{", key->metric);
    uint32_t at = 0;

    fake->n_asked++;
    if (fake->on_series != LW_OK) {
        return lw_error_set(reterr, fake->on_series, "the fake feed says no");
    }
    for (size_t i = 0; i < key->n_labels && used < sizeof(name); i++) {
        used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%s=\"%s\"", i == 0 ? "" : ",",
                                 key->labels[i].name, key->labels[i].value);
    }
    if (used < sizeof(name) - 1) {
        (void)snprintf(name + used, sizeof(name) - used, "}");
    }
    while (at < fake->n_series && strcmp(fake->names[at], name) != 0) {
        at++;
    }
    if (at == FAKE_FEED_SERIES) {
        return lw_error_set(reterr, LW_ELIMIT, "the fake feed is full");
    }
    if (at == fake->n_series) {
        memcpy(fake->names[at], name, sizeof(name));
        fake->n_series++;
    }
    *ret_series = at;
    return LW_OK;
}

static inline enum lw_status fake_feed_push(void *context, const struct lw_point *points, size_t n)
{
    struct fake_feed *fake = context;

    if (fake->on_push != LW_OK) {
        return fake->on_push;
    }
    (void)pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < n; i++) {
        if (fake->n_points < FAKE_FEED_POINTS) {
            fake->points[fake->n_points] = points[i];
        }
        fake->n_points++;
    }
    fake->position++;
    (void)pthread_mutex_unlock(&fake->lock);
    return LW_OK;
}

static inline enum lw_status fake_feed_watermark(void *context, int64_t time_ns)
{
    struct fake_feed *fake = context;

    fake->watermark_ns = time_ns;
    fake->n_watermarks++;
    return LW_OK;
}

static inline void fake_feed_dropped(void *context, const char *reason, uint64_t n)
{
    struct fake_feed *fake = context;
    size_t at = 0;

    while (at < fake->n_dropped && strcmp(fake->dropped[at].reason, reason) != 0) {
        at++;
    }
    if (at == sizeof(fake->dropped) / sizeof(fake->dropped[0])) {
        return;
    }
    if (at == fake->n_dropped) {
        (void)snprintf(fake->dropped[at].reason, sizeof(fake->dropped[at].reason), "%s", reason);
        fake->n_dropped++;
    }
    fake->dropped[at].n += n;
}

/* How many were dropped for that reason. */
static inline uint64_t fake_feed_n_dropped(const struct fake_feed *fake, const char *reason)
{
    for (size_t i = 0; i < fake->n_dropped; i++) {
        if (strcmp(fake->dropped[i].reason, reason) == 0) {
            return fake->dropped[i].n;
        }
    }
    return 0;
}

static inline uint64_t fake_feed_position(void *context)
{
    struct fake_feed *fake = context;
    uint64_t position;

    (void)pthread_mutex_lock(&fake->lock);
    position = fake->position;
    (void)pthread_mutex_unlock(&fake->lock);
    return position;
}

static inline uint64_t fake_feed_durable(void *context)
{
    struct fake_feed *fake = context;
    uint64_t durable;

    (void)pthread_mutex_lock(&fake->lock);
    durable = fake->durable;
    (void)pthread_mutex_unlock(&fake->lock);
    return durable;
}

static inline enum lw_status fake_feed_ready(void *context, struct lw_error *reterr)
{
    struct fake_feed *fake = context;
    enum lw_status status;

    (void)pthread_mutex_lock(&fake->lock);
    status = fake->on_ready;
    (void)pthread_mutex_unlock(&fake->lock);
    return status == LW_OK ? LW_OK : lw_error_set(reterr, status, "the fake feed is not ready");
}

/* Forgets all; as good as a host without a journal. */
static inline void fake_feed_init(struct fake_feed *fake)
{
    memset(fake, 0, sizeof(*fake));
    fake->watermark_ns = INT64_MIN;
    fake->durable = UINT64_MAX;
    (void)pthread_mutex_init(&fake->lock, NULL);
}

static inline struct lw_feed fake_feed_make(struct fake_feed *fake)
{
    return (struct lw_feed){.series = fake_feed_series,
                            .push = fake_feed_push,
                            .watermark = fake_feed_watermark,
                            .dropped = fake_feed_dropped,
                            .position = fake_feed_position,
                            .durable = fake_feed_durable,
                            .ready = fake_feed_ready,
                            .context = fake};
}

#endif
