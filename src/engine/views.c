/*
 * What pages and scripts see of an engine: totals, feeds, entities, series.
 *
 * Nobody holds engine->route while waiting for a shard here, nor a shard's lock for longer than
 * some hundred entities or a thousand series take: looking stops neither the feeds nor the scoring.
 */
#include "base/clock.h"
#include "engine/directory.h"
#include "engine/ladder.h"
#include "engine/operator/entity.h"
#include "engine/outbox/outbox.h"
#include "lapwing/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WEEK_NS 604800e9
/* Looked at before a shard goes on. */
#define ENTITIES_AT_ONCE 256u
#define SERIES_AT_ONCE 1024u
/* How far ahead of the entity being looked at memory is fetched, one pointer at a time. */
#define FETCH_OWNER 12u
#define FETCH_ENTITY 8u
#define FETCH_SERIES 4u

/* ---- all entities ---- */

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

static void add_entity(struct lw_engine_totals *totals, const struct engine_entity *owner)
{
    const struct lw_entity *entity = owner->entity;

    add_counts(totals, &entity->counts);
    totals->n_series += entity->n_series;
    totals->n_models += lw_entity_has_model(entity) ? 1 : 0;
    totals->trainings_failed += lw_entity_trainings_failed(entity);
    totals->n_series_unread += lw_entity_n_unread(entity);
    totals->n_stepped_down += entity->stepped_down ? 1 : 0;
    for (unsigned t = 0; owner->opened != NULL && t < LW_ENGINE_TYPES; t++) {
        totals->anomalies_by_type[t] += owner->opened[t];
    }
}

/* What the shard counts itself. */
static void add_shard(struct lw_engine_totals *totals, const struct shard *shard)
{
    totals->n_entities += (uint32_t)shard->n_entities;
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

static void fetch_ahead(const struct shard *shard, size_t i)
{
    if (i + FETCH_OWNER < shard->n_entities) {
        __builtin_prefetch(shard->entities[i + FETCH_OWNER]);
    }
    if (i + FETCH_ENTITY < shard->n_entities) {
        const char *entity = (const char *)shard->entities[i + FETCH_ENTITY]->entity;

        for (size_t line = 0; line < sizeof(struct lw_entity); line += 64) {
            __builtin_prefetch(entity + line);
        }
    }
    if (i + FETCH_SERIES < shard->n_entities) {
        struct lw_entity *entity = shard->entities[i + FETCH_SERIES]->entity;

        __builtin_prefetch(&lw_entity_first(entity)->newest);
        __builtin_prefetch((const char *)&lw_entity_first(entity)->newest + 64);
    }
}

/* Some entities from `from` on; returns the next one. Caller holds the shard's lock. */
static size_t walk_some(const struct shard *shard, size_t from, const struct lw_walk *walk,
                        struct lw_engine_totals *totals)
{
    uint32_t n_series = 0;
    size_t i;

    for (i = from;
         i < shard->n_entities && i < from + ENTITIES_AT_ONCE && n_series < SERIES_AT_ONCE; i++) {
        const struct engine_entity *owner = shard->entities[i];

        fetch_ahead(shard, i);
        add_entity(totals, owner);
        n_series += owner->entity->n_series;
        if (walk->entity != NULL) {
            struct lw_entity_glance glance;

            lw_entity_glance(owner->entity, &glance);
            walk->entity(walk->context, owner, &glance);
        }
    }
    return i;
}

/* Adds up one shard, and the event time it covers. */
static void walk_shard(struct shard *shard, const struct lw_walk *walk,
                       struct lw_engine_totals *totals, int64_t range_ns[2])
{
    const struct lw_engine_totals before = *totals;
    uint64_t n_drops = 0;
    size_t next = 0;
    bool is_first = true, is_done = false;

    while (!is_done) {
        lw_shard_enter(shard);
        if (is_first || shard->n_drops != n_drops) { /* Entities have other places now. */
            *totals = before;
            next = 0;
            n_drops = shard->n_drops;
            is_first = false;
        }
        next = walk_some(shard, next, walk, totals);
        is_done = next >= shard->n_entities;
        if (is_done) {
            add_shard(totals, shard);
            range_ns[0] = shard->first_ns < range_ns[0] ? shard->first_ns : range_ns[0];
            range_ns[1] = shard->last_ns > range_ns[1] ? shard->last_ns : range_ns[1];
        }
        lw_shard_leave(shard);
    }
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

/* What the router knows. */
static void add_router(struct lw_engine_totals *totals, struct lw_engine *engine)
{
    (void)pthread_mutex_lock(&engine->route);
    for (uint32_t i = 0; i < LW_ENGINE_DETECTORS_MAX; i++) {
        totals->n_detectors += engine->detectors[i].detector == NULL ? 0 : 1;
    }
    totals->unmatched = engine->unmatched;
    totals->series_refused = engine->series_refused;
    totals->memory_bytes = lw_ladder_bytes(engine);
    totals->memory_limit = engine->memory_limit;
    totals->n_gone = (uint32_t)engine->n_gone;
    totals->entities_expired = engine->n_expired;
    totals->entities_inherited = engine->n_inherited;
    totals->series_refused_memory = engine->series_refused_memory;
    totals->alarms_promised_per_week = promised_per_week(engine);
    (void)pthread_mutex_unlock(&engine->route);
}

/* The folder of the state counts as the file does. */
void lw_engine_show_state(struct lw_engine *engine, struct lw_engine_totals *totals)
{
    struct lw_state_totals state;

    (void)pthread_mutex_lock(&engine->ring_lock);
    totals->saved_ns = engine->saved_ns;
    totals->state_degraded = engine->state_degraded;
    (void)pthread_mutex_unlock(&engine->ring_lock);
    if (lw_engine_state(engine, &state) == LW_OK) {
        totals->saved_ns = state.checkpoint_ns;
        totals->state_degraded = state.read_only || state.checkpoint_failed;
    }
    totals->state_degraded = totals->state_degraded || lw_outbox_degraded(engine->outbox);
}

void lw_engine_walk(struct lw_engine *engine, const struct lw_walk *walk,
                    struct lw_engine_totals *ret_totals)
{
    struct lw_engine_totals totals = {
        .n_shards = engine->n_shards, .alarms_per_week = NAN, .counted_ns = lw_clock_real_ns()};
    int64_t range_ns[2] = {INT64_MAX, INT64_MIN};

    for (uint32_t i = 0; i < engine->n_shards; i++) {
        walk_shard(&engine->shards[i], walk, &totals, range_ns);
    }
    totals.history_bytes = atomic_load(&engine->history_used);
    add_router(&totals, engine);
    lw_engine_show_state(engine, &totals);
    for (unsigned t = 0; t < LW_ENGINE_TYPES; t++) {
        totals.anomalies_opened += totals.anomalies_by_type[t];
    }
    if (range_ns[1] > range_ns[0] && range_ns[1] - range_ns[0] >= RATE_AFTER_NS) {
        totals.alarms_per_week = (double)totals.anomalies_opened * WEEK_NS /
                                 (double)(range_ns[1] - range_ns[0]);
    }
    *ret_totals = totals;
}

void lw_engine_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals)
{
    lw_engine_walk(engine, &(struct lw_walk){0}, ret_totals);
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

/* ---- entities ---- */

void lw_entity_glance(const struct lw_entity *entity, struct lw_entity_glance *ret_glance)
{
    struct lw_entity_glance glance = {.n_series = entity->n_series,
                                      .last_ns = INT64_MIN,
                                      .score = NAN,
                                      .has_model = lw_entity_has_model(entity)};

    for (uint32_t i = 0; i <= glance.n_series; i++) { /* The last one is about the entity. */
        struct lw_verdict verdict;

        lw_entity_newest(entity, i < glance.n_series ? i : LW_SERIES_NONE, &verdict);
        glance.last_ns = verdict.time_ns > glance.last_ns ? verdict.time_ns : glance.last_ns;
        glance.confidence = verdict.confidence > glance.confidence ? verdict.confidence
                                                                   : glance.confidence;
        glance.alarm = glance.alarm || verdict.alarm;
        glance.score = isnan(glance.score) || verdict.score > glance.score ? verdict.score
                                                                           : glance.score;
    }
    *ret_glance = glance;
}

static void view_entity(const struct engine_entity *owner, struct lw_entity_view *view)
{
    struct lw_entity_glance glance;

    lw_entity_glance(owner->entity, &glance);
    memset(view, 0, sizeof(*view));
    view->number = owner->number;
    (void)snprintf(view->detector, sizeof(view->detector), "%s",
                   lw_detector_name(lw_entity_detector(owner->entity)));
    (void)snprintf(view->name, sizeof(view->name), "%s", lw_entity_name(owner->entity));
    view->n_series = glance.n_series;
    view->last_ns = glance.last_ns;
    view->confidence = glance.confidence;
    view->alarm = glance.alarm;
    view->score = glance.score;
    view->has_model = glance.has_model;
    view->open_anomaly = owner->open_anomaly;
}

/* An entity as the router named it: whether it is still there is known once its shard is locked. */
struct pick {
    uint32_t number;
    bool is_old;                 /* Entities of its shard were dropped since. */
    struct engine_entity *owner; /* NULL: there is none, or it was looked at. */
    struct shard *shard;
    uint64_t n_drops; /* Of the shard, when it was named. */
};

/* Caller holds engine->route. */
static void pick_name(const struct lw_engine *engine, uint32_t number, struct pick *ret_pick)
{
    struct engine_entity *owner = number < engine->n_entities ? engine->entities[number] : NULL;

    *ret_pick = (struct pick){.number = number, .owner = owner};
    if (owner != NULL) {
        ret_pick->shard = owner->shard;
        ret_pick->n_drops = owner->shard->n_drops;
    }
}

/* Whether it is there: caller holds the shard's lock. Where entities were dropped meanwhile the
 * router has to be asked again. */
static bool pick_holds(const struct pick *pick)
{
    return pick->shard->n_drops == pick->n_drops;
}

/* Names an entity and enters its shard; NULL when there is none. The caller leaves the shard. */
static struct engine_entity *enter_entity(struct lw_engine *engine, uint32_t number)
{
    for (;;) {
        struct pick pick;

        (void)pthread_mutex_lock(&engine->route);
        pick_name(engine, number, &pick);
        (void)pthread_mutex_unlock(&engine->route);
        if (pick.owner == NULL) {
            return NULL;
        }
        lw_shard_enter(pick.shard);
        if (pick_holds(&pick)) {
            return pick.owner;
        }
        lw_shard_leave(pick.shard);
    }
}

#define PICKS_AT_ONCE 128u

/* Views of those of one shard, in one go unless they have very many series. A name in view->number
 * says that it was filled. */
static void show_shard(struct pick *picks, size_t n, size_t first, struct lw_entity_view *views)
{
    struct shard *shard = picks[first].shard;
    uint32_t n_series = 0;

    lw_shard_enter(shard);
    for (size_t i = first; i < n && n_series < SERIES_AT_ONCE; i++) {
        if (picks[i].owner != NULL && picks[i].shard == shard) {
            picks[i].is_old = !pick_holds(&picks[i]);
            if (!picks[i].is_old) {
                n_series += picks[i].owner->entity->n_series;
                view_entity(picks[i].owner, &views[i]);
            }
            picks[i].owner = NULL;
        }
    }
    lw_shard_leave(shard);
}

/* Views of what was picked; those that are gone are left out. Returns how many there are. */
static size_t show_picks(struct lw_engine *engine, struct pick *picks, size_t n,
                         struct lw_entity_view *views)
{
    size_t n_there = 0;

    for (size_t i = 0; i < n; i++) {
        views[i].number = UINT32_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        const struct engine_entity *owner;

        while (picks[i].owner != NULL) {
            show_shard(picks, n, i, views);
        }
        owner = picks[i].is_old ? enter_entity(engine, picks[i].number) : NULL;
        if (owner != NULL) {
            view_entity(owner, &views[i]);
            lw_shard_leave(owner->shard);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (views[i].number != UINT32_MAX) {
            if (i != n_there) {
                views[n_there] = views[i];
            }
            n_there++;
        }
    }
    return n_there;
}

size_t lw_engine_pick_entities(struct lw_engine *engine, const uint32_t *numbers, size_t n,
                               struct lw_entity_view *ret_entities)
{
    struct pick picks[PICKS_AT_ONCE];
    size_t n_there = 0;

    for (size_t from = 0; from < n; from += PICKS_AT_ONCE) {
        size_t n_now = n - from < PICKS_AT_ONCE ? n - from : PICKS_AT_ONCE;

        (void)pthread_mutex_lock(&engine->route);
        for (size_t i = 0; i < n_now; i++) {
            pick_name(engine, numbers[from + i], &picks[i]);
        }
        (void)pthread_mutex_unlock(&engine->route);
        n_there += show_picks(engine, picks, n_now, ret_entities + n_there);
    }
    return n_there;
}

size_t lw_engine_entities(struct lw_engine *engine, uint32_t from,
                          struct lw_entity_view *ret_entities, size_t capacity)
{
    struct pick picks[PICKS_AT_ONCE];
    size_t n = 0, next = from;
    bool is_end = false;

    while (n < capacity && !is_end) {
        size_t n_now = 0;

        (void)pthread_mutex_lock(&engine->route);
        for (; next < engine->n_entities && n_now < PICKS_AT_ONCE && n + n_now < capacity; next++) {
            pick_name(engine, (uint32_t)next, &picks[n_now]);
            n_now += picks[n_now].owner != NULL ? 1 : 0;
        }
        is_end = next >= engine->n_entities;
        (void)pthread_mutex_unlock(&engine->route);
        n += show_picks(engine, picks, n_now, ret_entities + n);
    }
    return n;
}

enum lw_status lw_engine_find_entity(struct lw_engine *engine, const char *detector,
                                     const char *name, uint32_t *ret_number)
{
    const struct engine_entity *owner = NULL;

    (void)pthread_mutex_lock(&engine->route);
    if (strlen(name) < LW_NAME_MAX) {
        owner = lw_registry_find(engine, detector, name);
    }
    if (owner != NULL) {
        *ret_number = owner->number;
    }
    (void)pthread_mutex_unlock(&engine->route);
    return owner == NULL ? LW_ENOTFOUND : LW_OK;
}

/* ---- series ---- */

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

struct series_search {
    const struct lw_series_query *query;
    struct lw_series_view *views;
    size_t capacity;
    struct lw_series_found found;
};

static void search_series(struct series_search *search, const struct lw_entity *entity,
                          uint32_t series)
{
    const struct lw_series_query *query = search->query;
    struct lw_verdict verdict;

    lw_entity_newest(entity, series, &verdict);
    search->found.n_alarm += verdict.alarm ? 1 : 0;
    if (series < query->from ||
        (query->alarm != LW_ALARM_ANY && verdict.alarm != (query->alarm == LW_ALARM_YES)) ||
        !lw_search_matches(query->search, lw_entity_series_name(entity, series))) {
        return;
    }
    search->found.n_matches++;
    if (search->found.n < search->capacity) {
        view_series(entity, series, &search->views[search->found.n++]);
    } else {
        search->found.has_more = true;
    }
}

enum lw_status lw_engine_find_series(struct lw_engine *engine, const struct lw_series_query *query,
                                     struct lw_series_view *ret_series, size_t capacity,
                                     struct lw_series_found *ret_found)
{
    struct series_search search = {.query = query, .views = ret_series, .capacity = capacity};
    uint32_t next = 0, n_series;

    if (query->search != NULL && strlen(query->search) >= LW_SEARCH_MAX) {
        return LW_EINVAL;
    }
    do { /* Some at a time: there may be thousands. */
        const struct engine_entity *owner = enter_entity(engine, query->entity);
        uint32_t to = next + SERIES_AT_ONCE / 2;

        if (owner == NULL) {
            return LW_ENOTFOUND;
        }
        n_series = lw_entity_n_series(owner->entity);
        for (; next < n_series && next < to; next++) {
            search_series(&search, owner->entity, next);
        }
        lw_shard_leave(owner->shard);
    } while (next < n_series);
    search.found.n_series = n_series;
    *ret_found = search.found;
    return LW_OK;
}

enum lw_status lw_engine_series(struct lw_engine *engine, uint32_t entity, uint32_t from,
                                struct lw_series_view *ret_series, size_t capacity, size_t *ret_n)
{
    uint32_t n_series, next = from;
    size_t n = 0;

    do {
        const struct engine_entity *owner = enter_entity(engine, entity);
        size_t to = n + SERIES_AT_ONCE / 2;

        if (owner == NULL) {
            return LW_ENOTFOUND;
        }
        n_series = lw_entity_n_series(owner->entity);
        for (; next < n_series && n < capacity && n < to; next++) {
            view_series(owner->entity, next, &ret_series[n++]);
        }
        lw_shard_leave(owner->shard);
    } while (next < n_series && n < capacity);
    *ret_n = n;
    return LW_OK;
}

/* ---- history ---- */

enum lw_status lw_engine_history(struct lw_engine *engine, uint32_t entity, uint32_t series,
                                 int64_t since_ns, struct lw_history_point *ret_points,
                                 size_t capacity, size_t *ret_n)
{
    const struct engine_entity *owner = enter_entity(engine, entity);
    enum lw_status status = LW_ENOTFOUND;

    if (owner == NULL) {
        return LW_ENOTFOUND;
    }
    if (series < lw_entity_n_series(owner->entity)) {
        *ret_n = lw_history_steps(owner, series, since_ns, ret_points, capacity);
        status = LW_OK;
    }
    lw_shard_leave(owner->shard);
    return status;
}
