/*
 * An engine under test: series by name, points by row, and all that its listener heard, hashed by
 * entity so that shards may work in any order.
 *
 * Time is in seconds here. Every call that fails ends the test.
 */
#ifndef LW_TESTS_SUPPORT_ENGINE_H
#define LW_TESTS_SUPPORT_ENGINE_H

#include "support/operator.h"

#include "base/hash.h"
#include "lapwing/engine.h"

#include <pthread.h>

#define LW_TEST_SECOND INT64_C(1000000000)
#define LW_TEST_HEARD_MAX 2048

/* What was heard of one entity of one detector. */
struct lw_test_heard {
    char detector[64], entity[64];
    uint64_t hash; /* Of all verdicts and notices, in order. */
    uint64_t n_verdicts, n_entity_verdicts, n_notices, n_opened, n_closed;
    struct lw_verdict newest;
};

struct lw_test_engine {
    struct lw_engine *engine;
    struct lw_feed feed; /* Called "test". */
    pthread_mutex_t lock;
    size_t n_heard;
    struct lw_test_heard heard[LW_TEST_HEARD_MAX];
};

/* The record of an entity; made when there is none. Caller holds the lock, or the engine is idle.
 */
static inline struct lw_test_heard *lw_test_heard(struct lw_test_engine *self, const char *detector,
                                                  const char *entity)
{
    struct lw_test_heard *heard;

    for (size_t i = 0; i < self->n_heard; i++) {
        if (strcmp(self->heard[i].detector, detector) == 0 &&
            strcmp(self->heard[i].entity, entity) == 0) {
            return &self->heard[i];
        }
    }
    assert_true(self->n_heard < LW_TEST_HEARD_MAX);
    heard = &self->heard[self->n_heard++];
    (void)snprintf(heard->detector, sizeof(heard->detector), "%s", detector);
    (void)snprintf(heard->entity, sizeof(heard->entity), "%s", entity);
    return heard;
}

static inline uint64_t lw_test_mix(uint64_t hash, const void *bytes, size_t n_bytes)
{
    return lw_hash_bytes(bytes, n_bytes, hash);
}

static inline void lw_test_engine_verdict(void *context, uint32_t shard,
                                          const struct lw_engine_verdict *named)
{
    struct lw_test_engine *self = context;
    const struct lw_verdict *verdict = named->verdict;
    const float numbers[] = {verdict->value,       verdict->score,    verdict->event,
                             verdict->return_rows, verdict->expected, verdict->lower,
                             verdict->upper};
    const uint8_t flags[] = {verdict->confidence, verdict->type, verdict->alarm, verdict->onset};
    struct lw_test_heard *heard;

    (void)shard;
    (void)pthread_mutex_lock(&self->lock);
    heard = lw_test_heard(self, lw_detector_name(named->detector), lw_entity_name(named->entity));
    heard->hash = lw_test_mix(heard->hash, &verdict->time_ns, sizeof(verdict->time_ns));
    heard->hash = lw_test_mix(heard->hash, &verdict->tag, sizeof(verdict->tag));
    heard->hash = lw_test_mix(heard->hash, &verdict->series, sizeof(verdict->series));
    heard->hash = lw_test_mix(heard->hash, numbers, sizeof(numbers));
    heard->hash = lw_test_mix(heard->hash, flags, sizeof(flags));
    heard->n_verdicts++;
    heard->n_entity_verdicts += verdict->series == LW_SERIES_NONE ? 1 : 0;
    heard->newest = *verdict;
    (void)pthread_mutex_unlock(&self->lock);
}

static inline void lw_test_engine_anomaly(void *context, uint32_t shard,
                                          const struct lw_engine_anomaly *named)
{
    struct lw_test_engine *self = context;
    const struct lw_anomaly *anomaly = named->anomaly;
    struct lw_test_heard *heard;

    (void)shard;
    (void)pthread_mutex_lock(&self->lock);
    heard = lw_test_heard(self, named->detector, named->entity);
    heard->hash = lw_test_mix(heard->hash, &anomaly->id, sizeof(anomaly->id));
    heard->hash = lw_test_mix(heard->hash, &anomaly->phase, sizeof(anomaly->phase));
    heard->hash = lw_test_mix(heard->hash, &anomaly->n_steps, sizeof(anomaly->n_steps));
    heard->hash = lw_test_mix(heard->hash, named->sentence, strlen(named->sentence));
    heard->n_notices++;
    heard->n_opened += anomaly->phase == LW_ANOMALY_OPENED ? 1 : 0;
    heard->n_closed += anomaly->phase == LW_ANOMALY_CLOSED ? 1 : 0;
    (void)pthread_mutex_unlock(&self->lock);
}

/* config: shards and history; its listener is replaced. */
static inline void lw_test_engine_open(struct lw_test_engine *self, struct lw_engine_config config)
{
    const struct lw_listener listener = {
        .verdict = lw_test_engine_verdict, .anomaly = lw_test_engine_anomaly, .context = self};
    struct lw_error error = {0};

    memset(self, 0, sizeof(*self));
    (void)pthread_mutex_init(&self->lock, NULL);
    config.listener = &listener;
    if (lw_engine_create(&config, &self->engine, &error) != LW_OK ||
        lw_engine_feed(self->engine, "test", &self->feed, &error) != LW_OK) {
        fail_msg("%s", error.message);
    }
}

static inline void lw_test_engine_close(struct lw_test_engine *self)
{
    lw_engine_destroy(self->engine);
    self->engine = NULL;
    (void)pthread_mutex_destroy(&self->lock);
}

/* Sets a detector with options as in lw_test_spec_fill(). */
static inline void lw_test_engine_detector(struct lw_test_engine *self, const char *name,
                                           const char *const *options)
{
    struct lw_spec *spec = NULL;
    struct lw_error error = {0};

    assert_int_equal(lw_spec_create(&spec, &error), LW_OK);
    lw_test_spec_fill(spec, options);
    if (lw_engine_set_detector(self->engine, name, spec, &error) != LW_OK) {
        fail_msg("%s: %s", name, error.message);
    }
    lw_spec_destroy(spec);
}

/* metric{instance="entity"} of a feed; with entity NULL no label. */
static inline uint32_t lw_test_feed_series(const struct lw_feed *feed, const char *metric,
                                           const char *entity)
{
    const struct lw_label label = {"instance", entity};
    const struct lw_series_key key = {metric, &label, entity == NULL ? 0 : 1};
    struct lw_error error = {0};
    uint32_t series = UINT32_MAX;

    if (feed->series(feed->context, &key, &series, &error) != LW_OK) {
        fail_msg("%s: %s", metric, error.message);
    }
    return series;
}

static inline void lw_test_feed_push(const struct lw_feed *feed, uint32_t series, int64_t time_s,
                                     double value)
{
    const struct lw_point point = {
        .series = series, .time_ns = time_s * LW_TEST_SECOND, .value = value};

    assert_int_equal(feed->push(feed->context, &point, 1), LW_OK);
}

static inline void lw_test_feed_watermark(const struct lw_feed *feed, int64_t time_s)
{
    assert_int_equal(feed->watermark(feed->context, time_s * LW_TEST_SECOND), LW_OK);
}

static inline void lw_test_feed_complete(const struct lw_feed *feed)
{
    assert_int_equal(feed->watermark(feed->context, INT64_MIN), LW_OK);
}

static inline struct lw_engine_totals lw_test_engine_totals(struct lw_test_engine *self)
{
    struct lw_engine_totals totals;

    lw_engine_flush(self->engine);
    lw_engine_totals(self->engine, &totals);
    return totals;
}

/* A value that is a little noise on a wave, the same in every run; with a burst now and then. */
static inline double lw_test_value(uint32_t series, int64_t i)
{
    uint64_t mixed = lw_hash_bytes(&i, sizeof(i), series);
    double noise = (double)(mixed >> 40) / (double)(1 << 24);
    double wave = (double)((i + series * 7) % 48) / 48.0;

    return 10.0 + wave + noise + ((i + (int64_t)series * 131) % 701 > 690 ? 25.0 : 0.0);
}

#endif
