/* The samples of a series as they came in, from the history on the disk. */
#include "base/clock.h"
#include "base/time_text.h"
#include "lapwing/state.h"
#include "serve/server_internal.h"
#include "serve/view.h"

#include <string.h>

#define SAMPLES_MAX 200000
#define SAMPLES_DEFAULT 20000
#define HOUR_NS INT64_C(3600000000000)

/* A moment in seconds; false, and answered with 400, where it is none. */
static bool query_moment(struct lw_http_exchange *exchange, const char *name, int64_t fallback_ns,
                         int64_t *ret_ns)
{
    const char *text = lw_http_query(exchange, name);

    *ret_ns = fallback_ns;
    if (text != NULL && !lw_time_parse_epoch(text, strlen(text), LW_TIME_S, ret_ns)) {
        lw_http_send_problem(
            exchange, 400,
            "The parameter \"%s\" must be seconds since 1970-01-01 UTC, such as 1700000000.5.",
            name);
        return false;
    }
    return true;
}

/* How many of them are told: a page ends where the time changes, so the next can begin by time; one
 * time with more samples than a page has is cut. */
static size_t page_length(const struct lw_samples *samples, size_t limit)
{
    size_t n = limit;

    if (samples->n <= limit) {
        return samples->n;
    }
    while (n > 0 && samples->times_ns[n - 1] == samples->times_ns[limit]) {
        n--;
    }
    return n > 0 ? n : limit;
}

static void samples_write(struct lw_json *json, const struct lw_samples *samples, size_t n)
{
    int64_t next_ns = INT64_MIN;

    if (n < samples->n) {
        next_ns = samples->times_ns[n];
        next_ns += next_ns == samples->times_ns[n - 1] ? 1 : 0;
    }
    lw_json_key(json, "time");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_view_time(json, samples->times_ns[i]);
    }
    lw_json_end(json);
    lw_json_key(json, "value");
    lw_json_begin_array(json);
    for (size_t i = 0; i < n; i++) {
        lw_json_number(json, samples->values[i]);
    }
    lw_json_end(json);
    lw_json_key(json, "damaged_blocks");
    lw_json_int(json, (int64_t)samples->n_damaged);
    lw_json_key(json, "next_from");
    lw_view_time(json, next_ns);
}

void lw_api_samples(void *context, struct lw_http_exchange *exchange)
{
    struct lw_server *server = context;
    struct lw_json *json = lw_http_json(exchange);
    const char *series = lw_http_query(exchange, "series");
    struct lw_samples samples;
    struct lw_error error;
    int64_t from_ns, to_ns;
    uint64_t limit;
    enum lw_status status;

    if (series == NULL || series[0] == '\0') {
        lw_http_send_problem(exchange, 400,
                             "The parameter \"series\" must be the name of a series, such as "
                             "node_load1{instance=\"web-1\"}.");
        return;
    }
    if (!query_moment(exchange, "to", lw_clock_real_ns(), &to_ns) ||
        !query_moment(exchange, "from", to_ns > INT64_MIN + HOUR_NS ? to_ns - HOUR_NS : INT64_MIN,
                      &from_ns) ||
        !lw_http_query_number(exchange, "limit", 1, SAMPLES_MAX, SAMPLES_DEFAULT, &limit)) {
        return;
    }
    status = lw_engine_samples(server->engine, series, from_ns, to_ns, &samples, &error);
    if (status != LW_OK) {
        lw_http_send_problem(exchange,
                             status == LW_EINVAL   ? 404
                             : status == LW_ELIMIT ? 400
                                                   : 503,
                             "%s", error.message);
        return;
    }
    lw_json_begin_object(json);
    lw_json_key(json, "series");
    lw_json_text(json, series);
    samples_write(json, &samples, page_length(&samples, limit));
    lw_json_end(json);
    lw_samples_fini(&samples);
    lw_http_send_json(exchange, 200);
}
