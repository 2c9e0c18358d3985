/* Every route there is. Routing, the answers 404, 405 and 400, the counters' labels and docs/api.md
 * come from this table. */
#include "base/error.h"
#include "base/mem.h"
#include "connect/influx/influx_push.h"
#include "serve/exposition.h"
#include "serve/server_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void send_page(void *context, struct lw_http_exchange *exchange)
{
    lw_assets_send(((struct lw_server *)context)->assets, "index.html", exchange);
}

static void send_script(void *context, struct lw_http_exchange *exchange)
{
    lw_assets_send(((struct lw_server *)context)->assets, "app.js", exchange);
}

static void send_style(void *context, struct lw_http_exchange *exchange)
{
    lw_assets_send(((struct lw_server *)context)->assets, "app.css", exchange);
}

static void send_icon(void *context, struct lw_http_exchange *exchange)
{
    lw_assets_send(((struct lw_server *)context)->assets, "icon.svg", exchange);
}

static void send_events(void *context, struct lw_http_exchange *exchange)
{
    lw_events_send(((struct lw_server *)context)->events, exchange);
}

static const struct lw_http_parameter entity_parameters[] = {
    {"search", "Words, of which the name must hold each, wherever, in upper or lower case."},
    {"detector", "Only entities of the detector of that name."},
    {"alarm", "yes: only those in alarm, no: only others, any (default)."},
    {"sort", "number (default), name, score (in alarm first), last, anomalies."},
    {"order", "asc or desc; default: asc for number and name, desc for others."},
    {"name", "The one entity of exactly that name; with detector."},
    {"from",
     "`next` of the page before. Without any of search, detector, alarm, sort and order: the "
     "lowest number wanted."},
    {"limit", "How many at most, 1 to 1000; default 100."},
    {NULL, NULL},
};

static const struct lw_http_parameter series_parameters[] = {
    {"search", "Words, of which the name must hold each, wherever, in upper or lower case."},
    {"alarm", "yes: only those in alarm, no: only others, any (default)."},
    {"from", "Lowest number wanted; default 0. `next` of the page before."},
    {"limit", "How many at most, 1 to 1000; default 100."},
    {NULL, NULL},
};

static const struct lw_http_parameter step_parameters[] = {
    {"since",
     "Only steps after this moment, in seconds since 1970-01-01 UTC; default: all that are kept."},
    {"limit", "How many at most, oldest first, 1 to 20000; default 20000."},
    {NULL, NULL},
};

static const struct lw_http_parameter sample_parameters[] = {
    {"series", "Its name as text, such as node_load1{instance=\"web-1\"}."},
    {"from", "Only samples at or after this moment, in seconds since 1970-01-01 UTC; default: an "
             "hour before `to`. `next_from` of the page before."},
    {"to", "Only samples before this moment; default: now."},
    {"limit", "How many at most, oldest first, 1 to 200000; default 20000."},
    {NULL, NULL},
};

static const struct lw_http_parameter anomaly_parameters[] = {
    {"after", "Only anomalies changed after this: the `change` of an answer before; default 0."},
    {"entity", "Only those of the entity of that number."},
    {"detector", "Only those of the detector of that name."},
    {"name", "Only those of entities of that name, also of one that is gone."},
    {"type", "Only those of that type, such as spike."},
    {"open", "yes: only those that are still open; any (default)."},
    {"since", "Only those that lasted to this moment or beyond, in seconds since 1970-01-01 UTC."},
    {"until", "Only those that began before this moment."},
    {"limit", "How many at most, newest first, 1 to 1000; default 100."},
    {NULL, NULL},
};

static const struct lw_http_parameter event_parameters[] = {
    {"entities",
     "Send these entities when they look otherwise: at most 128 numbers, such as 1,5,8."},
    {"entity", "Also send the new steps of series of this entity,"},
    {"series", "and of it these: at most 256 numbers; default: its first 256."},
    {"after", "Also send anomalies changed after this and before now; a `Last-Event-ID` header "
              "counts more."},
    {NULL, NULL},
};

static const struct lw_http_parameter dead_letter_parameters[] = {
    {"sink", "Name of the sink."},
    {"from", "Lowest key wanted; default 0. `next` of the page before."},
    {"limit", "How many at most, 1 to 1000; default 100."},
    {NULL, NULL},
};

static const struct lw_http_parameter dead_letter_choice[] = {
    {"sink", "Name of the sink."},
    {"key", "Of one dead letter; default: all."},
    {NULL, NULL},
};

static const struct lw_http_upload no_body = {.bytes_max = 0};

/* What clients of InfluxDB ask before they write. */
static void answer_ping(void *context, struct lw_http_exchange *exchange)
{
    (void)context;
    lw_http_add_field(exchange, "X-Influxdb-Version", LW_INFLUX_VERSION);
    lw_http_send_static(exchange, 204, "text/plain", "", 0);
}

static const struct lw_http_route ROUTES[] = {
    {.path = "/", .answer = send_page, .summary = "The page."},
    {.path = "/app.js", .answer = send_script, .summary = "The page's program."},
    {.path = "/app.css", .answer = send_style, .summary = "The page's looks."},
    {.path = "/icon.svg", .answer = send_icon, .summary = "The page's icon."},
    {.path = "/live", .answer = lw_api_live, .summary = "200 as long as the process answers."},
    {.path = "/ready",
     .answer = lw_api_ready,
     .summary = "200 once the state is loaded and the sources run; 503 before."},
    {.path = "/health",
     .answer = lw_api_health,
     .summary =
         "As `/ready`, with version and uptime; `degraded` when the state could not be saved."},
    {.path = "/ping",
     .answer = answer_ping,
     .summary = "204, with the version of InfluxDB whose writes are taken.",
     .any_parameters = true},
    {.path = "/metrics",
     .answer = lw_exposition_answer,
     .summary = "Lapwing's own metrics for Prometheus, text format 0.0.4."},
    {.path = "/v1/status",
     .answer = lw_api_status,
     .summary = "Totals, sources, the alarm budget promised and achieved."},
    {.path = "/v1/entities",
     .answer = lw_api_entities,
     .summary = "Entities, searched and sorted, a page at a time.",
     .parameters = entity_parameters},
    {.path = "/v1/entities/{entity}/series",
     .answer = lw_api_entity_series,
     .summary = "The series of an entity with their newest step.",
     .parameters = series_parameters},
    {.path = "/v1/series/{entity}/{series}",
     .answer = lw_api_series,
     .summary = "The steps kept of one series, as columns.",
     .parameters = step_parameters},
    {.path = "/v1/samples",
     .answer = lw_api_samples,
     .summary = "Samples of a series as they came in, from the disk: up to about a minute ago.",
     .parameters = sample_parameters},
    {.path = "/v1/anomalies",
     .answer = lw_api_anomalies,
     .summary = "Anomalies, newest first.",
     .parameters = anomaly_parameters},
    {.path = "/v1/sinks",
     .answer = lw_api_sinks,
     .summary = "Where anomalies are told: what each sink has yet to be told, and how it does."},
    {.path = "/v1/sinks/dead-letters",
     .answer = lw_api_dead_letters,
     .summary = "Events that a sink refused or that grew too old for it, oldest first.",
     .parameters = dead_letter_parameters},
    {.path = "/v1/sinks/dead-letters/replay",
     .answer = lw_api_replay_dead_letters,
     .summary = "They are told after all; says how many.",
     .parameters = dead_letter_choice,
     .upload = &no_body},
    {.path = "/v1/sinks/dead-letters/drop",
     .answer = lw_api_drop_dead_letters,
     .summary = "They are forgotten; says how many.",
     .parameters = dead_letter_choice,
     .upload = &no_body},
    {.path = "/v1/events",
     .answer = send_events,
     .summary = "What changed, every second, as server-sent events.",
     .parameters = event_parameters},
};

#define N_ROUTES (sizeof(ROUTES) / sizeof(ROUTES[0]))
#define PUSH_PATHS_MAX 32
#define PUSH_PARAMETERS_MAX 64

struct lw_routes {
    size_t n, n_parameters, n_uploads;
    struct lw_http_route routes[N_ROUTES + PUSH_PATHS_MAX];
    struct lw_http_upload uploads[PUSH_PATHS_MAX];
    struct lw_http_parameter parameters[PUSH_PARAMETERS_MAX]; /* Of one class behind another, each
                                                                 ended by a NULL name. */
};

static unsigned begin_push(void *context, struct lw_http_exchange *exchange,
                           char ret_detail[LW_HTTP_DETAIL_MAX])
{
    return lw_push_begin(((struct lw_server *)context)->push, exchange, ret_detail);
}

static void refuse_push(void *context, struct lw_http_exchange *exchange, unsigned code,
                        const char *detail)
{
    lw_push_refuse(((struct lw_server *)context)->push, exchange, code, detail);
}

static void answer_push(void *context, struct lw_http_exchange *exchange)
{
    lw_push_answer(((struct lw_server *)context)->push, exchange);
}

/* The class's parameters as routes have them; a test sees that there is room for those of all. */
static const struct lw_http_parameter *routes_add_parameters(struct lw_routes *routes,
                                                             const char *const *parameters)
{
    struct lw_http_parameter *first = &routes->parameters[routes->n_parameters];

    for (size_t i = 0; parameters[i] != NULL; i += 2) {
        assert(routes->n_parameters + 1 < PUSH_PARAMETERS_MAX);
        routes->parameters[routes->n_parameters++] = (struct lw_http_parameter){parameters[i],
                                                                                parameters[i + 1]};
    }
    routes->parameters[routes->n_parameters++] = (struct lw_http_parameter){NULL, NULL};
    return first;
}

static void routes_add_class(struct lw_routes *routes, const struct lw_push_class *class)
{
    const struct lw_http_parameter *parameters = routes_add_parameters(routes, class->parameters);
    struct lw_http_upload *upload = &routes->uploads[routes->n_uploads++];

    *upload = (struct lw_http_upload){
        .bytes_max = class->body_bytes_max, .begin = begin_push, .refuse = refuse_push};
    for (size_t i = 0; class->paths[i] != NULL; i++) {
        assert(routes->n < N_ROUTES + PUSH_PATHS_MAX);
        routes->routes[routes->n++] = (struct lw_http_route){
            .path = class->paths[i],
            .answer = answer_push,
            .summary = class->summary,
            .parameters = parameters,
            .any_parameters = class->any_parameters,
            .upload = upload,
            .tag = class};
    }
}

enum lw_status lw_routes_create(bool pushes, struct lw_routes **ret_routes, struct lw_error *reterr)
{
    const struct lw_push_class *const *classes = lw_push_classes();
    struct lw_routes *routes = lw_mem_calloc(1, sizeof(*routes));

    if (routes == NULL) {
        return lw_error_set(reterr, LW_ENOMEM, "no memory for the routes");
    }
    memcpy(routes->routes, ROUTES, sizeof(ROUTES));
    routes->n = N_ROUTES;
    for (size_t i = 0; pushes && classes[i] != NULL; i++) {
        routes_add_class(routes, classes[i]);
    }
    *ret_routes = routes;
    return LW_OK;
}

void lw_routes_destroy(struct lw_routes *routes)
{
    lw_mem_free(routes);
}

const struct lw_http_route *lw_routes(const struct lw_routes *routes, size_t *ret_n)
{
    *ret_n = routes->n;
    return routes->routes;
}

static void line(struct lw_writer *out, const char *text)
{
    lw_write_raw(out, text, strlen(text));
    lw_write_u8(out, '\n');
}

static void document_route(struct lw_writer *out, const struct lw_http_route *route)
{
    const struct lw_http_parameter *parameters = route->parameters;
    char text[512];

    (void)snprintf(text, sizeof(text), "| %s`%s` | ", route->upload != NULL ? "POST " : "",
                   route->path);
    lw_write_raw(out, text, strlen(text));
    for (const struct lw_http_parameter *p = parameters; p != NULL && p->name != NULL; p++) {
        (void)snprintf(text, sizeof(text), "%s`%s`: %s", p == parameters ? "" : "<br>", p->name,
                       p->help);
        lw_write_raw(out, text, strlen(text));
    }
    (void)snprintf(text, sizeof(text), " | %s |", route->summary);
    line(out, text);
}

static void document_routes(struct lw_writer *out)
{
    struct lw_routes *routes = NULL;

    line(out, "## Routes");
    line(out, "");
    line(out, "Those without a method take GET and HEAD.");
    line(out, "");
    line(out, "| path | parameters | answer |");
    line(out, "|---|---|---|");
    if (lw_routes_create(true, &routes, NULL) != LW_OK) {
        out->status = LW_ENOMEM;
        return;
    }
    for (size_t i = 0; i < routes->n; i++) {
        document_route(out, &routes->routes[i]);
    }
    lw_routes_destroy(routes);
}

void lw_server_document(struct lw_writer *out)
{
    char text[512];

    document_routes(out);
    line(out, "");
    line(out, "## Metrics");
    line(out, "");
    line(out, "| metric | type | unit | labels | meaning |");
    line(out, "|---|---|---|---|---|");
    for (size_t i = 0; lw_exposition_metric(i) != NULL; i++) {
        const struct lw_metric_text *metric = lw_exposition_metric(i);

        (void)snprintf(text, sizeof(text), "| `%s` | %s | %s | %s | %s |", metric->name,
                       metric->type, metric->unit, metric->labels, metric->help);
        line(out, text);
    }
}
