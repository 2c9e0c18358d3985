/* A scrape of our own metrics, and what writes those that are more than a number: exposition.c has
 * the table. */
#ifndef LW_SERVE_EXPOSITION_INTERNAL_H
#define LW_SERVE_EXPOSITION_INTERNAL_H

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "connect/scores.h"
#include "lapwing/state.h"
#include "serve/server_internal.h"

/* What one scrape works with: the engine is asked once. */
struct scrape {
    struct lw_server *server;
    struct lw_http *http;
    struct lw_writer *out;
    const char *name; /* Of the metric being written. */
    struct lw_engine_totals totals;
    struct lw_feed_totals *feeds;
    size_t n_feeds;
    struct lw_sink_view *sinks;
    size_t n_sinks;
    uint64_t n_modelled; /* Entities with a tier 1 model. */
    struct lw_http_totals uploads;
    bool has_state; /* The engine keeps its state in a folder. */
    struct lw_state_totals state;
    struct lw_archive_totals archive; /* Of the history on the disk. */
};

/* Text; a label's value, escaped; a number; a line without labels; one with pairs of name and
 * value. */
void lw_scrape_put(struct scrape *scrape, const char *text);
void lw_scrape_put_label(struct scrape *scrape, const char *name, const char *value);
void lw_scrape_put_value(struct scrape *scrape, double value);
void lw_scrape_put_plain(struct scrape *scrape, double value);
void lw_scrape_put_labelled(struct scrape *scrape, const char *const labels[4], double value);

/* One each for a metric of the table. */
void lw_scrape_write_build_info(struct scrape *scrape);
void lw_scrape_write_entities(struct scrape *scrape);
void lw_scrape_write_series_refused(struct scrape *scrape);
void lw_scrape_write_samples(struct scrape *scrape);
void lw_scrape_write_dropped(struct scrape *scrape);
void lw_scrape_write_watermarks(struct scrape *scrape);
void lw_scrape_write_sink_delivered(struct scrape *scrape);
void lw_scrape_write_sink_retried(struct scrape *scrape);
void lw_scrape_write_sink_dead(struct scrape *scrape);
void lw_scrape_write_sink_dead_dropped(struct scrape *scrape);
void lw_scrape_write_sink_pending(struct scrape *scrape);
void lw_scrape_write_sink_oldest(struct scrape *scrape);
void lw_scrape_write_sink_up(struct scrape *scrape);
void lw_scrape_write_scores(struct scrape *scrape);
void lw_scrape_write_scores_failed(struct scrape *scrape);
void lw_scrape_write_delays(struct scrape *scrape);
void lw_scrape_write_anomalies(struct scrape *scrape);
void lw_scrape_write_requests(struct scrape *scrape);
void lw_scrape_write_push_series(struct scrape *scrape);

#endif
