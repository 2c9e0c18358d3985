/* The JSON endpoints that tell how all is; lists are in api_lists.c. */
#include "base/clock.h"
#include "base/mem.h"
#include "serve/server_internal.h"
#include "serve/view.h"

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

    lw_engine_recent_totals(server->engine, &totals);
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
    lw_view_trouble(json, server->engine, &totals);
    count_write(json, "resets", totals.resets);
    count_write(json, "state_bytes", totals.state_bytes);
    count_write(json, "history_bytes", totals.history_bytes);
    sources_write(json, feeds, n_feeds < LW_SERVER_FEEDS_MAX ? n_feeds : LW_SERVER_FEEDS_MAX);
    lw_json_end(json);
    lw_mem_free(feeds);
    lw_http_send_json(exchange, 200);
}
