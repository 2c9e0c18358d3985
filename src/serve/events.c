/*
 * Server-sent events: what changed since the last one, every second.
 *
 * What a stream has to say is worked out from the engine's present state and a few marks of what
 * was said before, never from a queue: a slow client misses nothing but the states in between, and
 * holds no memory. Which entities changed is found once a tick for all streams (lw_events_tick);
 * the steps of the one entity that a page looks at are read for that page.
 */
#include "serve/events.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "serve/http.h"
#include "serve/view.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_ENTITIES 64 /* Views asked of the engine at once. */
#define LOOK_SERIES 64
#define LOOK_ANOMALIES 8          /* Usually enough; otherwise all that are kept. */
#define ENTITIES_AN_EVENT_MAX 200 /* More wait for the next event. */
#define STEPS_AN_EVENT_MAX 64     /* Of a series. */

/* When the visible state of the entity of that number last changed. */
struct entity_mark {
    uint64_t digest; /* Of what a page shows of it; 0: there is no such entity. */
    uint64_t revision;
};

struct lw_events {
    struct lw_engine *engine;
    struct lw_entity_view *look; /* The tick's own. */
    pthread_mutex_t lock;        /* Guards what follows. */
    struct entity_mark *marks;
    uint32_t n_marks;
    uint64_t revision;
};

struct event_stream {
    struct lw_events *events;
    struct lw_json json;
    bool greeted;
    bool has_entity;
    uint32_t entity;
    uint64_t change;        /* Of the newest anomaly sent. */
    uint64_t done_revision; /* All entities up to this revision were sent ... */
    uint64_t pass_revision; /* ... and this will be so when the pass under way ends, */
    uint32_t pass_at;       /* which has come to this number. */
    int64_t *sent_ns;       /* [n_sent] by series: newest step sent. */
    uint32_t n_sent;
    struct lw_series_view series[LOOK_SERIES];
    struct lw_history_point steps[STEPS_AN_EVENT_MAX];
};

/* ---- which entities changed ---- */

static uint64_t view_digest(const struct lw_entity_view *view)
{
    struct {
        uint64_t open_anomaly;
        uint32_t n_series, level;
        uint32_t flags, zero;
    } seen = {
        .open_anomaly = view->open_anomaly,
        .n_series = view->n_series,
        /* In twentieths: a score that trembles is no news. */
        .level = isfinite(view->score) ? 1 + (uint32_t)(view->score * 20.0F) : 0,
        .flags = (uint32_t)(view->confidence * 4 + (view->alarm ? 2 : 0) +
                            (view->has_model ? 1 : 0)),
    };

    return lw_hash_bytes(&seen, sizeof(seen), 0) | 1;
}

/* Room for the entity's mark; false when memory is out, then the entity is told of later. */
static bool marks_reach(struct lw_events *events, uint32_t number)
{
    uint32_t n = events->n_marks < 64 ? 64 : events->n_marks;
    struct entity_mark *marks;

    if (number < events->n_marks) {
        return true;
    }
    while (n <= number) {
        n *= 2;
    }
    marks = lw_mem_realloc(events->marks, n * sizeof(*marks));
    if (marks == NULL) {
        return false;
    }
    memset(marks + events->n_marks, 0, (n - events->n_marks) * sizeof(*marks));
    events->marks = marks;
    events->n_marks = n;
    return true;
}

static void mark_set(struct lw_events *events, uint32_t number, uint64_t digest)
{
    struct entity_mark *mark = &events->marks[number];

    if (mark->digest != digest) {
        mark->digest = digest;
        mark->revision = events->revision;
    }
}

/* Entities that are gone lie between the numbers of those that are there. */
static void marks_clear(struct lw_events *events, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number < to && number < events->n_marks; number++) {
        mark_set(events, number, 0);
    }
}

void lw_events_tick(struct lw_events *events)
{
    uint32_t from = 0;
    size_t n;

    pthread_mutex_lock(&events->lock);
    events->revision++;
    pthread_mutex_unlock(&events->lock);
    do {
        n = lw_engine_entities(events->engine, from, events->look, LOOK_ENTITIES);
        pthread_mutex_lock(&events->lock);
        for (size_t i = 0; i < n; i++) {
            uint32_t number = events->look[i].number;

            if (number >= LW_ENGINE_SERIES_MAX || !marks_reach(events, number)) {
                break;
            }
            marks_clear(events, from, number);
            mark_set(events, number, view_digest(&events->look[i]));
            from = number + 1;
        }
        pthread_mutex_unlock(&events->lock);
    } while (n == LOOK_ENTITIES && from == events->look[n - 1].number + 1);
    pthread_mutex_lock(&events->lock);
    marks_clear(events, from, events->n_marks);
    pthread_mutex_unlock(&events->lock);
}

/* ---- one event ---- */

/* The next entity that the stream has not told of; false at the end of the pass. */
static bool stream_next_entity(struct event_stream *stream, uint32_t *ret_number)
{
    struct lw_events *events = stream->events;
    bool found = false;

    pthread_mutex_lock(&events->lock);
    if (stream->pass_at == 0) {
        stream->pass_revision = events->revision;
    }
    while (!found && stream->pass_at < events->n_marks) {
        const struct entity_mark *mark = &events->marks[stream->pass_at];

        found = mark->revision > stream->done_revision;
        *ret_number = stream->pass_at++;
    }
    if (!found) {
        stream->done_revision = stream->pass_revision;
        stream->pass_at = 0;
    }
    pthread_mutex_unlock(&events->lock);
    return found;
}

static void event_entities(struct event_stream *stream)
{
    struct lw_json *json = &stream->json;
    uint32_t removed[ENTITIES_AN_EVENT_MAX];
    size_t n_removed = 0;
    uint32_t number;

    lw_json_key(json, "entities");
    lw_json_begin_array(json);
    for (int i = 0; i < ENTITIES_AN_EVENT_MAX && stream_next_entity(stream, &number); i++) {
        struct lw_entity_view view;

        if (lw_engine_entities(stream->events->engine, number, &view, 1) == 1 &&
            view.number == number) {
            lw_view_entity(json, &view);
        } else {
            removed[n_removed++] = number;
        }
    }
    lw_json_end(json);
    lw_json_key(json, "removed");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n_removed; i++) {
        lw_json_int(json, removed[i]);
    }
    lw_json_end(json);
}

/* Anomalies changed after *change, of which the newest becomes *change; NULL when there is no
 * memory. Freed by the caller. */
static struct lw_anomaly_view *anomalies_after(struct lw_engine *engine, uint64_t *change,
                                               size_t *ret_n)
{
    size_t capacity = LOOK_ANOMALIES;
    struct lw_anomaly_view *views = lw_mem_alloc(capacity * sizeof(*views));
    size_t n = views == NULL ? 0 : lw_engine_anomalies(engine, *change, views, capacity);

    if (n == capacity) {
        lw_mem_free(views);
        capacity = LW_ENGINE_ANOMALIES_KEPT;
        views = lw_mem_alloc(capacity * sizeof(*views));
        n = views == NULL ? 0 : lw_engine_anomalies(engine, *change, views, capacity);
    }
    for (size_t i = 0; i < n; i++) {
        *change = views[i].change > *change ? views[i].change : *change;
    }
    *ret_n = n;
    return views;
}

static void event_anomalies(struct event_stream *stream)
{
    size_t n;
    struct lw_anomaly_view *views = anomalies_after(stream->events->engine, &stream->change, &n);

    lw_json_key(&stream->json, "anomalies");
    lw_json_begin_array(&stream->json);
    for (size_t i = 0; i < n; i++) {
        lw_view_anomaly(&stream->json, &views[i]);
    }
    lw_json_end(&stream->json);
    lw_mem_free(views);
}

static bool stream_reach_series(struct event_stream *stream, uint32_t series)
{
    uint32_t n = stream->n_sent == 0 ? 64 : stream->n_sent * 2;
    int64_t *sent_ns;

    if (series < stream->n_sent) {
        return true;
    }
    while (n <= series) {
        n *= 2;
    }
    sent_ns = series < LW_ENTITY_SERIES_MAX ? lw_mem_realloc(stream->sent_ns, n * sizeof(*sent_ns))
                                            : NULL;
    if (sent_ns == NULL) {
        return false;
    }
    for (uint32_t i = stream->n_sent; i < n; i++) {
        sent_ns[i] = INT64_MIN;
    }
    stream->sent_ns = sent_ns;
    stream->n_sent = n;
    return true;
}

/* The steps of one series that closed since the last event; a series without history has its newest
 * step only. */
static void event_series(struct event_stream *stream, const struct lw_series_view *view)
{
    struct lw_json *json = &stream->json;
    int64_t *sent_ns = &stream->sent_ns[view->series];
    size_t n = 0;

    if (*sent_ns == INT64_MIN) {
        *sent_ns = view->last_ns; /* What was before is for the history to tell. */
        return;
    }
    if (view->last_ns <= *sent_ns) {
        return;
    }
    if (lw_engine_history(stream->events->engine, stream->entity, view->series, *sent_ns,
                          stream->steps, STEPS_AN_EVENT_MAX, &n) != LW_OK ||
        n == 0) {
        stream->steps[0] = (struct lw_history_point){view->last_ns, view->value, view->expected,
                                                     view->lower,   view->upper, view->score,
                                                     view->alarm};
        n = 1;
    }
    *sent_ns = stream->steps[n - 1].time_ns;
    lw_json_begin_object(json);
    lw_json_key(json, "series");
    lw_json_int(json, view->series);
    lw_json_key(json, "confidence");
    lw_json_text(json, lw_view_confidence(view->confidence));
    lw_view_steps(json, stream->steps, n);
    lw_json_end(json);
}

static void event_steps(struct event_stream *stream)
{
    uint32_t from = 0;
    size_t n = LOOK_SERIES;

    lw_json_key(&stream->json, "series");
    lw_json_begin_array(&stream->json);
    while (stream->has_entity && n == LOOK_SERIES) {
        if (lw_engine_series(stream->events->engine, stream->entity, from, stream->series,
                             LOOK_SERIES, &n) != LW_OK) {
            break;
        }
        for (size_t i = 0; i < n && stream_reach_series(stream, stream->series[i].series); i++) {
            event_series(stream, &stream->series[i]);
            from = stream->series[i].series + 1;
        }
        if (n == LOOK_SERIES && from != stream->series[n - 1].series + 1) {
            break;
        }
    }
    lw_json_end(&stream->json);
}

static void event_text(struct lw_writer *out, const char *text)
{
    lw_write_raw(out, text, strlen(text));
}

static bool stream_more(void *context, struct lw_writer *out)
{
    struct event_stream *stream = context;
    struct lw_json *json = &stream->json;
    struct lw_engine_totals totals;
    char id[48];

    if (!stream->greeted) {
        stream->greeted = true;
        event_text(out, "retry: 2000\n\n"); /* How long a browser waits before it connects again. */
    }
    lw_engine_totals(stream->events->engine, &totals);
    lw_json_reset(json);
    lw_json_begin_object(json);
    lw_json_key(json, "status");
    lw_json_begin_object(json);
    lw_view_totals(json, &totals);
    lw_json_end(json);
    event_entities(stream);
    event_anomalies(stream);
    event_steps(stream);
    lw_json_end(json);
    if (json->out.status != LW_OK) {
        return false;
    }
    (void)snprintf(id, sizeof(id), "id: %llu\n", (unsigned long long)stream->change);
    event_text(out, id);
    event_text(out, "event: change\ndata: ");
    lw_write_raw(out, json->out.data, json->out.n_bytes);
    event_text(out, "\n\n");
    return true;
}

static void stream_close(void *context)
{
    struct event_stream *stream = context;

    lw_json_fini(&stream->json);
    lw_mem_free(stream->sent_ns);
    lw_mem_free(stream);
}

/* ---- the route ---- */

/* From where anomalies are told: what a reconnecting browser had last, what the request asks for,
 * or now. */
static bool stream_begin(struct event_stream *stream, struct lw_http_exchange *exchange)
{
    const char *last = lw_http_field(exchange, "Last-Event-ID");
    uint64_t entity, after;

    if (!lw_http_query_number(exchange, "entity", 0, UINT32_MAX, UINT32_MAX, &entity) ||
        !lw_http_query_number(exchange, "after", 0, INT64_MAX, INT64_MAX, &after)) {
        return false;
    }
    stream->has_entity = lw_http_query(exchange, "entity") != NULL;
    stream->entity = (uint32_t)entity;
    stream->change = after;
    if (last != NULL && last[0] != '\0' && strspn(last, "0123456789") == strlen(last) &&
        strlen(last) < 19) {
        stream->change = strtoull(last, NULL, 10);
    } else if (lw_http_query(exchange, "after") == NULL) {
        size_t n;

        stream->change = 0;
        lw_mem_free(anomalies_after(stream->events->engine, &stream->change, &n));
    }
    return true;
}

void lw_events_send(struct lw_events *events, struct lw_http_exchange *exchange)
{
    static const struct lw_http_stream class = {.more = stream_more, .close = stream_close};
    struct event_stream *stream = lw_mem_calloc(1, sizeof(*stream));

    if (stream == NULL) {
        lw_http_send_problem(exchange, 503, "Out of memory.");
        return;
    }
    stream->events = events;
    lw_json_init(&stream->json);
    if (!stream_begin(stream, exchange)) {
        stream_close(stream);
        return;
    }
    lw_http_send_stream(exchange, &class, stream);
}

/* ---- life ---- */

enum lw_status lw_events_create(struct lw_engine *engine, struct lw_events **ret_events,
                                struct lw_error *reterr)
{
    struct lw_events *events = lw_mem_calloc(1, sizeof(*events));
    struct lw_entity_view *look = lw_mem_calloc(LOOK_ENTITIES, sizeof(*look));

    if (events == NULL || look == NULL) {
        lw_mem_free(events);
        lw_mem_free(look);
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the event streams");
    }
    events->engine = engine;
    events->look = look;
    pthread_mutex_init(&events->lock, NULL);
    *ret_events = events;
    return LW_OK;
}

void lw_events_destroy(struct lw_events *events)
{
    if (events == NULL) {
        return;
    }
    pthread_mutex_destroy(&events->lock);
    lw_mem_free(events->marks);
    lw_mem_free(events->look);
    lw_mem_free(events);
}
