/* The JSON endpoints: each asks the engine for its view and writes it out. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/time_text.h"
#include "serve/server_internal.h"
#include "serve/view.h"

#include <string.h>

#define ENTITIES_MAX 1000
#define SERIES_MAX 1000
#define STEPS_MAX 20000
#define SECOND_NS INT64_C(1000000000)

static void out_of_memory(struct lw_http_exchange *exchange)
{
    lw_http_send_problem(exchange, 503, "Out of memory.");
}

static void state_send(struct lw_http_exchange *exchange, const char *status, unsigned code)
{
    struct lw_json *json = lw_http_json(exchange);

    lw_json_begin_object(json);
    lw_json_key(json, "status");
    lw_json_text(json, status);
    lw_json_end(json);
    lw_http_send_json(exchange, code);
}

void lw_api_live(void *context, struct lw_http_exchange *exchange)
{
    (void)context;
    state_send(exchange, "live", 200);
}

void lw_api_ready(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;

    if (atomic_load(&server->ready)) {
        state_send(exchange, "ready", 200);
    } else {
        state_send(exchange, "starting", 503);
    }
}

void lw_api_health(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    bool ready = atomic_load(&server->ready);
    struct lw_engine_totals totals;

    lw_engine_totals(server->engine, &totals);
    lw_json_begin_object(json);
    lw_json_key(json, "status");
    lw_json_text(json, !ready ? "starting" : totals.state_degraded ? "degraded" : "ok");
    lw_json_key(json, "version");
    lw_json_text(json, server->version);
    lw_json_key(json, "uptime_seconds");
    lw_json_int(json, (lw_clock_real_ns() - server->started_ns) / SECOND_NS);
    lw_json_end(json);
    lw_http_send_json(exchange, ready ? 200 : 503);
}

static void count_write(struct lw_json *json, const char *key, uint64_t n)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)n);
}

static void dropped_write(struct lw_json *json, const struct lw_engine_totals *totals)
{
    lw_json_key(json, "dropped");
    lw_json_begin_object(json);
    count_write(json, "late", totals->late);
    count_write(json, "duplicates", totals->duplicates);
    count_write(json, "not_finite", totals->not_finite);
    count_write(json, "overflow", totals->overflow);
    count_write(json, "unmatched", totals->unmatched);
    count_write(json, "series_refused", totals->series_refused);
    lw_json_end(json);
}

static void sources_write(struct lw_json *json, const struct lw_feed_totals *feeds, size_t n_feeds)
{
    lw_json_key(json, "sources");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n_feeds; i++) {
        lw_json_begin_object(json);
        lw_json_key(json, "source");
        lw_json_text(json, feeds[i].source);
        count_write(json, "samples", feeds[i].samples);
        lw_json_key(json, "watermark");
        lw_view_time(json, feeds[i].watermark_ns);
        lw_json_key(json, "dropped");
        lw_json_begin_object(json);
        for (uint32_t r = 0; r < feeds[i].n_reasons; r++) {
            count_write(json, feeds[i].dropped[r].reason, feeds[i].dropped[r].n);
        }
        lw_json_end(json);
        lw_json_end(json);
    }
    lw_json_end(json);
}

void lw_api_status(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_feed_totals *feeds = lw_mem_calloc(LW_SERVER_FEEDS_MAX, sizeof(*feeds));
    struct lw_engine_totals totals;
    size_t n_feeds;

    if (feeds == NULL) {
        out_of_memory(exchange);
        return;
    }
    lw_engine_totals(server->engine, &totals);
    n_feeds = lw_engine_feeds(server->engine, feeds, LW_SERVER_FEEDS_MAX);
    lw_json_begin_object(json);
    lw_json_key(json, "version");
    lw_json_text(json, server->version);
    lw_json_key(json, "ready");
    lw_json_bool(json, atomic_load(&server->ready));
    lw_json_key(json, "started");
    lw_view_time(json, server->started_ns);
    lw_json_key(json, "now");
    lw_view_time(json, lw_clock_real_ns());
    lw_view_totals(json, &totals);
    dropped_write(json, &totals);
    count_write(json, "resets", totals.resets);
    count_write(json, "state_bytes", totals.state_bytes);
    count_write(json, "history_bytes", totals.history_bytes);
    sources_write(json, feeds, n_feeds < LW_SERVER_FEEDS_MAX ? n_feeds : LW_SERVER_FEEDS_MAX);
    lw_json_end(json);
    lw_mem_free(feeds);
    lw_http_send_json(exchange, 200);
}

/* Where the next page of a list begins, or null at its end. */
static void next_write(struct lw_json *json, bool is_full, uint64_t next)
{
    lw_json_key(json, "next");
    if (is_full) {
        lw_json_int(json, (int64_t)next);
    } else {
        lw_json_null(json);
    }
}

void lw_api_entities(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_entity_view *entities;
    uint64_t from, limit;
    size_t n;

    if (!lw_http_query_number(exchange, "from", 0, UINT32_MAX, 0, &from) ||
        !lw_http_query_number(exchange, "limit", 1, ENTITIES_MAX, 100, &limit)) {
        return;
    }
    entities = lw_mem_calloc(limit, sizeof(*entities));
    if (entities == NULL) {
        out_of_memory(exchange);
        return;
    }
    n = lw_engine_entities(server->engine, (uint32_t)from, entities, limit);
    lw_json_begin_object(json);
    lw_json_key(json, "entities");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_entity(json, &entities[i]);
    }
    lw_json_end(json);
    next_write(json, n == limit, n == 0 ? 0 : (uint64_t)entities[n - 1].number + 1);
    lw_json_end(json);
    lw_mem_free(entities);
    lw_http_send_json(exchange, 200);
}

void lw_api_entity_series(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_series_view *series;
    uint64_t entity, from, limit;
    size_t n = 0;

    if (!lw_http_part_number(exchange, 0, UINT32_MAX, &entity) ||
        !lw_http_query_number(exchange, "from", 0, UINT32_MAX, 0, &from) ||
        !lw_http_query_number(exchange, "limit", 1, SERIES_MAX, 100, &limit)) {
        return;
    }
    series = lw_mem_calloc(limit, sizeof(*series));
    if (series == NULL) {
        out_of_memory(exchange);
        return;
    }
    if (lw_engine_series(server->engine, (uint32_t)entity, (uint32_t)from, series, limit, &n) !=
        LW_OK) {
        lw_mem_free(series);
        lw_http_send_problem(exchange, 404, "There is no entity %llu.", (unsigned long long)entity);
        return;
    }
    lw_json_begin_object(json);
    lw_json_key(json, "entity");
    lw_json_int(json, (int64_t)entity);
    lw_json_key(json, "series");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_series(json, &series[i]);
    }
    lw_json_end(json);
    next_write(json, n == limit, n == 0 ? 0 : (uint64_t)series[n - 1].series + 1);
    lw_json_end(json);
    lw_mem_free(series);
    lw_http_send_json(exchange, 200);
}

/* The moment given as `since`, in seconds; from the beginning when there is none. */
static bool query_since(struct lw_http_exchange *exchange, int64_t *ret_ns)
{
    const char *text = lw_http_query(exchange, "since");

    *ret_ns = INT64_MIN;
    if (text != NULL && !lw_time_parse_epoch(text, strlen(text), LW_TIME_S, ret_ns)) {
        lw_http_send_problem(
            exchange, 400,
            "The parameter \"since\" must be seconds since 1970-01-01 UTC, such as 1700000000.5.");
        return false;
    }
    return true;
}

void lw_api_series(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_history_point *steps;
    uint64_t entity, series, limit;
    int64_t since_ns;
    size_t n = 0;

    if (!lw_http_part_number(exchange, 0, UINT32_MAX, &entity) ||
        !lw_http_part_number(exchange, 1, UINT32_MAX, &series) ||
        !query_since(exchange, &since_ns) ||
        !lw_http_query_number(exchange, "limit", 1, STEPS_MAX, STEPS_MAX, &limit)) {
        return;
    }
    steps = lw_mem_alloc(limit * sizeof(*steps));
    if (steps == NULL) {
        out_of_memory(exchange);
        return;
    }
    if (lw_engine_history(server->engine, (uint32_t)entity, (uint32_t)series, since_ns, steps,
                          limit, &n) != LW_OK) {
        lw_mem_free(steps);
        lw_http_send_problem(exchange, 404, "Entity %llu has no series %llu.",
                             (unsigned long long)entity, (unsigned long long)series);
        return;
    }
    lw_json_begin_object(json);
    lw_json_key(json, "entity");
    lw_json_int(json, (int64_t)entity);
    lw_json_key(json, "series");
    lw_json_int(json, (int64_t)series);
    lw_view_steps(json, steps, n);
    lw_json_key(json, "next_since");
    lw_view_time(json, n == limit ? steps[n - 1].time_ns : INT64_MIN);
    lw_json_end(json);
    lw_mem_free(steps);
    lw_http_send_json(exchange, 200);
}

void lw_api_anomalies(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_anomaly_view *anomalies;
    uint64_t after, limit, change;
    size_t n;

    if (!lw_http_query_number(exchange, "after", 0, INT64_MAX, 0, &after) ||
        !lw_http_query_number(exchange, "limit", 1, LW_ENGINE_ANOMALIES_KEPT, 100, &limit)) {
        return;
    }
    anomalies = lw_mem_calloc(limit, sizeof(*anomalies));
    if (anomalies == NULL) {
        out_of_memory(exchange);
        return;
    }
    n = lw_engine_anomalies(server->engine, after, anomalies, limit);
    change = after;
    lw_json_begin_object(json);
    lw_json_key(json, "anomalies");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_anomaly(json, &anomalies[i]);
        change = anomalies[i].change > change ? anomalies[i].change : change;
    }
    lw_json_end(json);
    lw_json_key(json, "change");
    lw_json_int(json, (int64_t)change);
    lw_json_end(json);
    lw_mem_free(anomalies);
    lw_http_send_json(exchange, 200);
}
