/* The JSON endpoints about sinks and their dead letters. */
#include "base/mem.h"
#include "serve/server_internal.h"
#include "serve/view.h"

#define LETTERS_MAX 1000

static void out_of_memory(struct lw_http_exchange *exchange)
{
    lw_http_send_problem(exchange, 503, "Out of memory.");
}

static void count_write(struct lw_json *json, const char *key, uint64_t n)
{
    lw_json_key(json, key);
    lw_json_int(json, (int64_t)n);
}

static void sink_write(struct lw_json *json, const struct lw_sink_view *sink)
{
    lw_json_begin_object(json);
    lw_json_key(json, "sink");
    lw_json_text(json, sink->name);
    lw_json_key(json, "gone");
    lw_json_bool(json, sink->gone);
    lw_json_key(json, "up");
    lw_json_bool(json, sink->up);
    count_write(json, "pending", sink->pending);
    lw_json_key(json, "oldest_seconds");
    lw_json_number(json, (double)sink->oldest_ns / 1e9);
    count_write(json, "repeated", sink->open);
    count_write(json, "delivered", sink->delivered);
    count_write(json, "retried", sink->retried);
    count_write(json, "dead_letters", sink->dead_kept);
    count_write(json, "dead_letters_dropped", sink->dead_dropped);
    lw_json_key(json, "last_success");
    lw_view_time(json, sink->last_success_ns);
    lw_json_key(json, "last_error");
    lw_json_text(json, sink->last_error[0] == '\0' ? NULL : sink->last_error);
    lw_json_end(json);
}

void lw_api_sinks(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    struct lw_sink_view *sinks = lw_mem_calloc(LW_SINKS_MAX, sizeof(*sinks));
    size_t n;

    if (sinks == NULL) {
        out_of_memory(exchange);
        return;
    }
    n = lw_engine_sinks(server->engine, sinks, LW_SINKS_MAX);
    lw_json_begin_object(json);
    lw_json_key(json, "sinks");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        sink_write(json, &sinks[i]);
    }
    lw_json_end(json);
    lw_json_end(json);
    lw_mem_free(sinks);
    lw_http_send_json(exchange, 200);
}

/* ---- dead letters ---- */

/* The sink asked about; answered with 400 and NULL when none is. */
static const char *query_sink(struct lw_http_exchange *exchange)
{
    const char *sink = lw_http_query(exchange, "sink");

    if (sink == NULL) {
        lw_http_send_problem(exchange, 400, "The parameter \"sink\" must name a sink.");
    }
    return sink;
}

static void send_failure(struct lw_http_exchange *exchange, enum lw_status status,
                         const struct lw_error *error)
{
    lw_http_send_problem(exchange, status == LW_ENOTFOUND ? 404 : 503, "%s", error->message);
}

static void letter_write(struct lw_json *json, const struct lw_dead_letter *letter)
{
    lw_json_begin_object(json);
    count_write(json, "key", letter->key);
    lw_json_key(json, "time");
    lw_view_time(json, letter->time_ns);
    count_write(json, "attempts", letter->attempts);
    lw_json_key(json, "reason");
    lw_json_text(json, letter->reason);
    lw_json_key(json, "event");
    lw_json_text(json, letter->anomaly.anomaly.phase == LW_ANOMALY_OPENED ? "opened" : "closed");
    lw_json_key(json, "anomaly");
    lw_view_anomaly(json, &letter->anomaly);
    lw_json_end(json);
}

static void letters_write(struct lw_json *json, const struct lw_dead_letter *letters, size_t n,
                          bool more)
{
    lw_json_begin_object(json);
    lw_json_key(json, "dead_letters");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        letter_write(json, &letters[i]);
    }
    lw_json_end(json);
    lw_json_key(json, "next");
    if (more) {
        lw_json_int(json, (int64_t)letters[n - 1].key + 1);
    } else {
        lw_json_null(json);
    }
    lw_json_end(json);
}

void lw_api_dead_letters(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_outbox_search search = {.sink = query_sink(exchange)};
    struct lw_dead_letter *letters;
    struct lw_error error = {0};
    uint64_t limit;
    size_t n = 0;
    enum lw_status status;

    if (search.sink == NULL ||
        !lw_http_query_number(exchange, "from", 0, INT64_MAX, 0, &search.from) ||
        !lw_http_query_number(exchange, "limit", 1, LETTERS_MAX, 100, &limit)) {
        return;
    }
    search.capacity = limit;
    letters = lw_mem_calloc(limit, sizeof(*letters));
    if (letters == NULL) {
        out_of_memory(exchange);
        return;
    }
    status = lw_engine_dead_letters(server->engine, &search, letters, &n, &error);
    if (status == LW_OK) {
        letters_write(lw_http_json(exchange), letters, n, n == limit);
        lw_http_send_json(exchange, 200);
    } else {
        send_failure(exchange, status, &error);
    }
    lw_mem_free(letters);
}

static void letters_change(struct lw_server *server, struct lw_http_exchange *exchange, bool replay)
{
    const char *sink = query_sink(exchange);
    struct lw_json *json = lw_http_json(exchange);
    struct lw_error error = {0};
    uint64_t key;
    size_t n = 0;
    enum lw_status status;

    if (sink == NULL || !lw_http_query_number(exchange, "key", 1, INT64_MAX, 0, &key)) {
        return;
    }
    status = replay ? lw_engine_replay_dead_letters(server->engine, sink, key, &n, &error)
                    : lw_engine_drop_dead_letters(server->engine, sink, key, &n, &error);
    if (status != LW_OK) {
        send_failure(exchange, status, &error);
        return;
    }
    lw_json_begin_object(json);
    count_write(json, "dead_letters", n);
    lw_json_end(json);
    lw_http_send_json(exchange, 200);
}

void lw_api_replay_dead_letters(void *context, struct lw_http_exchange *exchange)
{
    letters_change(context, exchange, true);
}

void lw_api_drop_dead_letters(void *context, struct lw_http_exchange *exchange)
{
    letters_change(context, exchange, false);
}
