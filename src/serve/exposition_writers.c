/* Metrics of our own that have labels or buckets: see serve/exposition_internal.h. */
#include "serve/exposition_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void lw_scrape_put(struct scrape *scrape, const char *text)
{
    lw_write_raw(scrape->out, text, strlen(text));
}

void lw_scrape_put_label(struct scrape *scrape, const char *name, const char *value)
{
    lw_scrape_put(scrape, name);
    lw_scrape_put(scrape, "=\"");
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"') {
            lw_write_u8(scrape->out, '\\');
        }
        if (*c == '\n') {
            lw_scrape_put(scrape, "\\n");
        } else {
            lw_write_u8(scrape->out, (uint8_t)*c);
        }
    }
    lw_scrape_put(scrape, "\"");
}

void lw_scrape_put_value(struct scrape *scrape, double value)
{
    char text[LW_DOUBLE_TEXT_MAX];

    if (isnan(value)) {
        lw_scrape_put(scrape, " NaN\n");
        return;
    }
    (void)lw_double_format(value, text);
    lw_scrape_put(scrape, " ");
    lw_scrape_put(scrape, isinf(value) ? (value > 0 ? "+Inf" : "-Inf") : text);
    lw_scrape_put(scrape, "\n");
}

/* One sample without labels. */
void lw_scrape_put_plain(struct scrape *scrape, double value)
{
    lw_scrape_put(scrape, scrape->name);
    lw_scrape_put_value(scrape, value);
}

/* One sample with one label, or with two when the second has a name. */
void lw_scrape_put_labelled(struct scrape *scrape, const char *const labels[4], double value)
{
    lw_scrape_put(scrape, scrape->name);
    lw_scrape_put(scrape, "{");
    lw_scrape_put_label(scrape, labels[0], labels[1]);
    if (labels[2] != NULL) {
        lw_scrape_put(scrape, ",");
        lw_scrape_put_label(scrape, labels[2], labels[3]);
    }
    lw_scrape_put(scrape, "}");
    lw_scrape_put_value(scrape, value);
}

/* ---- writers, one for each metric that is more than a number of the totals ---- */

void lw_scrape_write_build_info(struct scrape *scrape)
{
    lw_scrape_put_labelled(scrape, (const char *const[4]){"version", scrape->server->version}, 1);
}

void lw_scrape_write_entities(struct scrape *scrape)
{
    lw_scrape_put_labelled(scrape, (const char *const[4]){"tier", "0"}, scrape->totals.n_entities);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"tier", "1"}, (double)scrape->n_modelled);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"tier", "stepped_down"},
                           scrape->totals.n_stepped_down);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"tier", "expired"},
                           scrape->totals.n_gone);
}

void lw_scrape_write_series_refused(struct scrape *scrape)
{
    lw_scrape_put_labelled(scrape, (const char *const[4]){"reason", "memory"},
                           (double)scrape->totals.series_refused_memory);
    lw_scrape_put_labelled(
        scrape, (const char *const[4]){"reason", "other"},
        (double)(scrape->totals.series_refused - scrape->totals.series_refused_memory));
}

void lw_scrape_write_samples(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        lw_scrape_put_labelled(scrape, (const char *const[4]){"source", scrape->feeds[i].source},
                               (double)scrape->feeds[i].samples);
    }
}

void lw_scrape_write_dropped(struct scrape *scrape)
{
    const struct lw_engine_totals *totals = &scrape->totals;
    const struct {
        const char *reason;
        uint64_t n;
    } engine[] = {{"late", totals->late},
                  {"duplicate", totals->duplicates},
                  {"not_finite", totals->not_finite},
                  {"overflow", totals->overflow},
                  {"unmatched", totals->unmatched},
                  {"series_refused", totals->series_refused}};

    for (size_t i = 0; i < sizeof(engine) / sizeof(engine[0]); i++) {
        lw_scrape_put_labelled(
            scrape, (const char *const[4]){"source", "engine", "reason", engine[i].reason},
            (double)engine[i].n);
    }
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        for (uint32_t r = 0; r < scrape->feeds[i].n_reasons; r++) {
            lw_scrape_put_labelled(scrape,
                                   (const char *const[4]){"source", scrape->feeds[i].source,
                                                          "reason",
                                                          scrape->feeds[i].dropped[r].reason},
                                   (double)scrape->feeds[i].dropped[r].n);
        }
    }
}

void lw_scrape_write_watermarks(struct scrape *scrape)
{
    for (size_t i = 0; i < scrape->n_feeds; i++) {
        if (scrape->feeds[i].watermark_ns != INT64_MIN) {
            lw_scrape_put_labelled(scrape,
                                   (const char *const[4]){"source", scrape->feeds[i].source},
                                   (double)scrape->feeds[i].watermark_ns / 1e9);
        }
    }
}

/* One sample a sink. */
static void write_sinks(struct scrape *scrape, double (*number)(const struct lw_sink_view *sink))
{
    for (size_t i = 0; i < scrape->n_sinks; i++) {
        lw_scrape_put_labelled(scrape, (const char *const[4]){"sink", scrape->sinks[i].name},
                               number(&scrape->sinks[i]));
    }
}

static double sink_delivered(const struct lw_sink_view *sink)
{
    return (double)sink->delivered;
}

static double sink_retried(const struct lw_sink_view *sink)
{
    return (double)sink->retried;
}

static double sink_dead(const struct lw_sink_view *sink)
{
    return (double)sink->dead;
}

static double sink_dead_dropped(const struct lw_sink_view *sink)
{
    return (double)sink->dead_dropped;
}

static double sink_pending(const struct lw_sink_view *sink)
{
    return (double)sink->pending;
}

static double sink_oldest(const struct lw_sink_view *sink)
{
    return (double)sink->oldest_ns / 1e9;
}

static double sink_up(const struct lw_sink_view *sink)
{
    return sink->up ? 1 : 0;
}

void lw_scrape_write_sink_delivered(struct scrape *scrape)
{
    write_sinks(scrape, sink_delivered);
}

void lw_scrape_write_sink_retried(struct scrape *scrape)
{
    write_sinks(scrape, sink_retried);
}

void lw_scrape_write_sink_dead(struct scrape *scrape)
{
    write_sinks(scrape, sink_dead);
}

void lw_scrape_write_sink_dead_dropped(struct scrape *scrape)
{
    write_sinks(scrape, sink_dead_dropped);
}

void lw_scrape_write_sink_pending(struct scrape *scrape)
{
    write_sinks(scrape, sink_pending);
}

void lw_scrape_write_sink_oldest(struct scrape *scrape)
{
    write_sinks(scrape, sink_oldest);
}

void lw_scrape_write_sink_up(struct scrape *scrape)
{
    write_sinks(scrape, sink_up);
}

/* Rows of scores by what became of them. */
void lw_scrape_write_scores(struct scrape *scrape)
{
    struct lw_scores_totals totals;

    if (scrape->server->scores == NULL) {
        return;
    }
    lw_scores_totals(scrape->server->scores, &totals);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"outcome", "written"},
                           (double)totals.rows_written);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"outcome", "dropped"},
                           (double)totals.rows_dropped);
    lw_scrape_put_labelled(scrape, (const char *const[4]){"outcome", "refused"},
                           (double)totals.rows_refused);
}

void lw_scrape_write_scores_failed(struct scrape *scrape)
{
    struct lw_scores_totals totals;

    if (scrape->server->scores != NULL) {
        lw_scores_totals(scrape->server->scores, &totals);
        lw_scrape_put_plain(scrape, (double)totals.requests_failed);
    }
}

/* The buckets of the text format count all that is at most their bound, the engine's do not. */
void lw_scrape_write_delays(struct scrape *scrape)
{
    const double *bounds = lw_engine_delay_bounds();
    uint64_t n = 0;

    for (size_t i = 0; i < LW_ENGINE_DELAYS; i++) {
        char bound[LW_DOUBLE_TEXT_MAX] = "+Inf";

        if (i + 1 < LW_ENGINE_DELAYS) {
            (void)lw_double_format(bounds[i], bound);
        }
        n += scrape->totals.verdict_delays[i];
        lw_scrape_put(scrape, scrape->name);
        lw_scrape_put(scrape, "_bucket{");
        lw_scrape_put_label(scrape, "le", bound);
        lw_scrape_put(scrape, "}");
        lw_scrape_put_value(scrape, (double)n);
    }
    lw_scrape_put(scrape, scrape->name);
    lw_scrape_put(scrape, "_sum");
    lw_scrape_put_value(scrape, scrape->totals.verdict_delay_sum_s);
    lw_scrape_put(scrape, scrape->name);
    lw_scrape_put(scrape, "_count");
    lw_scrape_put_value(scrape, (double)n);
}

void lw_scrape_write_anomalies(struct scrape *scrape)
{
    const size_t n = sizeof(scrape->totals.anomalies_by_type) /
                     sizeof(scrape->totals.anomalies_by_type[0]);

    for (size_t type = 1; type < n && type <= LW_TYPE_RANGE; type++) {
        lw_scrape_put_labelled(
            scrape,
            (const char *const[4]){"type", lw_anomaly_type_name((enum lw_anomaly_type)type)},
            (double)scrape->totals.anomalies_by_type[type]);
    }
}

void lw_scrape_write_requests(struct scrape *scrape)
{
    size_t n_routes;
    const struct lw_http_route *routes = lw_routes(scrape->server->routes, &n_routes);

    for (size_t route = 0; route <= n_routes; route++) {
        for (size_t i = 0; i < LW_HTTP_CODES; i++) {
            unsigned code;
            uint64_t n = lw_http_answers(scrape->http, route, i, &code);
            char text[16];

            if (code == 0 || n == 0) {
                continue;
            }
            (void)snprintf(text, sizeof(text), "%u", code);
            lw_scrape_put_labelled(
                scrape,
                (const char *const[4]){"route", route == n_routes ? "none" : routes[route].path,
                                       "code", text},
                (double)n);
        }
    }
}

void lw_scrape_write_push_series(struct scrape *scrape)
{
    struct lw_push *push = scrape->server->push;
    const char *source;
    uint64_t n_series;

    for (size_t i = 0; push != NULL && (source = lw_push_source(push, i, &n_series)) != NULL; i++) {
        if (n_series != UINT64_MAX) {
            lw_scrape_put_labelled(scrape, (const char *const[4]){"source", source},
                                   (double)n_series);
        }
    }
}
