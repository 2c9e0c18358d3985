/* What pages and scripts see of an engine: totals, feeds, entities, series. */
#include "engine/engine_internal.h"
#include "engine/outbox.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WEEK_NS 604800e9

static void add_counts(struct lw_engine_totals *totals, const struct lw_entity_counts *counts)
{
    totals->samples += counts->samples;
    totals->verdicts += counts->verdicts;
    totals->late += counts->late;
    totals->duplicates += counts->duplicates;
    totals->not_finite += counts->not_finite;
    totals->overflow += counts->overflow;
    totals->resets += counts->resets;
}

static void add_entity(struct lw_engine_totals *totals, const struct lw_entity *entity)
{
    struct lw_entity_counts counts;

    lw_entity_counts(entity, &counts);
    add_counts(totals, &counts);
    totals->n_series += lw_entity_n_series(entity);
    totals->n_models += lw_entity_has_model(entity) ? 1 : 0;
    totals->trainings_failed += lw_entity_trainings_failed(entity);
    totals->n_series_unread += lw_entity_n_unread(entity);
}

/* Caller holds the shard's lock. */
static void add_shard(struct lw_engine_totals *totals, const struct shard *shard)
{
    totals->n_entities += (uint32_t)shard->n_entities;
    for (size_t i = 0; i < shard->n_entities; i++) {
        add_entity(totals, shard->entities[i]->entity);
        for (unsigned t = 0; shard->entities[i]->opened != NULL && t < LW_ENGINE_TYPES; t++) {
            totals->anomalies_by_type[t] += shard->entities[i]->opened[t];
        }
    }
    add_counts(totals, &shard->gone);
    totals->overflow += shard->cells_refused;
    totals->trainings_failed += shard->trainings_failed;
    totals->anomalies_open += shard->anomalies_open;
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        totals->anomalies_by_type[t] += shard->gone_by_type[t];
    }
    for (unsigned d = 0; d < LW_ENGINE_DELAYS; d++) {
        totals->verdict_delays[d] += shard->delays[d];
    }
    totals->verdict_delay_sum_s += shard->delay_sum_s;
    totals->state_bytes += lw_pool_bytes(shard->pool);
}

static double promised_per_week(const struct lw_engine *engine)
{
    double per_week = 0.0;

    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        const struct engine_detector *place = &engine->detectors[i];

        if (place->detector != NULL && place->n_series > 0) {
            const struct lw_detector_options *options = &place->detector->spec->detector;
            double each = WEEK_NS / (double)options->alarm_budget_ns;

            per_week += options->budget_scope == LW_SCOPE_SERIES ? each * (double)place->n_series
                                                                 : each;
        }
    }
    return per_week;
}

/* The folder of the state counts as the file does. */
static void add_state(struct lw_engine *engine, struct lw_engine_totals *totals)
{
    struct lw_state_totals state;

    if (lw_engine_state(engine, &state) == LW_OK) {
        totals->saved_ns = state.checkpoint_ns;
        totals->state_degraded = state.read_only || state.checkpoint_failed;
    }
    totals->state_degraded = totals->state_degraded || lw_outbox_degraded(engine->outbox);
}

void lw_engine_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals)
{
    struct lw_engine_totals totals = {.n_shards = engine->n_shards, .alarms_per_week = NAN};
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;

    (void)pthread_mutex_lock(&engine->route);
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        totals.n_detectors += engine->detectors[i].detector == NULL ? 0 : 1;
    }
    for (uint32_t i = 0; i < engine->n_shards; i++) {
        struct shard *shard = &engine->shards[i];

        (void)pthread_mutex_lock(&shard->lock);
        add_shard(&totals, shard);
        first_ns = shard->first_ns < first_ns ? shard->first_ns : first_ns;
        last_ns = shard->last_ns > last_ns ? shard->last_ns : last_ns;
        (void)pthread_mutex_unlock(&shard->lock);
    }
    totals.history_bytes = atomic_load(&engine->history_used);
    totals.unmatched = engine->unmatched;
    totals.series_refused = engine->series_refused;
    totals.alarms_promised_per_week = promised_per_week(engine);
    (void)pthread_mutex_unlock(&engine->route);
    (void)pthread_mutex_lock(&engine->ring_lock);
    totals.saved_ns = engine->saved_ns;
    totals.state_degraded = engine->state_degraded;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    add_state(engine, &totals);
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        totals.anomalies_opened += totals.anomalies_by_type[t];
    }
    if (last_ns > first_ns && last_ns - first_ns >= RATE_AFTER_NS) {
        totals.alarms_per_week = (double)totals.anomalies_opened * WEEK_NS /
                                 (double)(last_ns - first_ns);
    }
    *ret_totals = totals;
}

size_t lw_engine_feeds(struct lw_engine *engine, struct lw_feed_totals *ret_feeds, size_t capacity)
{
    size_t n;

    (void)pthread_mutex_lock(&engine->route);
    n = engine->n_feeds;
    for (size_t i = 0; i < n && i < capacity; i++) {
        const struct engine_feed *feed = &engine->feeds[i];
        struct lw_feed_totals *view = &ret_feeds[i];

        memset(view, 0, sizeof(*view));
        memcpy(view->source, feed->source, sizeof(view->source));
        view->samples = feed->samples;
        view->watermark_ns = feed->watermark_ns;
        view->n_reasons = feed->n_reasons;
        for (uint32_t r = 0; r < feed->n_reasons; r++) {
            memcpy(view->dropped[r].reason, feed->dropped[r].reason,
                   sizeof(view->dropped[r].reason));
            view->dropped[r].n = feed->dropped[r].n;
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    return n;
}

static void view_entity(const struct engine_entity *owner, struct lw_entity_view *view)
{
    memset(view, 0, sizeof(*view));
    view->number = owner->number;
    (void)snprintf(view->detector, sizeof(view->detector), "%s",
                   lw_detector_name(lw_entity_detector(owner->entity)));
    (void)snprintf(view->name, sizeof(view->name), "%s", lw_entity_name(owner->entity));
    view->n_series = lw_entity_n_series(owner->entity);
    view->last_ns = INT64_MIN;
    view->score = NAN;
    for (uint32_t i = 0; i <= view->n_series; i++) { /* The last one is about the entity. */
        struct lw_verdict verdict;

        lw_entity_newest(owner->entity, i < view->n_series ? i : LW_SERIES_NONE, &verdict);
        view->last_ns = verdict.time_ns > view->last_ns ? verdict.time_ns : view->last_ns;
        view->confidence = verdict.confidence > view->confidence ? verdict.confidence
                                                                 : view->confidence;
        view->alarm = view->alarm || verdict.alarm;
        view->score = isnan(view->score) || verdict.score > view->score ? verdict.score
                                                                        : view->score;
    }
    view->has_model = lw_entity_has_model(owner->entity);
    view->open_anomaly = owner->open_anomaly;
}

size_t lw_engine_entities(struct lw_engine *engine, uint32_t from,
                          struct lw_entity_view *ret_entities, size_t capacity)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&engine->route);
    for (size_t i = from; i < engine->n_entities && n < capacity; i++) {
        struct engine_entity *owner = engine->entities[i];

        if (owner != NULL) {
            (void)pthread_mutex_lock(&owner->shard->lock);
            view_entity(owner, &ret_entities[n++]);
            (void)pthread_mutex_unlock(&owner->shard->lock);
        }
    }
    (void)pthread_mutex_unlock(&engine->route);
    return n;
}

static void view_series(const struct lw_entity *entity, uint32_t series,
                        struct lw_series_view *view)
{
    struct lw_verdict verdict;

    lw_entity_newest(entity, series, &verdict);
    memset(view, 0, sizeof(*view));
    view->series = series;
    (void)snprintf(view->name, sizeof(view->name), "%s", lw_entity_series_name(entity, series));
    view->watched = lw_entity_watches(entity, series);
    view->confidence = verdict.confidence;
    view->alarm = verdict.alarm;
    view->last_ns = verdict.time_ns;
    view->value = verdict.value;
    view->expected = verdict.expected;
    view->lower = verdict.lower;
    view->upper = verdict.upper;
    view->score = verdict.score;
}

enum lw_status lw_engine_series(struct lw_engine *engine, uint32_t entity, uint32_t from,
                                struct lw_series_view *ret_series, size_t capacity, size_t *ret_n)
{
    enum lw_status status = LW_ENOTFOUND;
    struct engine_entity *owner;

    (void)pthread_mutex_lock(&engine->route);
    owner = entity < engine->n_entities ? engine->entities[entity] : NULL;
    if (owner != NULL) {
        size_t n = 0;

        (void)pthread_mutex_lock(&owner->shard->lock);
        for (uint32_t i = from; i < lw_entity_n_series(owner->entity) && n < capacity; i++) {
            view_series(owner->entity, i, &ret_series[n++]);
        }
        (void)pthread_mutex_unlock(&owner->shard->lock);
        *ret_n = n;
        status = LW_OK;
    }
    (void)pthread_mutex_unlock(&engine->route);
    return status;
}
