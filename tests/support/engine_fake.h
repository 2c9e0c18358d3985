/*
 * An engine that says what a test tells it to: the views of lapwing/engine.h over one table, linked
 * in place of the real ones.
 *
 * Included by one file of a test program. Change `fake` under its lock while a server runs.
 */
#ifndef LW_TESTS_SUPPORT_ENGINE_FAKE_H
#define LW_TESTS_SUPPORT_ENGINE_FAKE_H

#include "lapwing/state.h"
#include "support/feed_fake.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_SERIES 3
#define FAKE_STEPS 200

static struct {
    pthread_mutex_t lock;
    struct lw_engine_totals totals;
    struct lw_feed_totals feed;
    struct lw_entity_view entities[500];
    size_t n_entities;
    struct lw_history_point steps[FAKE_STEPS]; /* Of every series of entity 0. */
    size_t n_steps;
    struct lw_anomaly_view anomalies[20]; /* Oldest first. */
    size_t n_anomalies;
    struct lw_entity_query asked; /* The last ones. */
    char asked_search[64];
    struct lw_anomaly_query asked_anomalies;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What every source feeds; fake_feed_init() comes first. */
static struct fake_feed fake_feed;

enum lw_status lw_engine_feed(struct lw_engine *engine, const char *source,
                              struct lw_feed *ret_feed, struct lw_error *reterr)
{
    (void)engine;
    (void)source;
    (void)reterr;
    *ret_feed = fake_feed_make(&fake_feed);
    return LW_OK;
}

enum lw_status lw_engine_state(struct lw_engine *engine, struct lw_state_totals *ret_totals)
{
    (void)engine;
    (void)ret_totals;
    return LW_EINVAL; /* It keeps none. */
}

enum lw_status lw_engine_archive(struct lw_engine *engine, struct lw_archive_totals *ret_totals)
{
    (void)engine;
    *ret_totals = (struct lw_archive_totals){.files = 3, .samples = 77};
    return LW_OK;
}

/* Of "told": at 1, 2, 2, 2, 3, 4 s half as much; others have none; of "broken" nothing is read. */
enum lw_status lw_engine_samples(struct lw_engine *engine, const char *series, int64_t from_ns,
                                 int64_t to_ns, struct lw_samples *ret_samples,
                                 struct lw_error *reterr)
{
    static const int64_t seconds[] = {1, 2, 2, 2, 3, 4};

    (void)engine;
    if (strcmp(series, "broken") == 0) {
        reterr->status = LW_EIO;
        (void)snprintf(reterr->message, sizeof(reterr->message), "cannot read it");
        return LW_EIO;
    }
    *ret_samples = (struct lw_samples){.times_ns = calloc(6, sizeof(int64_t)),
                                       .values = calloc(6, sizeof(double)),
                                       .n_damaged = 2};
    for (size_t i = 0; i < 6 && strcmp(series, "told") == 0; i++) {
        if (seconds[i] * 1000000000 >= from_ns && seconds[i] * 1000000000 < to_ns) {
            ret_samples->times_ns[ret_samples->n] = seconds[i] * 1000000000;
            ret_samples->values[ret_samples->n++] = (double)seconds[i] / 2;
        }
    }
    return LW_OK;
}

void lw_samples_fini(struct lw_samples *samples)
{
    free(samples->times_ns);
    free(samples->values);
}

/* No sinks. */
size_t lw_engine_sinks(struct lw_engine *engine, struct lw_sink_view *ret_sinks, size_t capacity)
{
    (void)engine;
    (void)ret_sinks;
    (void)capacity;
    return 0;
}

enum lw_status lw_engine_dead_letters(struct lw_engine *engine,
                                      const struct lw_outbox_search *search,
                                      struct lw_dead_letter *ret_letters, size_t *ret_n,
                                      struct lw_error *reterr)
{
    (void)engine;
    (void)ret_letters;
    (void)ret_n;
    return lw_error_set(reterr, LW_ENOTFOUND, "no sink \"%s\"", search->sink);
}

enum lw_status lw_engine_replay_dead_letters(struct lw_engine *engine, const char *sink,
                                             uint64_t key, size_t *ret_n, struct lw_error *reterr)
{
    (void)engine;
    (void)key;
    (void)ret_n;
    return lw_error_set(reterr, LW_ENOTFOUND, "no sink \"%s\"", sink);
}

enum lw_status lw_engine_drop_dead_letters(struct lw_engine *engine, const char *sink, uint64_t key,
                                           size_t *ret_n, struct lw_error *reterr)
{
    return lw_engine_replay_dead_letters(engine, sink, key, ret_n, reterr);
}

void lw_engine_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals)
{
    (void)engine;
    pthread_mutex_lock(&fake.lock);
    *ret_totals = fake.totals;
    pthread_mutex_unlock(&fake.lock);
}

void lw_engine_recent_totals(struct lw_engine *engine, struct lw_engine_totals *ret_totals)
{
    lw_engine_totals(engine, ret_totals);
}

const double *lw_engine_delay_bounds(void)
{
    static const double bounds[LW_ENGINE_DELAYS - 1] = {1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003,
                                                        0.01, 0.03, 0.1,  0.3,  1.0,   3.0};

    return bounds;
}

size_t lw_engine_feeds(struct lw_engine *engine, struct lw_feed_totals *ret_feeds, size_t capacity)
{
    (void)engine;
    pthread_mutex_lock(&fake.lock);
    if (capacity > 0) {
        ret_feeds[0] = fake.feed;
    }
    pthread_mutex_unlock(&fake.lock);
    return 1;
}

size_t lw_engine_entities(struct lw_engine *engine, uint32_t from,
                          struct lw_entity_view *ret_entities, size_t capacity)
{
    size_t n = 0;

    (void)engine;
    pthread_mutex_lock(&fake.lock);
    for (size_t i = 0; i < fake.n_entities && n < capacity; i++) {
        if (fake.entities[i].number >= from) {
            ret_entities[n++] = fake.entities[i];
        }
    }
    pthread_mutex_unlock(&fake.lock);
    return n;
}

size_t lw_engine_pick_entities(struct lw_engine *engine, const uint32_t *numbers, size_t n,
                               struct lw_entity_view *ret_entities)
{
    size_t n_found = 0;

    for (size_t i = 0; i < n; i++) {
        struct lw_entity_view view;

        if (lw_engine_entities(engine, numbers[i], &view, 1) == 1 && view.number == numbers[i]) {
            ret_entities[n_found++] = view;
        }
    }
    return n_found;
}

enum lw_status lw_engine_find_entity(struct lw_engine *engine, const char *detector,
                                     const char *name, uint32_t *ret_number)
{
    enum lw_status status = LW_ENOTFOUND;

    (void)engine;
    pthread_mutex_lock(&fake.lock);
    for (size_t i = 0; i < fake.n_entities; i++) {
        if (strcmp(fake.entities[i].name, name) == 0 &&
            strcmp(fake.entities[i].detector, detector) == 0) {
            *ret_number = fake.entities[i].number;
            status = LW_OK;
        }
    }
    pthread_mutex_unlock(&fake.lock);
    return status;
}

/* Keeps the question, and answers with the entities from the number asked for on. */
enum lw_status lw_engine_find_entities(struct lw_engine *engine,
                                       const struct lw_entity_query *query,
                                       struct lw_entity_view *ret_entities, size_t capacity,
                                       struct lw_entity_found *ret_found, struct lw_error *reterr)
{
    (void)reterr;
    fake.asked = *query;
    (void)snprintf(fake.asked_search, sizeof(fake.asked_search), "%s",
                   query->search == NULL ? "" : query->search);
    *ret_found = (struct lw_entity_found){.n_matches = (uint32_t)fake.n_entities, .counted_ns = 5};
    ret_found->n = lw_engine_entities(engine, query->is_next ? query->number + 1 : 0, ret_entities,
                                      capacity);
    if (ret_found->n > 0) {
        ret_found->number = ret_entities[ret_found->n - 1].number;
        ret_found->key = 0xfedcba9876543210;
        ret_found->has_more = ret_found->number != fake.entities[fake.n_entities - 1].number;
    }
    return LW_OK;
}

enum lw_status lw_engine_series(struct lw_engine *engine, uint32_t entity, uint32_t from,
                                struct lw_series_view *ret_series, size_t capacity, size_t *ret_n)
{
    static const char *const names[FAKE_SERIES] = {"load", "cpu{mode=\"user\"}", "caf\xC3\xA9"};
    size_t n = 0;

    (void)engine;
    if (entity != 0) {
        return LW_ENOTFOUND;
    }
    pthread_mutex_lock(&fake.lock);
    for (uint32_t i = from; i < FAKE_SERIES && n < capacity; i++) {
        const struct lw_history_point *last = fake.n_steps == 0 ? NULL
                                                                : &fake.steps[fake.n_steps - 1];
        struct lw_series_view *view = &ret_series[n++];

        *view = (struct lw_series_view){.series = i,
                                        .watched = i != 2,
                                        .confidence = (uint8_t)i,
                                        .last_ns = INT64_MIN,
                                        .value = NAN};
        (void)strcpy(view->name, names[i]);
        if (last != NULL) {
            view->last_ns = last->time_ns;
            view->value = last->value;
            view->expected = last->expected;
            view->lower = last->lower;
            view->upper = last->upper;
            view->score = last->score;
            view->alarm = last->alarm;
        }
    }
    pthread_mutex_unlock(&fake.lock);
    *ret_n = n;
    return LW_OK;
}

enum lw_status lw_engine_find_series(struct lw_engine *engine, const struct lw_series_query *query,
                                     struct lw_series_view *ret_series, size_t capacity,
                                     struct lw_series_found *ret_found)
{
    struct lw_series_view all[FAKE_SERIES];
    size_t n = 0;

    if (lw_engine_series(engine, query->entity, query->from, all, FAKE_SERIES, &n) != LW_OK) {
        return LW_ENOTFOUND;
    }
    *ret_found = (struct lw_series_found){.n_series = FAKE_SERIES};
    for (size_t i = 0; i < n; i++) {
        if (query->search != NULL && strstr(all[i].name, query->search) == NULL) {
            continue;
        }
        ret_found->n_matches++;
        if (ret_found->n < capacity) {
            ret_series[ret_found->n++] = all[i];
        } else {
            ret_found->has_more = true;
        }
    }
    return LW_OK;
}

enum lw_status lw_engine_history(struct lw_engine *engine, uint32_t entity, uint32_t series,
                                 int64_t since_ns, struct lw_history_point *ret_points,
                                 size_t capacity, size_t *ret_n)
{
    size_t n = 0;

    (void)engine;
    if (entity != 0 || series >= FAKE_SERIES) {
        return LW_ENOTFOUND;
    }
    pthread_mutex_lock(&fake.lock);
    /* The last series is one beyond the history's bytes. */
    for (size_t i = 0; i < fake.n_steps && n < capacity && series + 1 < FAKE_SERIES; i++) {
        if (fake.steps[i].time_ns > since_ns) {
            ret_points[n++] = fake.steps[i];
        }
    }
    pthread_mutex_unlock(&fake.lock);
    *ret_n = n;
    return LW_OK;
}

size_t lw_engine_find_anomalies(struct lw_engine *engine, const struct lw_anomaly_query *query,
                                struct lw_anomaly_view *ret_anomalies, size_t capacity)
{
    size_t n = 0;

    (void)engine;
    pthread_mutex_lock(&fake.lock);
    fake.asked_anomalies = *query;
    for (size_t i = fake.n_anomalies; i > 0 && n < capacity; i--) {
        if (fake.anomalies[i - 1].change > query->after_change) {
            ret_anomalies[n++] = fake.anomalies[i - 1];
        }
    }
    pthread_mutex_unlock(&fake.lock);
    return n;
}

size_t lw_engine_anomalies(struct lw_engine *engine, uint64_t after_change,
                           struct lw_anomaly_view *ret_anomalies, size_t capacity)
{
    struct lw_anomaly_query query = {.after_change = after_change};

    return lw_engine_find_anomalies(engine, &query, ret_anomalies, capacity);
}

uint64_t lw_engine_change(struct lw_engine *engine)
{
    uint64_t change;

    (void)engine;
    pthread_mutex_lock(&fake.lock);
    change = fake.n_anomalies == 0 ? 0 : fake.anomalies[fake.n_anomalies - 1].change;
    pthread_mutex_unlock(&fake.lock);
    return change;
}

/* ---- telling it ---- */

static __attribute__((unused)) void fake_add_entity(uint32_t number, const char *name)
{
    pthread_mutex_lock(&fake.lock);
    fake.entities[fake.n_entities] = (struct lw_entity_view){.number = number,
                                                             .n_series = FAKE_SERIES,
                                                             .last_ns = INT64_MIN,
                                                             .score = NAN,
                                                             .confidence = LW_CANNOT_TELL};
    (void)strcpy(fake.entities[fake.n_entities].name, name);
    (void)strcpy(fake.entities[fake.n_entities].detector, "host");
    fake.n_entities++;
    pthread_mutex_unlock(&fake.lock);
}

/* A step at `seconds` with the value; the band is the value before and after, less and more one. */
static __attribute__((unused)) void fake_add_step(int64_t seconds, float value)
{
    pthread_mutex_lock(&fake.lock);
    fake.steps[fake.n_steps++] = (struct lw_history_point){
        seconds * 1000000000, value, value + 0.5F, value - 1.0F,
        value + 1.0F,         0.25F, value > 90.0F};
    pthread_mutex_unlock(&fake.lock);
}

static __attribute__((unused)) void fake_add_anomaly(uint64_t id, uint64_t change,
                                                     const char *sentence)
{
    struct lw_anomaly_view *view;

    pthread_mutex_lock(&fake.lock);
    view = &fake.anomalies[fake.n_anomalies++];
    memset(view, 0, sizeof(*view));
    (void)strcpy(view->detector, "host");
    (void)strcpy(view->entity, "web \"1\"");
    (void)strcpy(view->sentence, sentence);
    (void)strcpy(view->series[0], "load");
    view->change = change;
    view->anomaly.id = id;
    view->anomaly.phase = LW_ANOMALY_OPENED;
    view->anomaly.type = LW_TYPE_SPIKE;
    view->anomaly.start_ns = 1500000000;
    view->anomaly.last_ns = 2000000000;
    view->anomaly.peak_ns = 2000000000;
    view->anomaly.peak_score = 0.75F;
    view->anomaly.return_rows = 1e6F;
    view->anomaly.n_steps = 2;
    view->anomaly.n_contributions = 2;
    view->anomaly.contributions[0] = (struct lw_contribution){0, 0.5F, 9.0F, 1.0F};
    view->anomaly.contributions[1] = (struct lw_contribution){LW_SERIES_NONE, 0.25F, NAN, NAN};
    pthread_mutex_unlock(&fake.lock);
}

static void fake_reset(void)
{
    pthread_mutex_lock(&fake.lock);
    memset(&fake.totals, 0, sizeof(fake.totals));
    fake.totals.saved_ns = INT64_MIN;
    memset(&fake.feed, 0, sizeof(fake.feed));
    fake.n_entities = fake.n_steps = fake.n_anomalies = 0;
    pthread_mutex_unlock(&fake.lock);
}

#endif
