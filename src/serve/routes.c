/* Every route there is. Routing, the answers 404, 405 and 400, the counters' labels and docs/api.md
 * come from this table. */
#include "serve/exposition.h"
#include "serve/server_internal.h"

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

static const struct lw_http_parameter list_parameters[] = {
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

static const struct lw_http_parameter anomaly_parameters[] = {
    {"after", "Only anomalies changed after this: the `change` of an answer before; default 0."},
    {"limit", "How many at most, newest first, 1 to 1000; default 100."},
    {NULL, NULL},
};

static const struct lw_http_parameter event_parameters[] = {
    {"entity", "Also send the new steps of all series of this entity."},
    {"after", "Also send anomalies changed after this and before now; a `Last-Event-ID` header "
              "counts more."},
    {NULL, NULL},
};

static const struct lw_http_route routes[] = {
    {"/", send_page, "The page.", NULL},
    {"/app.js", send_script, "The page's program.", NULL},
    {"/app.css", send_style, "The page's looks.", NULL},
    {"/icon.svg", send_icon, "The page's icon.", NULL},
    {"/live", lw_api_live, "200 as long as the process answers.", NULL},
    {"/ready", lw_api_ready, "200 once the state is loaded and the sources run; 503 before.", NULL},
    {"/health", lw_api_health,
     "As `/ready`, with version and uptime; `degraded` when the state could not be saved.", NULL},
    {"/metrics", lw_exposition_answer, "Lapwing's own metrics for Prometheus, text format 0.0.4.",
     NULL},
    {"/v1/status", lw_api_status, "Totals, sources, the alarm budget promised and achieved.", NULL},
    {"/v1/entities", lw_api_entities, "Entities by number, a page at a time.", list_parameters},
    {"/v1/entities/{entity}/series", lw_api_entity_series,
     "The series of an entity with their newest step.", list_parameters},
    {"/v1/series/{entity}/{series}", lw_api_series, "The steps kept of one series, as columns.",
     step_parameters},
    {"/v1/anomalies", lw_api_anomalies, "Anomalies, newest first.", anomaly_parameters},
    {"/v1/events", send_events, "What changed, every second, as server-sent events.",
     event_parameters},
};

const struct lw_http_route *lw_routes(size_t *ret_n)
{
    *ret_n = sizeof(routes) / sizeof(routes[0]);
    return routes;
}

static void line(struct lw_writer *out, const char *text)
{
    lw_write_raw(out, text, strlen(text));
    lw_write_u8(out, '\n');
}

static void document_routes(struct lw_writer *out)
{
    char text[512];

    line(out, "## Routes");
    line(out, "");
    line(out, "| path | parameters | answer |");
    line(out, "|---|---|---|");
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct lw_http_parameter *p = routes[i].parameters;

        (void)snprintf(text, sizeof(text), "| `%s` | ", routes[i].path);
        lw_write_raw(out, text, strlen(text));
        for (; p != NULL && p->name != NULL; p++) {
            (void)snprintf(text, sizeof(text), "%s`%s`: %s",
                           p == routes[i].parameters ? "" : "<br>", p->name, p->help);
            lw_write_raw(out, text, strlen(text));
        }
        (void)snprintf(text, sizeof(text), " | %s |", routes[i].summary);
        line(out, text);
    }
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
