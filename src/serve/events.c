/*
 * Server-sent events: what changed of what a page looks at, every second.
 *
 * What a stream has to say is worked out from the engine's present state and a few marks of what
 * was said before, never from a queue: a slow client misses nothing but the states in between, and
 * holds no memory. A stream says which entities it looks at, and of one entity which series; all
 * else it is told in numbers. So a second costs a stream the same with ten entities or 100,000.
 */
#include "serve/events.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "serve/http.h"
#include "serve/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_AN_EVENT_MAX 64 /* Of a series. */
#define LOOK_ANOMALIES 8      /* Usually enough; otherwise LW_EVENTS_ANOMALIES_MAX. */

struct lw_events {
    struct lw_engine *engine;
};

/* An entity that the page looks at. */
struct watched_entity {
    uint32_t number;
    uint64_t digest; /* Of what was said of it; 0: nothing, 1: that it is gone. */
};

struct watched_series {
    uint32_t number;
    int64_t sent_ns; /* Newest step sent; INT64_MIN: none. */
};

struct event_stream {
    struct lw_engine *engine;
    struct lw_json json;
    bool greeted;
    bool has_entity;
    uint32_t entity;
    uint64_t change; /* Of the newest anomaly sent. */
    struct watched_entity entities[LW_EVENTS_ENTITIES_MAX];
    uint32_t n_entities;
    struct watched_series series[LW_EVENTS_SERIES_MAX];
    uint32_t n_series;
    struct lw_entity_view views[LW_EVENTS_ENTITIES_MAX]; /* These two for the time of a call. */
    struct lw_history_point steps[STEPS_AN_EVENT_MAX];
};

/* ---- entities ---- */

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

    return lw_hash_bytes(&seen, sizeof(seen), 0) | 2;
}

/* Those watched that look otherwise than when they were last told; says which are gone. */
static void event_entities(struct event_stream *stream)
{
    struct lw_json *json = &stream->json;
    uint32_t numbers[LW_EVENTS_ENTITIES_MAX];
    bool is_there[LW_EVENTS_ENTITIES_MAX] = {false};
    size_t n, at = 0;

    for (uint32_t i = 0; i < stream->n_entities; i++) {
        numbers[i] = stream->entities[i].number;
    }
    n = lw_engine_pick_entities(stream->engine, numbers, stream->n_entities, stream->views);
    lw_json_key(json, "entities");
    lw_json_begin_array(json);
    for (uint32_t i = 0; i < stream->n_entities; i++) {
        struct watched_entity *watched = &stream->entities[i];

        if (at < n && stream->views[at].number == watched->number) { /* They come in order. */
            uint64_t digest = view_digest(&stream->views[at]);

            if (digest != watched->digest) {
                lw_view_entity(json, &stream->views[at]);
            }
            watched->digest = digest;
            is_there[i] = true;
            at++;
        }
    }
    lw_json_end(json);
    lw_json_key(json, "removed");
    lw_json_begin_array(json);
    for (uint32_t i = 0; i < stream->n_entities; i++) {
        if (!is_there[i] && stream->entities[i].digest != 1) {
            stream->entities[i].digest = 1;
            lw_json_int(json, stream->entities[i].number);
        }
    }
    lw_json_end(json);
}

/* ---- anomalies ---- */

/* The newest change of any anomaly, no more than `capacity` of those after the last one told. */
static struct lw_anomaly_view *anomalies_after(struct event_stream *stream, size_t capacity,
                                               size_t *ret_n)
{
    struct lw_anomaly_view *views = lw_mem_alloc(capacity * sizeof(*views));
    size_t n = views == NULL ? 0
                             : lw_engine_anomalies(stream->engine, stream->change, views, capacity);

    *ret_n = n;
    return views;
}

static void event_anomalies(struct event_stream *stream)
{
    size_t capacity = LOOK_ANOMALIES, n;
    struct lw_anomaly_view *views = anomalies_after(stream, capacity, &n);

    if (n == capacity) {
        lw_mem_free(views);
        capacity = LW_EVENTS_ANOMALIES_MAX;
        views = anomalies_after(stream, capacity, &n);
    }
    lw_json_key(&stream->json, "anomalies");
    lw_json_begin_array(&stream->json);
    for (size_t i = 0; i < n; i++) {
        lw_view_anomaly(&stream->json, &views[i]);
        stream->change = views[i].change > stream->change ? views[i].change : stream->change;
    }
    lw_json_end(&stream->json);
    lw_json_key(&stream->json, "anomalies_left_out");
    lw_json_bool(&stream->json, n == capacity);
    lw_mem_free(views);
}

/* ---- steps of the entity shown ---- */

/* The steps of one series that closed since the last event; a series without history has its newest
 * step only. */
static void event_series(struct event_stream *stream, struct watched_series *watched,
                         const struct lw_series_view *view)
{
    struct lw_json *json = &stream->json;
    size_t n = 0;

    if (watched->sent_ns == INT64_MIN) {
        watched->sent_ns = view->last_ns; /* What was before is for the history to tell. */
        return;
    }
    if (view->last_ns <= watched->sent_ns) {
        return;
    }
    if (lw_engine_history(stream->engine, stream->entity, view->series, watched->sent_ns,
                          stream->steps, STEPS_AN_EVENT_MAX, &n) != LW_OK ||
        n == 0) {
        stream->steps[0] = (struct lw_history_point){view->last_ns, view->value, view->expected,
                                                     view->lower,   view->upper, view->score,
                                                     view->alarm};
        n = 1;
    }
    watched->sent_ns = stream->steps[n - 1].time_ns;
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
    lw_json_key(&stream->json, "series");
    lw_json_begin_array(&stream->json);
    for (uint32_t i = 0; stream->has_entity && i < stream->n_series; i++) {
        struct lw_series_view view;
        size_t n = 0;

        if (lw_engine_series(stream->engine, stream->entity, stream->series[i].number, &view, 1,
                             &n) != LW_OK) {
            break;
        }
        if (n == 1) {
            event_series(stream, &stream->series[i], &view);
        }
    }
    lw_json_end(&stream->json);
}

/* ---- one event ---- */

static void event_text(struct lw_writer *out, const char *text)
{
    lw_write_raw(out, text, strlen(text));
}

static void event_status(struct event_stream *stream)
{
    struct lw_engine_totals totals;

    lw_engine_recent_totals(stream->engine, &totals);
    lw_json_key(&stream->json, "status");
    lw_json_begin_object(&stream->json);
    lw_view_totals(&stream->json, &totals);
    lw_view_trouble(&stream->json, stream->engine, &totals);
    lw_json_end(&stream->json);
}

static bool stream_more(void *context, struct lw_writer *out)
{
    struct event_stream *stream = context;
    struct lw_json *json = &stream->json;
    char id[48];

    if (!stream->greeted) {
        stream->greeted = true;
        event_text(out, "retry: 2000\n\n"); /* How long a browser waits before it connects again. */
    }
    lw_json_reset(json);
    lw_json_begin_object(json);
    event_status(stream);
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
    lw_mem_free(stream);
}

/* ---- the route ---- */

/* Numbers with commas between them, at most `capacity`; answered with 400 and false otherwise. */
static bool query_numbers(struct lw_http_exchange *exchange, const char *name,
                          uint32_t *ret_numbers, uint32_t capacity, uint32_t *ret_n)
{
    const char *text = lw_http_query(exchange, name);
    uint32_t n = 0;

    while (text != NULL && *text != '\0') {
        size_t digits = strspn(text, "0123456789");
        unsigned long long number = strtoull(text, NULL, 10);

        if (digits == 0 || digits > 10 || number > UINT32_MAX || n == capacity ||
            (text[digits] != ',' && text[digits] != '\0')) {
            lw_http_send_problem(exchange, 400,
                                 "The parameter \"%s\" must be at most %u numbers, such as 1,5,8.",
                                 name, capacity);
            return false;
        }
        ret_numbers[n++] = (uint32_t)number;
        text += digits + (text[digits] == ',' ? 1 : 0);
    }
    *ret_n = n;
    return true;
}

/* From where anomalies are told: what a reconnecting browser had last, what the request asks for,
 * or now. */
static bool stream_begin_anomalies(struct event_stream *stream, struct lw_http_exchange *exchange)
{
    const char *last = lw_http_field(exchange, "Last-Event-ID");
    uint64_t after;

    if (!lw_http_query_number(exchange, "after", 0, INT64_MAX, INT64_MAX, &after)) {
        return false;
    }
    stream->change = after;
    if (last != NULL && last[0] != '\0' && strspn(last, "0123456789") == strlen(last) &&
        strlen(last) < 19) {
        stream->change = strtoull(last, NULL, 10);
    } else if (lw_http_query(exchange, "after") == NULL) {
        stream->change = lw_engine_change(stream->engine);
    }
    return true;
}

/* What is looked at. Of an entity without a list of series: its first ones. */
static bool stream_begin(struct event_stream *stream, struct lw_http_exchange *exchange)
{
    uint32_t numbers[LW_EVENTS_SERIES_MAX];
    uint64_t entity;

    _Static_assert(LW_EVENTS_SERIES_MAX >= LW_EVENTS_ENTITIES_MAX, "room for both");
    if (!lw_http_query_number(exchange, "entity", 0, UINT32_MAX, UINT32_MAX, &entity) ||
        !query_numbers(exchange, "entities", numbers, LW_EVENTS_ENTITIES_MAX,
                       &stream->n_entities)) {
        return false;
    }
    for (uint32_t i = 0; i < stream->n_entities; i++) {
        stream->entities[i].number = numbers[i];
    }
    stream->has_entity = lw_http_query(exchange, "entity") != NULL;
    stream->entity = (uint32_t)entity;
    stream->n_series = LW_EVENTS_SERIES_MAX;
    for (uint32_t i = 0; i < LW_EVENTS_SERIES_MAX; i++) {
        numbers[i] = i;
    }
    if (lw_http_query(exchange, "series") != NULL &&
        !query_numbers(exchange, "series", numbers, LW_EVENTS_SERIES_MAX, &stream->n_series)) {
        return false;
    }
    for (uint32_t i = 0; i < stream->n_series; i++) {
        stream->series[i] = (struct watched_series){numbers[i], INT64_MIN};
    }
    return stream_begin_anomalies(stream, exchange);
}

void lw_events_send(struct lw_events *events, struct lw_http_exchange *exchange)
{
    static const struct lw_http_stream class = {.more = stream_more, .close = stream_close};
    struct event_stream *stream = lw_mem_calloc(1, sizeof(*stream));

    if (stream == NULL) {
        lw_http_send_problem(exchange, 503, "Out of memory.");
        return;
    }
    stream->engine = events->engine;
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

    if (events == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the event streams");
    }
    events->engine = engine;
    *ret_events = events;
    return LW_OK;
}

void lw_events_destroy(struct lw_events *events)
{
    lw_mem_free(events);
}
